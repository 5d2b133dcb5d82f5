"""Caption words, NSFW scores and similar pairs against scikit-learn, statsmodels and brute force."""

import doctest

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from twigma.analysis.themes import captions_and_nsfw, words

CAPTIONS = [
    "araffe there is a painting of a castle",
    "a painting of a castle and a dragon",
    "a picture of a woman with a robot",
    "close up of a robot robot",
    None,
]
LABELS = [1, 1, 2, 2, 2]


def test_counts_and_scores_are_those_of_a_bag_of_words():
    found = captions_and_nsfw.top_words(CAPTIONS, LABELS)
    drop = [*words.stopwords(), *words.BOILERPLATE]
    texts = [
        " ".join(
            c for c, label in zip(CAPTIONS, LABELS, strict=True) if label == k and c
        )
        for k in (1, 2)
    ]
    bag = CountVectorizer(stop_words=drop, token_pattern=words.TOKEN.pattern)
    counts = bag.fit_transform(texts).toarray()
    names = bag.get_feature_names_out()
    tf = counts / counts.sum(axis=1, keepdims=True)
    score = tf * np.log(1 + counts.sum() / len(counts) / counts.sum(axis=0))
    expected = {
        (k + 1, names[j]): (counts[k, j], score[k, j])
        for k, j in zip(*np.nonzero(counts), strict=True)
    }
    assert {(r.cluster, r.word) for r in found.itertuples()} == set(expected)
    for r in found.itertuples():
        assert (found.loc[r.Index, "count"], r.score) == pytest.approx(
            expected[r.cluster, r.word]
        )


def test_ranks_by_count_or_by_score_with_ties_by_name():
    found = captions_and_nsfw.top_words(CAPTIONS, LABELS, n=2)
    assert found[["cluster", "rank", "word"]].to_numpy().tolist() == [
        [1, 1, "castle"], [1, 2, "painting"], [2, 1, "robot"], [2, 2, "woman"],
    ]  # fmt: skip
    shared = ["cat cat dog", "cat cat fish"]
    assert captions_and_nsfw.top_words(shared, [1, 2], n=1)["word"].tolist() == [
        "cat",
        "cat",
    ]
    assert captions_and_nsfw.top_words(shared, [1, 2], n=1, by="score")[
        "word"
    ].tolist() == ["dog", "fish"]


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="by='tfidf'"):
        captions_and_nsfw.top_words(CAPTIONS, LABELS, by="tfidf")
    with pytest.raises(ValueError, match="5 captions but 1 labels"):
        captions_and_nsfw.top_words(CAPTIONS, [1])


def test_density_is_numpy_histogram(rng):
    scores = {"a": rng.beta(0.3, 2, 500), "b": np.r_[rng.random(50), np.nan]}
    found = captions_and_nsfw.nsfw_density(scores)
    for name, values in scores.items():
        rows = found[found["set"] == name]
        expected = np.histogram(
            values[~np.isnan(values)], captions_and_nsfw.BINS, density=True
        )[0]
        np.testing.assert_allclose(rows["density"], expected)
        assert (rows["density"] * (rows["high"] - rows["low"])).sum() == pytest.approx(
            1
        )
        assert rows["n"].sum() == (~np.isnan(values)).sum()


def test_share_counts_scores_above_the_threshold():
    found = captions_and_nsfw.nsfw_share(
        {"a": np.array([0.2, 0.5, 0.51, np.nan]), "none": np.array([np.nan])}
    )
    assert found["share"].tolist()[0] == pytest.approx(1 / 3)
    assert found["n"].tolist() == [3, 0]
    assert found.loc[1, ["low", "high"]].tolist() == [0, 1]
    assert doctest.testmod(captions_and_nsfw).failed == 0


def test_scores_of_a_weighted_sample_are_those_of_rows_repeated(rng):
    scores, weights = rng.random(300), rng.integers(1, 6, 300)
    scores[:5] = np.nan
    density = captions_and_nsfw.nsfw_density({"a": scores}, weights={"a": weights})
    assert density["density"].to_numpy() == pytest.approx(
        captions_and_nsfw.nsfw_density({"a": np.repeat(scores, weights)})[
            "density"
        ].to_numpy()
    )
    share = captions_and_nsfw.nsfw_share({"a": scores}, weights={"a": weights}).iloc[0]
    repeated = captions_and_nsfw.nsfw_share({"a": np.repeat(scores, weights)}).iloc[0]
    assert share["share"] == pytest.approx(repeated["share"]) and share["n"] == 295
    assert share["high"] - share["low"] > 1.5 * (
        repeated["high"] - repeated["low"]
    )  # as few rows as there are
