"""Quantised KL against mauve-text on the same features, closed forms, planted clusters and simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from twigma.analysis.comparison.cluster_shares import cluster_shares
from twigma.analysis.comparison.divergence import (
    kl,
    kl_matrix,
    kl_sd,
    pooled_counts,
)
from twigma.analysis.comparison.divergence_inference import Buckets, compared
from twigma.analysis.comparison.divergence_sensitivity import kl_sensitivity, mauve
from twigma.analysis.vectors.codebook import assign, codebook

P = np.array([0.25, 0.2, 0.15, 0.1, 0.08, 0.07, 0.05, 0.04, 0.03, 0.03])
Q = P[[3, 1, 4, 0, 2, 9, 5, 7, 8, 6]]


def planted(rng, n, weights, centres, noise=0.05):
    return centres[rng.choice(len(weights), n, p=weights)] + noise * rng.normal(
        size=(n, centres.shape[1])
    )


@pytest.fixture
def clouds():
    """Three overlapping sets with unlike weights."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(20, 48))
    return {
        name: planted(rng, 1500, rng.dirichlet(np.ones(20)), centres, noise=0.8)
        for name in "abc"
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_paper_mode_equals_mauve_text(clouds, dtype):
    from mauve import compute_mauve

    sets = {name: x.astype(dtype) for name, x in clouds.items()}
    table = kl_matrix(sets, mode="paper", seed=27).set_index(
        ["row", "column"]
    )  # mauve adds 2 to its seed
    for one, other in (("a", "b"), ("a", "c"), ("b", "c")):
        peer = compute_mauve(
            p_features=sets[one],
            q_features=sets[other],
            num_buckets=10,
            seed=25,
            verbose=False,
        )
        for (row, column), p, q in (
            ((one, other), peer.p_hist, peer.q_hist),
            ((other, one), peer.q_hist, peer.p_hist),
        ):
            expected = stats.entropy((p * 1500 + 0.5) / 1505, (q * 1500 + 0.5) / 1505)
            assert abs(table.kl[row, column] - expected) < 1e-10
            assert table.kl_raw[row, column] == pytest.approx(
                stats.entropy(p, q), abs=1e-10
            )
        assert abs(mauve(peer.p_hist * 1500, peer.q_hist * 1500) - peer.mauve) < 1e-10
        found = kl_sensitivity(
            {n: sets[n] for n in (one, other)}, ks=(10,), mode="paper", seed=27
        )
        assert (
            abs(found.query("measure == 'mauve'")["value"].iloc[0] - peer.mauve) < 1e-10
        )


@pytest.mark.filterwarnings("ignore")
def test_a_common_codebook_is_mauves_of_one_set_against_the_others(clouds):
    from mauve import compute_mauve

    a, b, c = clouds.values()
    peer = compute_mauve(
        p_features=a,
        q_features=np.vstack([c, b]),
        num_buckets=10,
        seed=25,
        verbose=False,
    )
    unit = {
        name: x / np.linalg.norm(x, axis=1, keepdims=True) for name, x in clouds.items()
    }
    counts = pooled_counts(unit, 10, "mauve", 27)
    assert np.allclose(counts["a"], peer.p_hist * 1500) and np.allclose(
        counts["b"] + counts["c"], peer.q_hist * 3000
    )
    table = kl_matrix(clouds, mode="paper", codebook="pooled", seed=27).set_index(
        ["row", "column"]
    )
    for (row, column), entry in table["kl"].items():
        expected = stats.entropy(
            *((counts[name] + 0.5) / 1505 for name in (row, column))
        )
        assert entry == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("scope", ["pairwise", "pooled"])
@pytest.mark.parametrize("mode", ["robust", "paper"])
def test_planted_clusters(scope, mode):
    rng = np.random.default_rng(2)
    centres = np.eye(10, 32)
    sets = {
        "x": planted(rng, 10_000, P, centres, 0.02),
        "y": planted(rng, 10_000, Q, centres, 0.02),
    }
    table = kl_matrix(sets, mode=mode, codebook=scope).set_index(["row", "column"])
    truth = {
        ("x", "y"): float(np.sum(P * np.log(P / Q))),
        ("y", "x"): float(np.sum(Q * np.log(Q / P))),
    }
    for pair, value in truth.items():
        row = table.loc[pair]
        sd = (row["high"] - row["kl"]) / 1.96
        assert sd < 0.03 and row["n"] == row["m"] == 10_000
        if mode == "robust":
            assert (
                abs(row["kl"] - value) <= 4 * sd
                and abs(row["kl_raw"] - value) <= 4 * sd
            )
        else:  # a random start may merge clusters, which can only lower the divergence
            assert row["kl"] <= value + 4 * sd
        assert (
            row["p_permutation"] < 1e-6
            and row["kl"] > row["noise_95"] > row["noise_floor"]
        )


def test_columns_order_and_seed(clouds):
    sets = {name: clouds[name] for name in "cab"}
    table = kl_matrix(sets, n=400, k=5, seed=3)
    assert table.columns.tolist() == [
        *(
            "row",
            "column",
            "kl",
            "low",
            "high",
            "kl_raw",
            "empty_column",
            "empty_bins",
            "noise_floor",
            "noise_95",
            "p_permutation",
        ),
        *("blocks", "owners_unknown", "n", "m", "k", "mode", "codebook", "seed"),
    ]
    assert list(zip(table["row"], table["column"], strict=True)) == [
        *(("c", "a"), ("c", "b"), ("a", "c"), ("a", "b"), ("b", "c"), ("b", "a")),
    ]
    assert set(table["n"]) == {400} and set(table["k"]) == {5}
    pd.testing.assert_frame_equal(table, kl_matrix(sets, n=400, k=5, seed=3))
    assert (table["low"] <= table["kl"]).all() and (table["kl"] <= table["high"]).all()


def test_one_distribution_is_not_divergent():
    x = np.random.default_rng(4).normal(size=(4000, 24))
    table = kl_matrix({"a": x[:2000], "b": x[2000:]})
    assert (table["kl"] < 3 * table["noise_floor"]).all() and (
        table["p_permutation"] > 0.01
    ).all()


def test_null_mean_is_the_noise_floor():
    rng = np.random.default_rng(5)
    n, weights = 10_000, np.full(10, 0.1)
    p, q = rng.multinomial(n, weights, 2000), rng.multinomial(n, weights, 2000)
    values = np.array([kl(a, b) for a, b in zip(p, q, strict=True)])
    assert abs(values.mean() / (9 / n) - 1) < 0.2
    assert abs(np.quantile(values, 0.95) / (stats.chi2.ppf(0.95, 9) / n) - 1) < 0.2


def test_gaussians_are_bounded_by_the_true_divergence():
    rng = np.random.default_rng(6)
    p, q = rng.normal(size=(40_000, 2)), rng.normal(loc=(1.0, 0.0), size=(40_000, 2))
    for k, expected in ((4, 0.350), (10, 0.421), (50, 0.476), (200, 0.490)):
        centroids = codebook(np.vstack([q, p]), k, "robust" if k <= 10 else "paper")
        value = kl(*(np.bincount(assign(x, centroids), minlength=k) for x in (p, q)))
        assert abs(value - expected) < 0.02 and value < 0.5 + 0.01


def test_interval_covers():
    rng = np.random.default_rng(7)
    truth, hits = float(np.sum(P * np.log(P / Q))), 0
    for _ in range(1000):
        p, q = rng.multinomial(10_000, P), rng.multinomial(10_000, Q)
        hits += abs(kl(p, q) - truth) <= 1.96 * kl_sd(p, q)
    assert 0.93 <= hits / 1000 <= 0.97


def test_kl_of_counts():
    p, q = np.array([5, 0, 7]), np.array([3, 0, 9])
    assert kl(p, q, 0) == pytest.approx(stats.entropy(p[[0, 2]], q[[0, 2]]), abs=1e-14)
    assert kl(p, q) == pytest.approx(stats.entropy(p + 0.5, q + 0.5), abs=1e-14)
    assert kl([1, 1], [2, 0], 0) == np.inf and np.isfinite(kl([1, 1], [2, 0]))
    assert (
        mauve([5, 5], [5, 5]) == pytest.approx(1.0, abs=1e-9)
        and mauve([5, 0], [0, 5]) < 0.01
    )


def test_sensitivity(clouds):
    sets = {name: clouds[name] for name in "ab"}
    table = kl_sensitivity(sets, ks=(4, 10), n=800)
    assert set(table["measure"]) == {"kl", "js", "mauve", "knn", "classifier"}
    assert np.isfinite(table.query("smoothing != 'none'")["value"]).all()
    js = table.query("measure == 'js'").pivot(index="k", columns="row", values="value")
    assert np.allclose(js["a"], js["b"]) and (js < np.log(2)).all(axis=None)
    assert len(table) == 2 * (2 * 5 + 2)


def test_estimators_without_a_codebook_recover_a_known_divergence():
    """Three standard normals against shifted ones: KL = |shift|²/2, on data whose unit rows keep the shape."""
    from twigma.analysis.comparison.divergence_sensitivity import (
        _classifier_kl,
        _knn_kl,
    )

    rng = np.random.default_rng(8)
    p, q = (
        rng.normal(size=(6000, 3)),
        rng.normal(size=(6000, 3)) + np.array([1.0, 0, 0]),
    )
    assert abs(_knn_kl(p, q) - 0.5) < 0.06
    assert abs(_classifier_kl(p, q, 0) - 0.5) < 0.05


def test_cluster_shares():
    rng = np.random.default_rng(9)
    centres = np.eye(4, 16)
    sets = {
        "ai": planted(rng, 3000, [0.0, 0.3, 0.3, 0.4], centres),
        "photographs": planted(rng, 2000, [0.7, 0.05, 0.1, 0.15], centres),
    }
    table = cluster_shares(sets, k=4, by="photographs")
    wide = table.pivot(index="cluster", columns="set", values="share")
    assert wide["photographs"].is_monotonic_decreasing and set(table["n"]) == {2000}
    assert np.abs(wide["photographs"] - [0.7, 0.15, 0.1, 0.05]).max() < 0.04
    assert np.abs(wide["ai"] - [0.0, 0.4, 0.3, 0.3]).max() < 0.04
    assert np.allclose(wide.sum(), 1) and (table["low"] <= table["share"]).all()
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(table["count"], table["n"], method="wilson")
    assert np.allclose(table["low"], low, atol=1e-12) and np.allclose(
        table["high"], high, atol=1e-12
    )


def test_degenerate_inputs(clouds):
    with pytest.raises(ValueError, match="at least 2 sets"):
        kl_matrix({"a": clouds["a"]})
    with pytest.raises(ValueError, match="all rows of the sets are equal"):
        kl_matrix({"a": np.ones((50, 4)), "b": np.ones((50, 4))})
    with pytest.raises(ValueError, match="for 200 clusters"):
        kl_matrix({"a": clouds["a"][:50], "b": clouds["b"][:50]}, k=200)
    with pytest.raises(ValueError, match="'pairwise' or 'pooled'"):
        kl_matrix(clouds, codebook="none")
    with pytest.raises(ValueError, match="zero or not finite"):
        kl_matrix({"a": clouds["a"], "b": clouds["b"] * np.nan})
    with pytest.raises(ValueError, match="by to be one of"):
        cluster_shares(clouds, by="d")


# ------------------------------------------------------------------ owners


def by_authors(rng, sizes, weights, centres, loyalty):
    """Images of authors, each of a theme of their own but for some of their images; and the author of each image."""
    author = np.repeat(np.arange(len(sizes)), sizes)
    own = rng.choice(len(weights), len(sizes), p=weights)[author]
    other = rng.choice(len(weights), len(author), p=weights)
    theme = np.where(rng.random(len(author)) < loyalty, own, other)
    x = centres[theme] + 0.02 * rng.normal(size=(len(author), centres.shape[1]))
    return x, author, theme


def test_with_owners_the_interval_is_of_divergences_without_each(rng):
    """Left out one by one, by the scalar formula; the point estimate is that of independent images."""
    centres, weights = np.eye(3, 8), np.array([0.5, 0.3, 0.2])
    x, author, theme = by_authors(rng, [9] * 14, weights, centres, 0.8)
    y, _, other = by_authors(rng, [1] * 126, weights[::-1], centres, 0)
    sets, k = {"x": x, "y": y}, 3
    table = kl_matrix(sets, k, blocks={"x": author}).set_index(["row", "column"])
    plain = kl_matrix(sets, k).set_index(["row", "column"])
    same = ["kl", "kl_raw", "empty_bins", "n", "m"]
    pd.testing.assert_frame_equal(table[same], plain[same])
    p, q = np.bincount(theme, minlength=k), np.bincount(other, minlength=k)
    value = kl(p, q)
    assert table.kl["x", "y"] == pytest.approx(value)
    without = []
    for one in range(14):
        without.append(kl(p - np.bincount(theme[author == one], minlength=k), q))
    single = []
    for one in range(126):
        single.append(kl(p, q - np.bincount(other[[one]], minlength=k)))
    variances, bias, freedom = [], 0.0, np.array([13.0, 125.0])
    for replicates in (np.array(without), np.array(single)):
        count = len(replicates)
        away = replicates - value
        variances.append((count - 1) / count * np.sum(away**2))
        bias += (count - 1) * away.mean()
    total = np.sum(variances)
    degrees = total**2 / np.sum(np.square(variances) / freedom)
    half = stats.t.ppf(0.975, degrees) * np.sqrt(total)
    row = table.loc[("x", "y")]
    assert row["high"] == pytest.approx(value + half + max(0, -bias))
    low = max(0, value - half - max(0, bias))
    assert row["low"] == (pytest.approx(low) if row["p_permutation"] <= 0.05 else 0)
    assert row["blocks"] == pytest.approx(14) and row["owners_unknown"] == "y"
    assert set(plain["owners_unknown"]) == {"x, y", "y, x"}
    assert row["noise_floor"] > 2 * plain.noise_floor["x", "y"]


def test_one_owner_has_no_interval(rng):
    x, y = rng.normal(size=(2, 60, 4))
    table = kl_matrix({"a": x, "b": y}, 3, blocks={"a": np.zeros(60)})
    assert table["high"].isna().all() and np.isfinite(table["kl"]).all()
    # Nor half of one, where the two sets are of one distribution.
    assert table["low"].isna().all() and (table["p_permutation"] > 0.05).any()


def test_authors_are_divided_together(rng):
    """One distribution, ten images an author: image by image nearly every test rejects, author by author few."""
    centres, weights = np.eye(4, 8), np.full(4, 0.25)
    by_image, by_author = [], []
    for _ in range(20):
        drawn = [by_authors(rng, [10] * 40, weights, centres, 0.9) for _ in "ab"]
        for owned, found in ((False, by_image), (True, by_author)):
            one, other = (
                Buckets("a", theme, author if owned else None, 4)
                for _, author, theme in drawn
            )
            found.append(next(compared(one, other, 0))["p_permutation"])
    assert np.mean(np.array(by_image) < 0.05) > 0.6
    assert np.mean(np.array(by_author) < 0.05) <= 0.2


def test_empty_buckets_of_the_column_are_counted(rng):
    centres = np.eye(4, 8)
    a = planted(rng, 300, [0.5, 0.5, 0, 0], centres)
    b = planted(rng, 300, [0, 0.4, 0.3, 0.3], centres)
    table = kl_matrix({"a": a, "b": b}, 4).set_index(["row", "column"])
    assert np.isinf(table["kl_raw"]).all()
    assert table.empty_column.to_dict() == {("a", "b"): 1, ("b", "a"): 2}
