"""Alpha against the published example and against all pairs; groups against scikit-learn and against counting."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from twigma.analysis.measurement import (
    krippendorff_alpha,
    mutual_information,
    split_and_merged,
)

NAN = np.nan
# Krippendorff (2011), Computing Krippendorff's alpha-reliability, section C: nominal alpha is .743.
PUBLISHED = pd.DataFrame(
    {
        "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        "C": [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    }
)


def alpha_of_all_pairs(labels):
    """One less the share of unlike pairs within images over that of all pairs of labels."""
    units = [row[~np.isnan(row)] for row in labels.to_numpy(float)]
    units = [unit for unit in units if len(unit) > 1]
    every = np.concatenate(units)
    within = sum(
        sum(a != b for a, b in permutations(unit, 2)) / (len(unit) - 1)
        for unit in units
    )
    between = sum(a != b for a, b in permutations(every, 2)) / (len(every) - 1)
    return 1 - within / between


def test_alpha_is_the_published_one():
    found = krippendorff_alpha(PUBLISHED)
    assert round(found.value, 3) == 0.743
    assert found.n == 11
    assert found.low < 0.743 < found.high


def test_alpha_is_that_of_all_pairs(rng):
    for _ in range(20):
        labels = rng.integers(0, 3, (15, 4)).astype(float)
        labels[rng.random(labels.shape) < 0.3] = NAN
        frame = pd.DataFrame(labels)
        assert np.isclose(krippendorff_alpha(frame).value, alpha_of_all_pairs(frame))


def test_the_interval_of_alpha_holds_the_truth(rng):
    """Two annotators who each err in a tenth: alpha is known, and 95% intervals hold it in about 95 %."""
    share, error = 0.3, 0.1
    yes = share * (1 - error) + (1 - share) * error
    unlike = 2 * error * (1 - error)
    truth = 1 - unlike / (2 * yes * (1 - yes))
    held = 0
    for seed in range(150):
        y = rng.random(200) < share
        sheet = {name: y ^ (rng.random(200) < error) for name in "ab"}
        found = krippendorff_alpha(pd.DataFrame(sheet), seed=seed)
        held += found.low <= truth <= found.high
    assert held >= 0.89 * 150


def test_alpha_needs_images_that_two_labelled():
    with pytest.raises(ValueError, match="labels by two annotators"):
        krippendorff_alpha(pd.DataFrame({"a": [1, NAN], "b": [NAN, 1]}))
    assert np.isnan(krippendorff_alpha(pd.DataFrame({"a": [1, 1], "b": [1, 1]})).value)


def sheets(rng):
    """Ten images of each of four clusters; annotators merge 3 and 4, and split 1 in halves."""
    rows = []
    for annotator in ("ada", "bo"):
        for item in range(40):
            cluster = item // 10 + 1
            group = {1: f"one {item % 2}", 2: "two", 3: "both", 4: "both"}[cluster]
            if rng.random() < 0.05:
                group = "two"
            rows.append((annotator, str(item), cluster, group))
    return pd.DataFrame(rows, columns=["annotator", "item", "cluster", "group"])


def test_mutual_information_is_that_of_sklearn(rng):
    from sklearn.metrics import adjusted_mutual_info_score

    filled = sheets(rng)
    found = mutual_information(filled).set_index(["a", "b"])
    assert list(found.index) == [("ada", "clusters"), ("bo", "clusters"), ("ada", "bo")]
    ada, bo = (filled[filled["annotator"] == name] for name in ("ada", "bo"))
    expected = adjusted_mutual_info_score(ada["cluster"], ada["group"])
    assert np.isclose(found.loc[("ada", "clusters"), "value"], expected)
    expected = adjusted_mutual_info_score(ada["group"].tolist(), bo["group"].tolist())
    row = found.loc[("ada", "bo")]
    assert np.isclose(row["value"], expected)
    assert row["low"] < expected < row["high"]


def test_splits_and_merges_are_counted_over_pairs(rng):
    filled = sheets(rng)
    found = split_and_merged(filled).set_index(["cluster", "other"])

    def counted(cluster, other):
        shares = []
        one = filled[filled["cluster"] == cluster]["item"].unique()
        two = filled[filled["cluster"] == other]["item"].unique()
        group = filled.set_index(["annotator", "item"])["group"]
        for a in one:
            for b in two:
                if a != b:
                    same = [group[name, a] == group[name, b] for name in ("ada", "bo")]
                    shares.append(np.mean(same))
        return np.mean(shares)

    for cluster in (1, 2, 3, 4):
        row = found.loc[(cluster, cluster)]
        assert np.isclose(row["value"], 1 - counted(cluster, cluster))
    assert np.isclose(found.loc[(3, 4), "value"], counted(3, 4))
    assert found.loc[(3, 4), "low"] > 0.6 and found.loc[(1, 2), "high"] < 0.3
    assert found.loc[(1, 1), "low"] > 0.3  # halves are told apart in 5 of 9 pairs
    assert found.loc[(2, 2), "high"] < 0.3


def test_single_annotators_are_beside_the_share_of_all(rng):
    """Bo puts all of cluster 1 into one group, ada none: half of the pairs in all."""
    filled = sheets(rng)
    of_ada = (filled["annotator"] == "ada") & (filled["cluster"] == 1)
    of_bo = (filled["annotator"] == "bo") & (filled["cluster"] == 1)
    filled.loc[of_ada, "group"] = [f"g{i}" for i in range(10)]
    filled.loc[of_bo, "group"] = "one"
    row = split_and_merged(filled).set_index(["cluster", "other"]).loc[(1, 1)]
    assert (row["least"], row["value"], row["most"]) == (0, 0.5, 1)


def test_alpha_of_pairs_is_that_of_labels_of_pairs(rng):
    """Against alpha of a sheet with a row a pair, and its jackknife against leaving out each image in turn."""
    filled = sheets(rng)
    swapped = (filled["annotator"] == "bo") & filled["item"].isin(["3", "12", "25"])
    filled.loc[swapped, "group"] = "one 0"
    group = filled.set_index(["annotator", "item"])["group"]

    def pairs_alpha(one, two):
        rows = []
        for a in one:
            for b in two:
                if a != b and not (b in one and int(b) < int(a)):
                    rows.append([group[n, a] == group[n, b] for n in ("ada", "bo")])
        return krippendorff_alpha(pd.DataFrame(rows, columns=["ada", "bo"])).value

    found = split_and_merged(filled).set_index(["cluster", "other"])
    for cluster, other in ((1, 1), (1, 2), (3, 4)):
        one = [str(i) for i in range(10 * cluster - 10, 10 * cluster)]
        two = [str(i) for i in range(10 * other - 10, 10 * other)]
        row = found.loc[(cluster, other)]
        assert np.isclose(row["alpha"], pairs_alpha(one, two))
        without = []
        for item in dict.fromkeys([*one, *two]):
            rest = [i for i in one if i != item], [i for i in two if i != item]
            without.append(pairs_alpha(*rest))
        n = len(without)
        se = np.sqrt((n - 1) / n * np.sum((without - np.mean(without)) ** 2))
        half = stats.t.ppf(0.975, n - 1) * se
        assert np.isclose(row["alpha"] - row["alpha_low"], half, rtol=1e-2)


def test_an_image_that_nobody_else_had_is_no_pair():
    filled = pd.DataFrame(
        {
            "annotator": ["ada", "ada", "bo", "bo"],
            "item": list("1234"),
            "cluster": [1, 1, 1, 1],
            "group": ["x", "x", "x", "y"],
        }
    )
    found = split_and_merged(filled).iloc[0]
    assert found["value"] == 0.5 and found["n"] == 4


# ------------------------------------------------------------------ images of one author


def by_few_authors(rng, authors=12, each=5):
    """Sheets whose images by one author are all in one cluster, and in one group, mostly."""
    rows = []
    for author in range(authors):
        cluster = author % 4 + 1
        group = cluster if rng.random() < 0.7 else int(rng.integers(1, 5))
        for image in range(each):
            item = str(author * each + image)
            rows.append(("ada", item, cluster, str(group), f"author {author}"))
    names = ["annotator", "item", "cluster", "group", "owner"]
    return pd.DataFrame(rows, columns=names)


def widths(table):
    return (table["high"] - table["low"]).to_numpy()


@pytest.mark.parametrize("measure", [mutual_information, split_and_merged])
def test_images_of_one_author_are_left_out_together(rng, measure):
    filled = by_few_authors(rng)
    with_owners = measure(filled)
    by_image = measure(filled.drop(columns="owner"))
    assert np.allclose(with_owners["value"], by_image["value"])
    # Elsewhere all pairs are alike, and the interval is Wilson's.
    varied = with_owners["value"].between(0.01, 0.99).to_numpy()
    wide, narrow = widths(with_owners)[varied], widths(by_image)[varied]
    assert np.nanmean(wide) > 1.5 * np.nanmean(narrow) > 0
    alone = measure(filled.assign(owner=filled["item"]))
    pd.testing.assert_frame_equal(alone, by_image)
    pd.testing.assert_frame_equal(measure(filled.assign(owner=None)), by_image)


def test_two_authors_are_too_few_for_an_interval(rng):
    found = mutual_information(by_few_authors(rng, authors=2, each=20))
    assert found["low"].isna().all() and found["n"].tolist() == [40]


def test_labels_of_one_authors_images_are_drawn_together(rng):
    labels = pd.DataFrame({"a": np.repeat(rng.random(12) < 0.5, 10)})
    labels["b"] = np.where(
        np.repeat(rng.random(12) < 0.3, 10), ~labels["a"], labels["a"]
    )
    owners = np.repeat(np.arange(12), 10)
    by_image = krippendorff_alpha(labels)
    by_owner = krippendorff_alpha(labels, owners=owners)
    assert by_owner.value == by_image.value
    assert by_owner.high - by_owner.low > 2 * (by_image.high - by_image.low)
    alone = krippendorff_alpha(labels, owners=np.arange(120))
    assert (alone.low, alone.high) == (by_image.low, by_image.high)
