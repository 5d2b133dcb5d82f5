"""Agreement with the clusters: planted merges and splits, scikit-learn, sums written out, and chance."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score, homogeneity_completeness_v_measure

from twigma.analysis.themes.concordance import between_annotators, concordance

CLUSTER = np.repeat(np.arange(1, 11), 10)


def filled(group, keywords=None, annotator="annotator-1", cluster=CLUSTER):
    words = [frozenset()] * len(cluster) if keywords is None else keywords
    rows = {
        "item": np.arange(len(cluster)).astype(str),
        "cluster": cluster,
        "group": [str(g) for g in group],
    }
    return pd.DataFrame(rows).assign(annotator=annotator, keywords=words)


def planted():
    """Clusters 5 and 8 as one group; 1, 2 and 7 as two groups each."""
    group = np.where(CLUSTER == 8, 5, CLUSTER)
    half = np.arange(100) % 10 >= 5
    return np.where(np.isin(CLUSTER, [1, 2, 7]) & half, group + 100, group)


def test_merged_and_split_clusters_are_recovered():
    found = concordance(filled(planted())).set_index("measure")
    assert found.loc["ari", "value"] == pytest.approx(0.79, abs=0.01)
    assert found.loc["ari", "noise_975"] == pytest.approx(0.03, abs=0.01)
    assert found.loc["ari", "p"] == 0.001
    assert found.loc["ari", "low"] < 0.79 < found.loc["ari", "high"] < 1
    expected = homogeneity_completeness_v_measure(CLUSTER, planted())[:2]
    assert found.loc[
        ["homogeneity", "completeness"], "value"
    ].tolist() == pytest.approx(expected)
    assert set(found["n"]) == {100} and "keywords" not in found.index


def test_groups_at_random_agree_by_chance_alone(rng):
    found = pd.concat(
        concordance(filled(rng.permutation(CLUSTER)), seed=seed) for seed in range(3)
    )
    assert (found["p"] > 0.01).all()
    assert abs(found.loc[found["measure"] == "ari", "value"]).max() < 0.06


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    cluster, group = rng.integers(1, 5, 30), rng.integers(0, 4, 30)
    found = concordance(filled(group, cluster=cluster)).set_index("measure")["value"]
    expected = [
        adjusted_rand_score(cluster, group),
        *homogeneity_completeness_v_measure(cluster, group)[:2],
    ]
    assert found.tolist() == pytest.approx(expected)


def test_keywords_are_the_jaccard_written_out():
    keywords = [
        frozenset(w.split())
        for w in ("cat art", "cat sea", "cat", "dog", "dog art", "")
    ]
    found = concordance(
        filled([1, 1, 1, 2, 2, 2], keywords, cluster=np.array([1, 1, 1, 2, 2, 2]))
    )
    row = found.set_index("measure").loc["keywords"]
    assert row["n"] == 5
    same, other = [1 / 3, 1 / 2, 1 / 2, 1 / 2], [0, 1 / 3, 0, 0, 0, 0]
    assert row["value"] == pytest.approx(np.mean(same) - np.mean(other))


def test_keywords_that_follow_the_clusters_are_beyond_chance(rng):
    words = [frozenset({f"theme{c}", str(rng.integers(30))}) for c in CLUSTER]
    row = concordance(filled(CLUSTER, words)).set_index("measure").loc["keywords"]
    assert row["p"] == 0.001 and row["value"] > row["noise_975"] > 0
    lost = [words[i] for i in rng.permutation(100)]
    assert (
        concordance(filled(CLUSTER, lost)).set_index("measure").loc["keywords", "p"]
        > 0.01
    )


def test_annotators_are_compared_on_the_images_both_grouped():
    one, other = filled(planted()), filled(CLUSTER, annotator="annotator-2").iloc[10:]
    (row,) = between_annotators(pd.concat([one, other])).itertuples(index=False)
    assert row.n == 90
    assert row.value == pytest.approx(adjusted_rand_score(planted()[10:], CLUSTER[10:]))
    assert between_annotators(one).empty


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="annotator-1: expected at least 4 images"):
        concordance(filled([1, 1, 2], cluster=np.array([1, 1, 2])))


def test_what_images_of_one_author_share_is_no_agreement(rng):
    """Clusters and groups follow the author and not each other: images on their own would make p small."""
    small = {True: 0, False: 0}
    for seed in range(6):
        owner = np.repeat(np.arange(12), 8)
        cluster = rng.integers(1, 5, 12)[owner]
        sheet = filled(rng.integers(0, 4, 12)[owner], cluster=cluster)
        for known in small:
            told = sheet.assign(owner=owner) if known else sheet
            found = concordance(told, seed=seed).set_index("measure")
            small[known] += found.loc["ari", "p"] <= 0.05
    assert small[True] <= 1 and small[False] >= 4


def test_owners_of_one_image_each_are_images(rng):
    sheet = filled(rng.integers(0, 4, 100))
    alone = concordance(sheet.assign(owner=sheet["item"]))
    pd.testing.assert_frame_equal(alone, concordance(sheet))
    whole = concordance(sheet.assign(owner=np.repeat(np.arange(10), 10)))
    assert (whole["high"] - whole["low"] != alone["high"] - alone["low"]).all()
    two = concordance(sheet.assign(owner=np.repeat([0, 1], 50)))
    assert two["low"].isna().all() and two["p"].notna().all()
