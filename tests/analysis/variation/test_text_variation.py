"""Variation of texts at equal lengths: the double sum, a planted effect of length that goes away, blocks, and gaps."""

import numpy as np
import pandas as pd
import pytest

from twigma.analysis.variation import text_variation as tv
from twigma.analysis.variation.text_variation import Texts, text_variation


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def written(name, words, rng, *, spread=1.0, tokens=None):
    """Texts that lie the closer together the longer they are."""
    words = np.asarray(words)
    scale = spread * np.where(words > 10, 0.2, 0.8)
    x = unit(np.ones(16) + scale[:, None] * rng.normal(size=(len(words), 16)))
    return Texts(name, x, words, tokens, np.arange(len(words)))


def test_the_value_is_the_double_sum(rng):
    prompts = written("prompts", [3, 3, 4, 8, 9, 14, 17, 30], rng)
    other = written("other", [2, 7, 8, 8, 9, 12], rng)
    found = text_variation({"prompts": prompts, "other": other}).set_index("set")
    share = {
        0: 3 / 8,
        1: 2 / 8,
        2: 1 / 8,
    }  # of the bins 1-5, 6-10, 11-15, which both have
    for name, texts in (("other", other), ("prompts", prompts)):
        bins = (texts.words - 1) // 5
        v = np.array([share.get(b, 0) / np.sum(bins == b) for b in bins])
        above = below = 0.0
        for i in range(len(v)):
            for j in range(len(v)):
                if i != j:
                    above += (
                        v[i]
                        * v[j]
                        * np.linalg.norm(texts.embedding[i] - texts.embedding[j])
                    )
                    below += v[i] * v[j]
        assert found.loc[
            "other", "distance" if name == "other" else "base_distance"
        ] == pytest.approx(above / below)
    assert found.loc["other", "support"] == pytest.approx(6 / 8)
    weights = np.array([3, 0.5, 0.5, 0.5, 0.5, 1]) / 8
    assert found.loc["other", "effective"] == pytest.approx(
        weights.sum() ** 2 / (weights**2).sum()
    )
    assert found.loc["prompts", "difference"] == 0 and found.index[0] == "prompts"


def test_a_difference_of_length_alone_goes_away(rng):
    prompts = written("prompts", rng.choice([4, 14], 400, p=[0.8, 0.2]), rng)
    longer = written("longer", rng.choice([4, 14], 400, p=[0.2, 0.8]), rng)
    narrow = written("narrow", rng.choice([4, 14], 400, p=[0.2, 0.8]), rng, spread=0.5)
    found = text_variation(
        {"longer": longer, "narrow": narrow, "prompts": prompts}
    ).set_index("set")
    assert found.loc["longer", "unmatched"] < found.loc["prompts", "low"]
    assert (
        found.loc["longer", "difference_low"]
        < 0
        < found.loc["longer", "difference_high"]
    )
    assert found.loc["narrow", "difference_high"] < 0
    assert found.loc["longer", "effective"] < 200 and found["n"].tolist() == [400] * 3


def test_intervals_of_blocks_cover(monkeypatch):
    """Forty authors of ten posts, each near a theme of their own."""
    monkeypatch.setattr(tv, "DRAWS", 200)
    rng = np.random.default_rng(2)

    def posts(authors):
        owner = np.repeat(np.arange(authors), 10)
        x = unit(
            np.ones(8)
            + 0.6 * rng.normal(size=(authors, 8))[owner]
            + 0.1 * rng.normal(size=(len(owner), 8))
        )
        return Texts("prompts", x, np.full(len(owner), 5), None, owner)

    apart = [
        np.linalg.norm(np.subtract(*posts(2).embedding[[0, 10]])) for _ in range(5000)
    ]
    same = [
        np.linalg.norm(np.subtract(*posts(1).embedding[[0, 1]])) for _ in range(1000)
    ]
    truth = (
        np.mean(apart) * 390 + np.mean(same) * 9
    ) / 399  # of 399 other posts nine are of the same author
    hits = narrow = 0
    for _ in range(60):
        texts = posts(40)
        found = text_variation({"prompts": texts}).iloc[0]
        alone = text_variation({"prompts": Texts("prompts", *_parts(texts))}).iloc[0]
        hits += found["low"] < truth < found["high"]
        narrow += alone["low"] < truth < alone["high"]
    assert hits >= 51 and narrow < 45, (hits, narrow)


def _parts(texts):
    return texts.embedding, texts.words, None, np.arange(len(texts.words))


def test_long_texts_are_counted_and_unknown_lengths_say_so(rng):
    known = written("prompts", [5, 5, 60, 70], rng, tokens=np.array([7, 8, 77, 90]))
    unknown = written("book", [5, 6, 7, 60], rng)
    found = text_variation({"prompts": known, "book": unknown}).set_index("set")
    assert found.loc["prompts", "long"] == 0.25 and np.isnan(found.loc["book", "long"])
    assert (
        found.loc["prompts", "median_words"] == 32.5
        and found.loc["book", "blocks"] == 4
    )


def test_no_common_length_is_a_stated_nothing(rng):
    found = text_variation(
        {
            "prompts": written("prompts", [3] * 9, rng),
            "essay": written("essay", [50] * 9, rng),
        }
    )
    row = found.set_index("set").loc["essay"]
    assert row[["distance", "low", "difference"]].isna().all() and (
        row["support"],
        row["effective"],
    ) == (0, 0)
    assert row["unmatched"] > 0
    with pytest.raises(ValueError, match="expected the texts 'prompts'"):
        text_variation({"essay": written("essay", [5] * 3, rng)})
    with pytest.raises(ValueError, match="at least two texts of 'prompts'"):
        text_variation({"prompts": written("prompts", [5], rng)})


def test_a_seed_gives_the_same_table_and_many_texts_are_sampled(rng, monkeypatch):
    monkeypatch.setattr(tv, "MOST", 50)
    texts = {"prompts": written("prompts", rng.integers(1, 30, 200), rng)}
    pd.testing.assert_frame_equal(
        text_variation(texts, seed=1), text_variation(texts, seed=1)
    )
    assert text_variation(texts)["n"].tolist() == [50]
