"""Inputs that hold nothing to measure: every estimator says so or gives the one right answer, and so does the whole."""

import re
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from twigma.analysis.analyze import analyze
from twigma.analysis.comparison import (
    cluster_shares,
    divergence,
    divergence_sensitivity,
    hubness,
    joint_map,
    kernel_distance,
    manifold,
)
from twigma.analysis.inputs import load
from twigma.analysis.likes import eq1, quintiles
from twigma.analysis.neighbours import search
from twigma.analysis.provenance.description import describe
from twigma.analysis.report import report
from twigma.analysis.themes import captions_and_nsfw, similar_pairs, timeline, trends
from twigma.analysis.themes.drift import drift
from twigma.analysis.variation import (
    conditional_vendi,
    distance,
    duplicate_sensitivity,
    entropy_bins,
    groups,
    measures,
    prompts,
    spread,
)
from twigma.analysis.vectors import codebook
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.parts import write_part

N = 40
X = np.random.default_rng(0).normal(size=(N, 6))
X /= np.linalg.norm(X, axis=1, keepdims=True)
GROUPS = np.arange(N) // 4


def _with(value, row=3):
    x = X.copy()
    x[row] = value
    return x


MATRICES = {
    "no row": X[:0],
    "one row": X[:1],
    "equal rows": np.repeat(X[:1], N, 0),
    "constant column": X * [0, 1, 1, 1, 1, 1],
    "nan": _with(np.nan),
    "infinite": _with(np.inf),
    "zero row": _with(0),
    "all zero": np.zeros((N, 6)),
}
# Estimators of embeddings, as one number.
OF_EMBEDDINGS = {
    "cluster_shares": lambda x: cluster_shares.cluster_shares({"a": x, "b": X}, k=2)[
        "share"
    ].sum(),
    "kl_matrix": lambda x: divergence.kl_matrix({"a": x, "b": X}, k=2)["kl"][0],
    "kl_sensitivity": lambda x: divergence_sensitivity.kl_sensitivity(
        {"a": x, "b": X}, ks=(2,)
    )["value"][0],
    "mean_pairwise_distance": lambda x: distance.mean_pairwise_distance(x).value,
    "mean_squared_distance": distance.mean_squared_distance,
    "grouped_distance": lambda x: groups.grouped_distance(x, GROUPS[: len(x)])["value"][
        0
    ],
    "same_different_ratio": lambda x: groups.same_different_ratio(x, GROUPS[: len(x)])[
        "ratio"
    ][0],
    "iev": measures.iev,
    "iev centred": lambda x: measures.iev(x, center=True),
    "pmv": measures.pmv,
    "vendi": measures.vendi,
    "variation_table": lambda x: spread.variation_table({"a": x, "b": X})["distance"][
        0
    ],
    "nearest": lambda x: search.nearest(x, X, 1)[0].sum(),
    "nearest in it": lambda x: search.nearest(X, x, 1)[0].sum(),
    "mean_top_k": lambda x: search.mean_top_k(x, X).sum(),
    "neighbour_pairs": lambda x: similar_pairs.neighbour_pairs(
        x, X, range(len(x)), range(N)
    )["similarity"][0],
    "neighbour_pairs in it": lambda x: similar_pairs.neighbour_pairs(
        X, x, range(N), range(len(x))
    )["similarity"][0],
    "kid": lambda x: kernel_distance.kid(x, X).value,
    "cmmd": lambda x: kernel_distance.cmmd(x, X).value,
    "manifold": lambda x: manifold.manifold(x, X).coverage.value,
    "hubness": lambda x: hubness.hubness(x, X)["value"],
    "hubness of it": lambda x: hubness.hubness(X, x)["value"],
    "csls": lambda x: hubness.csls(x, X, [0])["csls"][0],
    "overlaps": lambda x: joint_map.overlaps(joint_map.joint_map({"a": x, "b": X}))[
        "overlap"
    ][0],
    "codebook": lambda x: codebook.codebook(x, 2).sum(),
    "entropies": lambda x: entropy_bins.entropies({"a": x, "b": X}, (2,))[
        "entropy"
    ].sum(),
    "near_duplicates": lambda x: duplicate_sensitivity.near_duplicates(
        {"a": x, "b": X}
    )["removed"].sum(),
    "conditional_vendi": lambda x: conditional_vendi.conditional_vendi(
        x, GROUPS[: len(x)], m=2
    )["value"][0],
}
FULL = {
    "equal rows",
    "constant column",
    "zero row",
    "all zero",
}  # what has no NaN and more than one row
SPREAD = {"constant column", "zero row"}
COSINE = {"equal rows", "constant column"}
# Which matrices each estimator can answer; every other one is refused.
ANSWERED = {
    "cluster_shares": COSINE, "kl_matrix": COSINE, "kl_sensitivity": COSINE, "variation_table": COSINE,
    "mean_pairwise_distance": FULL, "mean_squared_distance": FULL, "grouped_distance": FULL,
    "same_different_ratio": SPREAD, "iev": (FULL | {"one row"}) - {"all zero"}, "iev centred": SPREAD, "pmv": FULL,
    "vendi": COSINE | {"one row"}, "nearest": COSINE | {"one row"}, "nearest in it": COSINE | {"one row"},
    "mean_top_k": COSINE | {"one row"}, "neighbour_pairs": COSINE | {"one row"}, "neighbour_pairs in it": COSINE,
    "kid": FULL, "cmmd": COSINE, "manifold": FULL, "hubness": COSINE | {"one row"}, "hubness of it": COSINE,
    "csls": COSINE | {"one row"}, "overlaps": SPREAD, "codebook": FULL, "entropies": COSINE,
    "near_duplicates": {"constant column"}, "conditional_vendi": COSINE,
}  # fmt: skip
# The answer, where there is only one.
ANSWERS = {
    ("mean_pairwise_distance", "equal rows"): 0, ("mean_pairwise_distance", "all zero"): 0,
    ("mean_squared_distance", "equal rows"): 0, ("mean_squared_distance", "all zero"): 0,
    ("grouped_distance", "equal rows"): 0, ("grouped_distance", "all zero"): 0, ("variation_table", "equal rows"): 0,
    ("iev", "equal rows"): 1, ("iev", "one row"): 1, ("vendi", "equal rows"): 1, ("vendi", "one row"): 1,
    ("pmv", "equal rows"): 0, ("pmv", "constant column"): 0, ("pmv", "all zero"): 0, ("nearest", "one row"): 1,
    ("nearest", "equal rows"): N, ("cluster_shares", "equal rows"): 2, ("codebook", "all zero"): 0,
}  # fmt: skip


@pytest.mark.filterwarnings(
    "ignore:pmv:UserWarning", "ignore:kl_sensitivity:UserWarning"
)
@pytest.mark.parametrize("kind", MATRICES)
@pytest.mark.parametrize("name", OF_EMBEDDINGS)
def test_embeddings_are_measured_or_refused(name, kind):
    estimate, x = OF_EMBEDDINGS[name], MATRICES[kind].astype(np.float32)
    if kind not in ANSWERED[name]:
        with pytest.raises(ValueError, match=r"expected|zero|equal|one line"):
            estimate(x)
        return
    found = float(estimate(x))
    assert np.isfinite(found)
    assert found == pytest.approx(ANSWERS.get((name, kind), found), abs=1e-4)


DAYS = np.datetime64("2022-01-01", "ms") + np.arange(N).astype("m8[D]")
NO_DATE = pa.table(
    {"id": ["1"], "image_name": ["1"], "created_at": pa.nulls(1, pa.timestamp("ms"))}
)
QUINTILES = np.arange(N) % 5 + 1
REFUSED = {
    "posts without a date": lambda: timeline.posts_per_month(NO_DATE),
    "growth of one month": lambda: timeline.growth(pd.DataFrame({"posts": [40]})),
    "posts without a word": lambda: timeline.frequent_words(
        pa.table({"id": ["1"], "text": ["#aiart the"]})
    ),
    "clusters without a date": lambda: timeline.cluster_share(
        NO_DATE.append_column("label_10_cluster", [[1]])
    ),
    "drift of one place": lambda: drift(np.ones((N, 2)), DAYS),
    "drift on one day": lambda: drift(X[:, :2], DAYS[[0] * N]),
    "drift of nan": lambda: drift(_with(np.nan)[:, :2], DAYS),
    "drift of one image": lambda: drift(X[:1, :2], DAYS[:1]),
    "trend of one month": lambda: trends.mann_kendall([0.5]),
    "trend of nan": lambda: trends.mann_kendall([1, 2, np.nan, 4]),
    "trends of nothing": lambda: trends.trend_table(
        pd.DataFrame(columns=["month", "group", "share"])
    ),
    "words of no caption": lambda: captions_and_nsfw.top_words(
        [None, "there is the image"], [1, 2]
    ),
    "density of no score": lambda: captions_and_nsfw.nsfw_density(
        {"a": np.array([np.nan])}
    ),
    "share of no score": lambda: captions_and_nsfw.nsfw_share({"a": np.array([])}),
    "quintiles of equal values": lambda: quintiles.quintiles(np.ones(N)),
    "quintiles of one value": lambda: quintiles.quintiles(np.ones(1)),
    "quintiles of nan": lambda: quintiles.quintiles(_with(np.nan)[:, 0]),
    "likes all null": lambda: quintiles.likes_by_quintile(QUINTILES, [None] * N),
    "Eq (1), likes all null": lambda: eq1.eq1(
        likes=[None] * N, followers=[100] * N, quintile=QUINTILES, cluster=range(N)
    ),
    "Eq (1), no like at all": lambda: eq1.eq1(
        likes=[0] * N,
        followers=np.tile([1, 600, 6000, 1], 10),
        quintile=QUINTILES,
        cluster=range(N),
    ),
    "Eq (1), one kind of author": lambda: eq1.eq1(
        likes=range(N), followers=[100] * N, quintile=QUINTILES, cluster=range(N)
    ),
    "Eq (1), one author": lambda: eq1.eq1(
        likes=range(N),
        followers=np.tile([1, 600, 6000, 1], 10),
        quintile=QUINTILES,
        cluster=[1] * N,
    ),
    "prompts of one length": lambda: prompts.kendall(
        prompts.prompt_variation(X, GROUPS.astype(str), m=4)
    ),
    "entropy of nothing": lambda: measures.entropy([]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_tables_with_nothing_in_them_are_refused(name):
    with pytest.raises(ValueError, match=r"\w{4}.* \w+"):
        REFUSED[name]()


def test_what_has_one_answer_gives_it():
    assert measures.entropy([3, 3, 3]).plug_in == 0
    assert trends.mann_kendall([1, 1, 1, 1])[:3] == (0, 0, 1)
    month = trends.trend_table(
        pd.DataFrame({"month": ["2022-01"], "group": [1], "share": [1.0]})
    )
    assert month["arrow"][0] == "→" and np.isnan(month["tau"][0]) and month["n"][0] == 1
    share = (
        captions_and_nsfw.nsfw_share({"a": np.array([1.0]), "b": np.array([np.nan])})
        .set_index("set")
        .loc["b"]
    )
    assert np.isnan(share["share"]) and share[["low", "high", "n"]].tolist() == [
        0,
        1,
        0,
    ]


def test_a_variant_that_cannot_be_estimated_is_left_out_and_said():
    months = ["2022-01"] * N
    followers = np.repeat([1, 600, 6000, 1], 10)
    with (
        pytest.warns(UserWarning, match="'author fixed effects' of Eq"),
        pytest.warns(UserWarning, match="'author fixed effects, months'"),
        pytest.warns(UserWarning, match="'covariates'"),
    ):
        found = eq1.eq1_sensitivity(
            likes=range(N),
            followers=followers,
            quintile=QUINTILES,
            cluster=range(N),
            months=months,
            covariates={"theme": [None] * N},
        )
    assert set(found["variant"]) == {"eq1", "winsorised", "nb2", "months"}


# ------------------------------------------------------------------ the whole

EACH = {
    "created_at": pa.array(
        np.datetime64("2022-01-05", "ms") + (9 * np.arange(N)).astype("m8[D]")
    ),
    "like_count": pa.array(np.arange(N) * 7 % 31),
    "all_captions": [f"a cat and dog {i % 3}" for i in range(N)],
    "label_10_cluster": pa.array(np.arange(N) % 3 + 1, pa.int32()),
    "nsfw_score": pa.array(np.linspace(0, 1, N), pa.float32()),
    "UMAP_dim_1": pa.array(np.arange(N), pa.float32()),
    "UMAP_dim_2": pa.array(np.arange(N) ** 2 % 7, pa.float32()),
}
RELEASES = {
    "one row": ({}, X[:1]),
    "two rows": ({}, X[:2]),
    "one cluster": ({"label_10_cluster": pa.array([1] * N, pa.int32())}, X),
    "constant column": ({}, MATRICES["constant column"]),
    "equal vectors": ({}, MATRICES["equal rows"]),
    "nan and zeros": ({}, np.vstack([_with(np.nan)[:20], np.zeros((20, 6))])),
    "no likes": ({"like_count": pa.nulls(N, pa.int64())}, X),
    "none above one half": ({"nsfw_score": pa.array([0.1] * N, pa.float32())}, X),
    "all above one half": ({"nsfw_score": pa.array([0.9] * N, pa.float32())}, X),
    "likes of four": ({"like_count": pa.array([1, 2, 3, 4] + [None] * (N - 4))}, X),
    "zero likes": ({"like_count": pa.array([0] * N)}, X),
    "one month": ({"created_at": pa.array([np.datetime64("2022-01-05", "ms")] * N)}, X),
    "one place": (
        {
            name: pa.array(np.ones(N, np.float32))
            for name in ("UMAP_dim_1", "UMAP_dim_2")
        },
        X,
    ),
    "no words, no scores": (
        {
            "all_captions": ["the"] * N,
            "nsfw_score": pa.array([np.nan] * N, pa.float32()),
        },
        X,
    ),
    "ids alone": (dict.fromkeys(EACH), None),
}


def _write(root, changed, vectors):
    n = N if vectors is None else len(vectors)
    names = pa.array([str(i) for i in range(n)])
    given = {
        name: value[:n] for name, value in (EACH | changed).items() if value is not None
    }
    rows = columns.add(pa.table({"id": names, "image_name": names}), **given)
    write_parquet(root / "release" / "metadata-00000.parquet", rows)
    private = {
        "author_id": [str(i % 7) for i in range(n)],
        "follower_count": [10 * i for i in range(n)],
    }
    private["text"] = ["New AI art"] * n
    hydrated = columns.add(rows.select(["id", "image_name"]), **private)
    write_parquet(root / "work" / "images.parquet", hydrated)
    if vectors is not None:
        write_parquet(
            root / "release" / "embeddings-00000.parquet", _embeddings(vectors)
        )
    return root / "release"


def _embeddings(vectors):
    column = pa.array(list(vectors.astype(np.float16)), pa.list_(pa.float16(), 6))
    return pa.table(
        {"image_name": [str(i) for i in range(len(vectors))], "embedding": column}
    )


@pytest.mark.parametrize("kind", RELEASES)
def test_analyze_and_report_end_well_on_little(kind, tmp_path):
    release = _write(tmp_path, *RELEASES[kind])
    reference = _write(tmp_path / "other", {}, X)
    part = reference.parent / "work" / "columns" / "embed" / "0.arrow"
    write_part(part, _embeddings(X), {"model": "m"})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = analyze(
            release,
            tmp_path / "out",
            work=tmp_path / "work",
            references={"paintings": reference.parent / "work"},
        )
        page = report(tmp_path / "out").read_text("utf-8")
    assert not [
        str(w.message) for w in caught if not issubclass(w.category, DeprecationWarning)
    ]
    assert found["figures"]
    assert all(
        entry["missing"] or len(entry["how"][0]) > 30 for entry in found["skipped"]
    )
    reasons = " ".join(how for entry in found["skipped"] for how in entry["how"])
    # The command has no such options, and its reader no matrices.
    assert not re.findall(r"mode=|exact=|\bk=|matri\w+|drop \w+|hydrate the", reasons)
    # Nor has it an error of Python or of a library.
    assert not any("error" in entry for entry in found["skipped"]), reasons
    assert not re.findall(r"convert|NaN|argument|n_neighbors|\[\]|\['", reasons)
    assert not re.findall(r">1 (?:images|authors|months|posts)\b", page)
    assert not set(page.replace("<", " ").replace(">", " ").split()) & {
        "nan",
        "inf",
        "None",
    }


def test_a_release_without_rows_and_useless_embeddings_are_said(tmp_path):
    with pytest.raises(ValueError, match="no rows"):
        load.load(_write(tmp_path / "a", {}, X[:0]), None, {})
    data = load.load(_write(tmp_path / "b", *RELEASES["nan and zeros"]), None, {})
    assert describe(data)["embeddings"] == {
        "n": 19,
        "dim": 6,
        "dtype": "float16",
        "unusable": 21,
    }
