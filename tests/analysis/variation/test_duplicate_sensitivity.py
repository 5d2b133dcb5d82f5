"""Near duplicates: planted copies are found, none else; the numbers are those of the set without them."""

import numpy as np
import pytest

from twigma.analysis.variation import duplicate_sensitivity as nd
from twigma.analysis.variation.distance import mean_pairwise_distance
from twigma.analysis.variation.groups import grouped_distance
from twigma.analysis.variation.spread import variation_table


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def sets():
    """600 images of which a third are copies of two others with a little noise, and 600 all different."""
    rng = np.random.default_rng(4)
    first = unit(rng.normal(size=(400, 48)) + 1)
    copies = unit(first[rng.integers(0, 2, 200)] + 0.002 * rng.normal(size=(200, 48)))
    return {
        "copied": np.concatenate([first, copies]),
        "plain": unit(rng.normal(size=(600, 48)) + 1),
    }


@pytest.mark.parametrize("block", [7, 64, 2048])
def test_distinct_rows_are_those_of_the_loop(sets, monkeypatch, block):
    monkeypatch.setattr(nd, "BLOCK", block)
    x = sets["copied"][np.random.default_rng(0).permutation(600)]
    kept = []
    for row in range(len(x)):
        if not any(x[row] @ x[other] > 0.99 for other in kept):
            kept.append(row)
    assert nd.distinct_rows(x, 0.99).tolist() == kept
    assert len(kept) == 400


def test_a_chain_keeps_every_other_one(monkeypatch):
    """Rows on an arc, each near to the next alone: a dropped one drops none."""
    angle = np.arange(6) * 0.08
    x = np.column_stack([np.cos(angle), np.sin(angle)])
    assert nd.distinct_rows(x, np.cos(0.1)).tolist() == [0, 2, 4]
    assert nd.distinct_rows(np.ones((3000, 2)) / 2**0.5).tolist() == [0]
    assert nd.distinct_rows(x[:0]).tolist() == []


def test_planted_copies_are_told_and_taken_out(sets):
    found = nd.near_duplicates(sets, k=20).set_index(["set", "metric"])
    assert found.loc["copied", "removed"].tolist() == [200] * 5
    assert found.loc["plain", "removed"].tolist() == [0] * 5
    assert found["n"].unique().tolist() == [400, 600] and set(found["drawn"]) == {600}
    truth = mean_pairwise_distance(sets["copied"][:400])
    row = found.loc[("copied", "distance")]
    assert (
        row["without"] == pytest.approx(truth.value, abs=1e-6)
        and row["value"] < row["without_low"]
    )
    expected = variation_table({"copied": sets["copied"][:400]}, n=400, k=20)
    for metric in ("iev", "pmv", "vendi"):
        assert found.loc[("copied", metric), "without"] == pytest.approx(
            expected.set_index("set").loc["copied", metric]
        )
    assert (
        found.loc["plain", ["value", "without"]].isna().all(axis=None)
    )  # none lost: as in Fig 3
    assert (
        found.loc[("copied", "vendi"), "value"]
        < found.loc[("copied", "vendi"), "without_low"]
    )


def test_groups_lose_their_copies_too(sets):
    labels = np.arange(600) % 40
    x, copied = sets["plain"].copy(), np.arange(0, 40)
    x[copied + 40] = x[copied]  # each group repeats an image
    found = nd.near_duplicates({"plain": sets["plain"]}, {"same": (x, labels)}).iloc[-1]
    assert (found["set"], found["metric"], found["removed"], found["n"]) == (
        "same",
        "distance",
        40,
        560,
    )
    keep = np.setdiff1d(np.arange(600), copied + 40)
    for end, rows in (("value", np.arange(600)), ("without", keep)):
        expected = grouped_distance(x[rows], labels[rows])["value"][0]
        assert found[end] == pytest.approx(expected)
    assert found["value"] < found["without"]


def test_blocks_go_with_their_rows_and_equal_images_are_refused(sets):
    owners = {"copied": np.arange(600) // 3}
    found = nd.near_duplicates(sets, blocks=owners).set_index(["set", "metric"])
    kept = nd.distinct_rows(sets["copied"])
    expected = variation_table(
        {"copied": sets["copied"][kept]}, blocks={"copied": owners["copied"][kept]}
    ).iloc[0]
    assert found.loc[("copied", "vendi"), "without_high"] == pytest.approx(
        expected["vendi_high"]
    )
    with pytest.raises(ValueError, match="different images"):
        nd.near_duplicates({"same": np.ones((50, 2)) / 2**0.5})
