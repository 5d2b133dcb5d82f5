"""Weights give back the population from a stratified sample, and equal rows repeated; without them nothing changes."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from twigma.analysis.analyze import analyze
from twigma.analysis.comparison.divergence import kl_matrix
from twigma.analysis.inference.sample_weights import (
    NOTE,
    notes,
    sample_weights,
    thinned,
    trimmed,
    trimming_note,
    weighted_mean,
)
from twigma.analysis.inputs import load
from twigma.analysis.likes import quintiles
from twigma.analysis.likes.eq1 import eq1, eq1_sensitivity
from twigma.analysis.report import report
from twigma.analysis.themes import timeline
from twigma.analysis.variation.distance import mean_pairwise_distance
from twigma.core import columns
from twigma.core.files import write_parquet

MONTHS = np.array(["2022-01", "2022-02", "2022-03", "2022-04", "2022-05"], "M8[M]")


def population(rng, n=20_000):
    """Posts whose likes, themes and months hang on the stratum they will be drawn by."""
    stratum = rng.choice(3, n, p=[0.7, 0.25, 0.05])
    month = rng.choice(5, n, p=[0.1, 0.15, 0.2, 0.25, 0.3])
    quintile, followers = rng.integers(1, 6, n), rng.choice([100, 1000, 20_000], n)
    # In the rare stratum similarity matters the other way round, so that unweighted fits are wrong.
    rate = (
        5
        * np.exp(np.where(quintile == 1, np.array([0.4, 0.0, -0.6])[stratum], 0))
        * (1 + stratum)
    )
    return pd.DataFrame(
        {
            "stratum": stratum,
            "month": month,
            "quintile": quintile,
            "followers": followers,
            "likes": rng.poisson(rate),
        }
    )


def drawn(people, rng, each=700):
    """As many posts of every stratum, and how many each stands for."""
    chosen = people.groupby("stratum").sample(
        each, random_state=int(rng.integers(1000))
    )
    return chosen.assign(
        weight=people["stratum"].value_counts()[chosen["stratum"]].to_numpy() / each
    )


def as_table(rows, **extra):
    ids = [str(i) for i in rows.index]
    dates = MONTHS[rows["month"]].astype("M8[ms]") + np.timedelta64(3, "D")
    cluster = pa.array(rows["stratum"].to_numpy() + 1, pa.int32())
    return columns.add(
        pa.table({"id": ids, "image_name": ids}),
        created_at=pa.array(dates), label_10_cluster=cluster, like_count=pa.array(rows["likes"].to_numpy()), **extra
    )  # fmt: skip


def test_a_stratified_sample_gives_back_the_population(rng):
    people = population(rng)
    inside = []
    for _ in range(40):
        rows = drawn(people, rng)
        found = weighted_mean(rows["likes"], rows["weight"])
        inside.append(found.low <= people["likes"].mean() <= found.high)
    assert np.mean(inside) >= 0.9
    assert abs(rows["likes"].mean() - people["likes"].mean()) > 5 * (
        found.high - found.low
    )
    table = as_table(rows, sample_weight=rows["weight"].to_numpy())
    months = timeline.posts_per_month(table)
    assert months["posts"].sum() == pytest.approx(len(people))
    assert months["posts"].to_numpy() == pytest.approx(
        np.bincount(people["month"]), rel=0.15
    )
    assert months["sampled"].sum() == len(rows)
    shares = timeline.cluster_share(table).groupby("cluster")["share"].mean()
    assert shares.to_numpy() == pytest.approx(
        people["stratum"].value_counts(normalize=True).sort_index(), abs=0.02
    )


def named(rows, cluster):
    names = ("likes", "followers", "quintile")
    return {name: rows[name] for name in names} | {"cluster": cluster}


def test_eq1_recovers_the_populations_ratio(rng):
    people = population(rng)
    truth = eq1(
        people,
        likes="likes",
        followers="followers",
        quintile="quintile",
        cluster=people.index,
    ).set_index("term")["irr"]
    inside = []
    for _ in range(40):
        rows = drawn(people, rng)
        given = named(rows, rows.index)
        found = eq1(**given, weights=rows["weight"]).set_index("term").loc["quintile 1"]
        inside.append(found["low"] <= truth["quintile 1"] <= found["high"])
    assert np.mean(inside) >= 0.9
    assert found["weighted"] and found["se_kind"] == "author-clustered"
    assert (
        eq1(**given).set_index("term")["high"]["quintile 1"] < truth["quintile 1"]
    )  # without weights it is wrong


def test_a_weighted_fit_is_statsmodels_and_rows_repeated(rng):
    sm = pytest.importorskip("statsmodels.api")
    rows = population(rng, 600)
    weight, author = rng.integers(1, 4, 600), rng.integers(0, 90, 600)
    given = named(rows, author)
    found = eq1(**given, weights=weight, errors="sandwich")
    design = pd.get_dummies(rows[["quintile"]].astype("category"), dtype=float).iloc[
        :, :4
    ]
    design.insert(0, "low", rows["followers"].between(500, 5000).astype(float))
    design.insert(1, "high", (rows["followers"] > 5000).astype(float))
    many = [
        np.repeat(np.asarray(x), weight, axis=0)
        for x in (rows["likes"], sm.add_constant(design), author)
    ]
    model = sm.GLM(*many[:2], family=sm.families.Poisson())
    fit = model.fit(
        cov_type="cluster", cov_kwds={"groups": many[2], "use_correction": False}
    )
    np.testing.assert_allclose(np.log(found["irr"]), fit.params, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found["se"], fit.bse, rtol=1e-6)
    repeated = {name: np.repeat(np.asarray(x), weight) for name, x in given.items()}
    again = eq1(**repeated, errors="sandwich")
    np.testing.assert_allclose(found[["irr", "se"]], again[["irr", "se"]], rtol=1e-8)
    variants = (eq1_sensitivity(**given, weights=weight), eq1_sensitivity(**repeated))
    nb2 = [table[table["variant"] == "nb2"]["irr"].to_numpy() for table in variants]
    np.testing.assert_allclose(*nb2, rtol=1e-5)


def test_quintiles_and_likes_of_a_sample_are_those_of_rows_repeated(rng):
    values, likes, weight = (
        rng.normal(size=400),
        rng.poisson(9, 400),
        rng.integers(1, 5, 400),
    )
    repeated = quintiles.quintiles(np.repeat(values, weight))
    found = quintiles.quintiles(values, weight)
    assert (np.repeat(found, weight) != repeated).mean() < 0.01
    means = quintiles.likes_by_quintile(found, likes, weight)["mean"]
    truth = quintiles.likes_by_quintile(
        np.repeat(found, weight), np.repeat(likes, weight)
    )["mean"]
    np.testing.assert_allclose(means, truth)


def test_weights_of_one_or_none_change_nothing(rng):
    rows = population(rng, 300)
    plain = as_table(rows)
    for weights in (np.ones(300), [None] * 300):
        table = columns.add(plain, sample_weight=pa.array(weights, pa.float64()))
        assert sample_weights(table) is None
        assert notes(table, of_totals=True) == ()
        pd.testing.assert_frame_equal(
            timeline.posts_per_month(table), timeline.posts_per_month(plain)
        )
        pd.testing.assert_frame_equal(
            timeline.cluster_share(table), timeline.cluster_share(plain)
        )


def test_equal_weights_count_in_totals_alone(rng):
    plain = as_table(population(rng, 300))
    equal = columns.add(plain, sample_weight=pa.array(np.full(300, 7.5)))
    assert sample_weights(equal) is None
    assert (notes(equal), notes(equal, of_totals=True)) == ((), (NOTE,))
    of_sample = timeline.posts_per_month(plain)["posts"]
    of_list = timeline.posts_per_month(equal)
    np.testing.assert_allclose(of_list["posts"], 7.5 * of_sample)
    np.testing.assert_array_equal(of_list["sampled"], of_sample)
    pd.testing.assert_frame_equal(
        timeline.cluster_share(equal), timeline.cluster_share(plain)
    )


def test_unknown_and_impossible_weights_are_said():
    with pytest.warns(UserWarning, match="1 rows without"):
        assert sample_weights(
            pa.table({"sample_weight": [2.0, None, 3.0]})
        ).tolist() == [2, 1, 3]
    for wrong in (0.0, -1.0, float("inf")):
        with pytest.raises(ValueError, match="above 0"):
            sample_weights(pa.table({"sample_weight": [2.0, wrong]}))
    with pytest.raises(ValueError, match="a weight for each"):
        weighted_mean([], [])


def test_analyze_weighs_and_says_so(rng, tmp_path):
    people = population(rng, 5000)
    rows = drawn(people, rng, each=150)
    table = as_table(rows, sample_weight=rows["weight"].to_numpy())
    write_parquet(tmp_path / "release" / "metadata-00000.parquet", table)
    found = analyze(tmp_path / "release", tmp_path / "out")
    assert (
        found["figures"]["fig1b"]["notes"]
        == [NOTE]
        == found["figures"]["fig4b"]["notes"]
    )
    months = pd.read_parquet(tmp_path / "out" / "results" / "fig1b.parquet")
    assert months["posts"].sum() == pytest.approx(len(people))
    assert found["figures"]["fig1b"]["n"] == len(rows)
    page = report(tmp_path / "out").read_text("utf-8")
    assert NOTE in page and "Posts of the sample" in page
    assert load.load(tmp_path / "release", None, {}).images.weights().shape == (0,)


def test_rows_drawn_by_their_weights_need_no_weights(rng):
    """Each row as often as its weight says, none twice; and means of them are the weighted means."""
    weights = rng.choice([1.0, 2.0, 5.0], 60)
    counts = np.zeros(60)
    for seed in range(4000):
        rows = thinned(weights, seed)
        assert len(rows) == int(weights.sum() / 5) and (np.diff(rows) > 0).all()
        counts[rows] += 1
    assert counts / 4000 == pytest.approx(
        weights / 5 * len(rows) * 5 / weights.sum(), abs=0.03
    )
    assert thinned(np.full(7, 3.3)).tolist() == list(range(7))


def test_one_large_weight_does_not_throw_the_data_away(rng):
    """Johnson and Potter's bound, by its definition, and at least as many rows as the docstring promises."""
    weights = np.r_[np.ones(999), 1000.0]
    left = trimmed(weights)
    assert left[:999].tolist() == [1] * 999
    assert left.max() == pytest.approx(np.sqrt(10 * np.mean(left**2)), rel=1e-6)
    # Of untrimmed weights one row would be left.
    assert int(weights.sum() / weights.max()) == 1
    assert len(thinned(weights)) == int(left.sum() / left.max()) > 300
    for _ in range(50):
        w = rng.pareto(1.1, 400) + 1
        left = trimmed(w)
        effective = left.sum() ** 2 / (left @ left)
        assert len(thinned(w)) >= np.floor(np.sqrt(400 * effective / 10) * (1 - 1e-6))
        assert (left <= w).all() and (np.argsort(left, kind="stable").size == 400)


def test_trimming_is_stated_with_the_effective_size():
    weights = np.r_[np.ones(999), 1000.0]
    note = trimming_note(weights)
    left = np.r_[np.ones(999), np.sqrt(10 * 999 / 990)]
    lost = 1 - left.sum() / weights.sum()
    assert note.startswith(f"The largest weight was trimmed to {left[-1]:.3g},")
    assert f"lose {lost:.1%} of their sum" in note
    assert "The effective size is 995, and was 4 before." in note
    assert "The 2 largest weights were" in trimming_note(np.r_[weights, 900.0])
    assert trimming_note(np.array([1.0, 3.0])) == ""


def test_sets_of_a_sample_have_the_pairs_of_the_population(rng):
    """Mean pairwise distance, shares of clusters and KL of a stratified sample, drawn by weights, as of all."""
    people = population(rng, 6000)
    place = np.eye(3, 8)[people["stratum"]] + 0.1 * rng.normal(size=(6000, 8))
    place = (place / np.linalg.norm(place, axis=1, keepdims=True)).astype(np.float32)
    other = place[rng.permutation(6000)[:900]]
    truth = mean_pairwise_distance(place).value
    found, plain, kl = [], [], []
    for _ in range(12):
        rows = drawn(people, rng, each=200)
        images = load.Images("x", as_table(rows, sample_weight=rows["weight"].to_numpy()), place[rows.index],
                               np.arange(len(rows)))  # fmt: skip
        kept = load.Inputs(images, {}).sets()["x"]
        found.append(mean_pairwise_distance(kept).value)
        plain.append(mean_pairwise_distance(images.embedding).value)
        table = kl_matrix({"x": kept, "y": other}, k=3)
        kl.append((table["kl"] < 4 * table["noise_95"]).all())
    assert np.mean(found) == pytest.approx(
        truth, abs=3 * np.std(found) / 12**0.5 + 0.005
    )
    assert np.mean(plain) > truth + 0.2 and np.mean(kl) > 0.9
