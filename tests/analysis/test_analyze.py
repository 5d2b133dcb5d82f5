"""The whole analysis on a planted world: what is found, what is written, what is missing, and the return at once."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.spatial.distance import pdist

from twigma.analysis.analyze import analyze, write_table
from twigma.analysis.figures import FIGURES
from twigma.analysis.inputs import load
from twigma.analysis.inputs.requirements import HOW, Settings, missing_requirements
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.parts import fingerprint, read_parts, write_part

DRAWN = ("fig2a", "fig2b", "fig2c", "fig3a", "fig3b", "entropy_k", "near_duplicates", "prompt_vendi", "set_distance",
         "set_manifold", "clusters_k", "cluster_images")  # fmt: skip
EQ1_VARIANTS = [
    "eq1",
    "winsorised",
    "nb2",
    "post",
    "months",
    "covariates",
    "similarity",
    "author fixed effects",
    "author fixed effects, months",
]


def test_every_figure_is_there_and_nothing_is_skipped(analysed):
    found = analysed.results
    labelled = {"corrected", "corrected_regression"}
    left_out = {"fig1a", "fig2c_sensitivity", "fig3d", "concordance", *labelled}
    assert set(found["figures"]) == {figure.name for figure in FIGURES} - left_out | {
        "paper"
    }
    skipped = [(e["figure"], e["missing"]) for e in found["skipped"]]
    assert skipped == [
        ("fig1a", ["counts of its steps"]),
        ("fig2c_sensitivity", ["not asked for"]),
        ("fig3d", ["embedded prompts"]),
        ("concordance", ["annotation sheets"]),
        ("corrected", ["labels of a model's column"]),
        ("corrected_regression", ["labels of a model's column"]),
    ]
    assert json.loads((analysed.out / "results.json").read_text("utf-8")) == found
    for figure in found["figures"].values():
        for name in figure["tables"]:
            table = pq.read_table(analysed.out / "results" / f"{name}.parquet")
            with (analysed.out / "results" / f"{name}.csv").open(
                encoding="utf-8", newline=""
            ) as file:
                assert len(list(csv.reader(file))) == len(table) + 1


def test_planted_truths_are_recovered(analysed, planted):
    values = analysed.results["values"]
    assert values["growth"]["low"] < 0.12 < values["growth"]["high"]
    for quintile, truth in ((1, 1.5), (2, 1.25), (3, 1.0), (4, 1.0)):
        found = values[f"eq1/paintings/robust/quintile {quintile}"]
        assert abs(np.log(found["value"] / truth)) < 4 * found["se"]
    assert values["eq1/paintings/robust/followers > 5000"]["value"] == pytest.approx(
        3, rel=0.1
    )
    assert values["eq1/paintings/robust/quintile 1"]["se_kind"] == "author-clustered"
    assert (
        values["eq1/paintings/paper/quintile 1"]["value"]
        == values["eq1/paintings/robust/quintile 1"]["value"]
    )
    assert (values["trend/1"]["arrow"], values["trend/4"]["arrow"]) == ("↓", "↑")
    share = np.mean([x == 4 for x in planted.rows["label_10_cluster"].to_pylist()])
    assert values["nsfw_share/twigma"]["value"] == pytest.approx(share)
    for name, vectors in planted.sets.items():
        assert values[f"distance/{name}"]["value"] == pytest.approx(
            pdist(vectors).mean(), abs=2e-3
        )
    assert values["kl/twigma/prompts"]["value"] < values["kl/twigma/paintings"]["value"]
    assert (
        values["overlap/twigma/prompts"]["value"]
        > values["overlap/twigma/paintings"]["value"]
    )
    assert values["ratio/same prompt"]["value"] < 0.75


def test_likes_by_quintile_are_pandas(analysed, planted):
    vectors = planted.vectors.astype(np.float16).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    reference = planted.sets["paintings"].astype(np.float16).astype(np.float32)
    reference /= np.linalg.norm(reference, axis=1, keepdims=True)
    similarity = pd.Series(
        np.sort(vectors @ reference.T, axis=1)[:, -5:].mean(axis=1), index=planted.names
    )
    likes = (
        planted.rows.select(["image_name", "like_count"])
        .to_pandas()
        .set_index("image_name")["like_count"]
    )
    expected = likes.groupby(
        pd.qcut(similarity, 5, labels=False).reindex(likes.index) + 1
    ).agg(["count", "mean"])
    found = pd.read_parquet(analysed.out / "results" / "fig2d_paintings.parquet")
    np.testing.assert_allclose(found[["n", "mean"]], expected)
    assert analysed.results["values"]["likes/paintings/1"]["value"] == pytest.approx(
        expected["mean"].iloc[0]
    )


def test_every_other_assumption_of_eq_1_is_tried(analysed):
    keys = [
        key.split("/")
        for key in analysed.results["values"]
        if key.startswith("eq1_sensitivity/paintings/")
    ]
    variants = list(dict.fromkeys(key[2] for key in keys))
    assert variants == EQ1_VARIANTS
    table = pd.read_parquet(
        analysed.out / "results" / "eq1_paintings_sensitivity.parquet"
    )
    n = table.groupby("variant")["n"].max()
    assert n["post"] < n["eq1"]  # posts with several images count once


def test_the_map_over_time_shows_every_image_there_is_room_for(analysed, planted):
    points = pd.read_parquet(analysed.out / "results" / "fig4a.parquet")
    expected = planted.rows.select(
        ["UMAP_dim_1", "UMAP_dim_2", "created_at"]
    ).to_pandas()
    assert len(points) == len(expected) == analysed.results["figures"]["fig4a"]["n"]
    order = list(points.columns)
    pd.testing.assert_frame_equal(
        points.sort_values(order, ignore_index=True),
        expected.sort_values(order, ignore_index=True),
        check_dtype=False,
    )


def test_blurred_and_repeated_images_say_nothing_of_a_prompt(
    analysed, planted, tmp_path
):
    """Fig 3c is the same without them: four more of each prompt, far from its others, would spread them all."""
    release, prompts = tmp_path / "release", tmp_path / "prompts"
    few = planted.rows.select(["id", "image_name", "created_at"])
    write_parquet(release / "metadata-00000.parquet", few)
    _with_outliers(planted.references["prompts"], prompts)
    results = analyze(release, tmp_path / "out", references={"prompts": prompts})
    found, clean = (
        pd.read_parquet(out / "results" / "fig3c.parquet")
        for out in (tmp_path / "out", analysed.out)
    )
    pd.testing.assert_frame_equal(found, clean)
    notes = ["30 images of prompts are left out: blurred as NSFW.",
             "30 images of prompts are left out: repeats of one generation."]  # fmt: skip
    found = results["figures"]
    assert found["fig3c"]["notes"] == notes
    *same, few = found["prompt_vendi"]["notes"]
    assert same == notes and few.startswith("Few authors, artists or prompts")


def _with_outliers(prompts, out):
    """The prompts' images, then two blurred ones of each prompt, then two repeats of an image of each prompt."""
    images = pq.read_table(prompts / "images.parquet")
    vectors = np.stack(
        read_parts(prompts / "columns" / "embed")["embedding"].to_numpy()
    )
    texts = images["group"].to_pylist()
    more = [text for text in dict.fromkeys(texts) for _ in range(2)]
    names = [str(2001 + i) for i in range(len(texts) + 2 * len(more))]
    far = np.eye(vectors.shape[1], dtype=np.float16)[
        np.arange(2 * len(more)) % vectors.shape[1]
    ]
    seeds = [
        *range(len(texts)),
        *range(1000, 1000 + len(more)),
        *(texts.index(text) for text in more),
    ]
    given = {name: pa.array([7] * len(names)) for name in ("cfg", "step", "sampler")}
    table = pa.table(
        {
            "image_name": names,
            "id": names,
            "group": [*texts, *more, *more],
            "seed": seeds,
            **given,
        }
    )
    blurred = [0.1] * len(texts) + [2.0] * len(more) + [0.1] * len(more)
    write_parquet(
        out / "images.parquet", table.append_column("image_nsfw", pa.array(blurred))
    )
    both = np.concatenate([vectors, far])
    column = pa.FixedSizeListArray.from_arrays(pa.array(both.ravel()), both.shape[1])
    part = pa.table({"image_name": names, "embedding": column})
    write_part(out / "columns" / "embed" / "00000.arrow", part, {"model": "planted"})


def test_the_seed_reaches_every_figure_that_draws(analysed, planted, tmp_path):
    again = analyze(
        planted.release,
        tmp_path,
        work=planted.work,
        references=planted.references,
        seed=1,
    )
    assert again["made_from"]["settings"]["seed"] == 1
    for name in DRAWN:
        first, other = (
            pd.read_parquet(out / "results" / f"{name}.parquet")
            for out in (analysed.out, tmp_path)
        )
        columns_ = first.columns.drop("seed", errors="ignore")
        assert not first[columns_].equals(other[columns_]), name


def test_results_say_what_they_were_made_from(analysed, planted):
    made = analysed.results["made_from"]
    assert made["settings"]["seed"] == 0
    assert made["versions"]["numpy"] == np.__version__
    assert "release/metadata-00000.parquet" in made["files"]
    assert made["sha256"] == fingerprint(made["files"])
    data = analysed.results["data"]
    assert data["images"] == len(planted.names)
    assert data["posts"] == len(set(planted.rows["id"].to_pylist()))
    assert data["embeddings"] == {
        "n": len(planted.names),
        "dim": 32,
        "dtype": "float16",
        "unusable": 0,
    }


def test_csv_has_no_formulas_and_parquet_keeps_the_text(analysed, tmp_path, planted):
    table = pd.DataFrame(
        {
            "=word": ["=1+1", "+2", "-3", "@x", "\tx", "\rx", "fine"],
            "n": [-1.5, 2, 3, 4, 5, 6, 7],
        }
    )
    write_table(tmp_path / "t", table)
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["'=word", "n"]
    assert [row[0] for row in rows[1:]] == [
        "'=1+1",
        "'+2",
        "'-3",
        "'@x",
        "'\tx",
        "'\rx",
        "fine",
    ]
    assert rows[1][1] == "-1.5"  # a number is no formula
    assert (
        pd.read_parquet(tmp_path / "t.parquet")["=word"].tolist()
        == table["=word"].tolist()
    )
    pairs = pd.read_parquet(analysed.out / "results" / "fig4e_paintings.parquet")
    assert set(pairs["group"]) <= {planted.evil, *(f"Artist {i}" for i in range(10))}


def test_unchanged_data_returns_at_once_without_heavy_imports(analysed, planted):
    before = {
        path: path.stat().st_mtime_ns
        for path in analysed.out.rglob("*")
        if path.name != "index.html"
    }
    code = (
        "import sys; from pathlib import Path; from twigma.analysis.analyze import analyze;"
        f"analyze(Path({str(planted.release)!r}), Path({str(analysed.out)!r}), work=Path({str(planted.work)!r}),"
        f"references={{k: Path(v) for k, v in { ({k: str(v) for k, v in planted.references.items()})!r}.items()}});"
        "heavy = {'torch', 'faiss', 'sklearn', 'scipy', 'matplotlib', 'statsmodels', 'umap'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_only_its_own_old_files_go(analysed, planted, tmp_path):
    out = shutil.copytree(analysed.out, tmp_path / "out")
    mine = {
        "results/mine.csv": "a\n1\n",
        "results/mine.parquet": "mine",
        "notes.txt": "mine",
    }
    for name, text in mine.items():
        (out / name).write_text(text)
    (out / "index.html").write_text("a page of results that are gone")
    found = analyze(planted.release, out)  # without the working folder: fewer tables
    assert {name: (out / name).read_text() for name in mine} == mine
    tables = {name for figure in found["figures"].values() for name in figure["tables"]}
    assert {path.stem for path in (out / "results").iterdir()} == tables | {"mine"}
    assert "fig1c" not in found["figures"] and "fig1c" in analysed.results["figures"]
    assert not (out / "index.html").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize("content", ['{"acc": 0.9}', "{", "[]"])
def test_results_of_somebody_else_are_refused_before_any_work(
    planted, tmp_path, content
):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(
        ValueError, match="is not empty and no report of ours: it is left as it is"
    ):
        analyze(tmp_path / "nowhere", tmp_path)
    assert (tmp_path / "results.json").read_text() == content


def test_a_release_alone_names_what_the_rest_needs(planted, tmp_path):
    found = analyze(planted.release, tmp_path)
    skipped = {entry["figure"]: entry for entry in found["skipped"]}
    checks = {"entropy_k", "near_duplicates", "clusters_k", "cluster_images"}
    checks |= {"model_releases", "nsfw_likes"}
    assert {
        "fig1b",
        "fig3ab",
        "fig4a",
        "fig4b",
        "fig4c",
        "fig4d",
        "paper",
    } | checks == set(found["figures"])
    assert skipped["fig1c"]["missing"] == ["column text"]
    assert skipped["fig1c"]["how"] == [HOW["text"]]
    assert skipped["fig2c"]["missing"] == ["a reference set"]
    assert skipped["fig2d_paintings"]["missing"] == ["reference set paintings"]
    assert skipped["eq1_photographs"]["missing"] == [
        "column follower_count",
        "reference set photographs",
    ]
    assert skipped["fig3ab: same prompt"]["missing"] == ["reference set prompts"]
    assert set(skipped) | set(found["figures"]) >= {figure.name for figure in FIGURES}


def test_changed_settings_or_data_are_computed_again(planted, tmp_path):
    release, out = tmp_path / "release", tmp_path / "out"
    rows = planted.rows.select(["id", "image_name", "created_at"])
    write_parquet(release / "metadata-00000.parquet", rows)
    first = analyze(release, out)
    assert list(first["figures"]) == ["fig1b", "model_releases", "paper"]
    assert analyze(release, out) == first
    assert analyze(release, out, seed=1)["made_from"]["settings"]["seed"] == 1
    (out / "results" / "fig1b.parquet").unlink()
    analyze(release, out, seed=1)
    tables = ("fig1b", "model_releases", "model_releases_placebo", "paper")
    assert {path.name for path in (out / "results").iterdir()} == {
        f"{name}.{ending}" for name in tables for ending in ("csv", "parquet")
    }
    write_parquet(release / "metadata-00000.parquet", rows.slice(0, 300))
    again = analyze(release, out, seed=1)
    assert again["data"]["images"] == 300
    (out / "results.json").write_text(
        "{", "utf-8"
    )  # damaged: nobody can tell whose it is
    with pytest.raises(ValueError, match="no report of ours: it is left as it is"):
        analyze(release, out, seed=1)


def test_results_of_another_revision_are_computed_again(planted, tmp_path, monkeypatch):
    module = sys.modules["twigma.analysis.analyze"]
    release, out = tmp_path / "release", tmp_path / "out"
    rows = planted.rows.select(["id", "image_name", "created_at"])
    write_parquet(release / "metadata-00000.parquet", rows)
    assert analyze(release, out)["made_from"]["analysis"] == module.REVISION
    table, page = out / "results" / "fig1b.parquet", out / "index.html"
    before = table.stat().st_ino
    page.write_text("a page of the results that are there")
    analyze(release, out)
    assert table.stat().st_ino == before and page.exists()
    monkeypatch.setattr(module, "REVISION", module.REVISION + 1)
    again = analyze(release, out)
    assert again["made_from"]["analysis"] == module.REVISION
    assert table.stat().st_ino != before and not page.exists()


def test_folders_may_be_texts(planted, tmp_path, analysed):
    references = {name: str(path) for name, path in planted.references.items()}
    out = shutil.copytree(analysed.out, tmp_path / "out")
    found = analyze(
        str(planted.release),
        str(out),
        work=str(planted.work),
        references=references,
    )
    assert found == analysed.results


def test_too_little_data_is_a_reason_not_a_crash(planted, tmp_path):
    release = tmp_path / "release"
    few = planted.rows.slice(0, 6)
    write_parquet(release / "metadata-00000.parquet", few)
    found = analyze(release, tmp_path / "out")
    reasons = {entry["figure"]: entry["how"][0] for entry in found["skipped"]}
    assert "at least 4 months" in reasons["fig1b"]


def test_estimators_warnings_become_notes(planted, tmp_path):
    private = pq.read_table(planted.work / "images.parquet").drop_columns(["author_id"])
    write_parquet(tmp_path / "work" / "images.parquet", private)
    references = {"paintings": planted.references["paintings"]}
    found = analyze(
        planted.release, tmp_path / "out", work=tmp_path / "work", references=references
    )
    assert any(
        "no author ids" in note for note in found["figures"]["eq1_paintings"]["notes"]
    )
    skipped = {entry["figure"]: entry["missing"] for entry in found["skipped"]}
    assert skipped["eq1_paintings: intervals by author"] == ["column author_id"]


def test_missing_folders_say_the_next_step(tmp_path, planted):
    with pytest.raises(FileNotFoundError, match="twigma release"):
        analyze(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="twigma add"):
        analyze(
            planted.release,
            tmp_path / "out",
            references={"photographs": tmp_path / "nowhere"},
        )


def test_a_reference_may_not_take_our_name(planted, tmp_path):
    with pytest.raises(ValueError, match="rename it"):
        analyze(
            planted.release,
            tmp_path,
            references={"twigma": planted.references["paintings"]},
        )


def test_rows_without_a_usable_embedding_are_left_out(planted, tmp_path):
    release = tmp_path / "release"
    rows = planted.rows.select(["id", "image_name"]).slice(0, 5)
    write_parquet(release / "metadata-00000.parquet", rows)
    names = rows["image_name"].to_pylist()
    vectors = pa.array([[1, 0], None, [0, 0], [3, 4]], pa.list_(pa.float16(), 2))
    write_parquet(
        release / "embeddings-00000.parquet",
        pa.table({"image_name": names[:4], "embedding": vectors}),
    )
    images = load.load(release, None, {}).images
    assert images.rows.tolist() == [0, 3]
    assert images.unusable == 1
    np.testing.assert_allclose(images.embedding, [[1, 0], [0.6, 0.8]], atol=1e-6)
    assert images.values("id").tolist() == [
        rows["id"][0].as_py(),
        rows["id"][3].as_py(),
    ]


@pytest.mark.parametrize("sources", [["local"], ["local", "x"], ["x"]])
def test_what_images_of_ones_own_lack_no_look_up_brings(planted, tmp_path, sources):
    """Only where no image is on a post; what helps is written beside the files."""
    count = len(planted.rows)
    places = planted.rows.column_names
    rows = planted.rows.drop_columns([name for name in ("like_count", "created_at") if name in places])  # fmt: skip
    rows = columns.add(rows, source=pa.array(np.resize(sources, count)))
    write_parquet(tmp_path / "release" / "metadata-00000.parquet", rows)
    data = load.load(tmp_path / "release", None, {})
    assert data.images.is_local == (sources == ["local"])
    private = ["author_id", "follower_count", "text", "like_count", "created_at"]
    missing = missing_requirements(data, Settings(), private)
    advice = " ".join(missing.values())
    assert len(missing) == 5
    assert ("rehydrate" in advice) == (sources != ["local"])
    assert ("`twigma add`" in advice) == (sources == ["local"])


def test_a_column_of_nulls_is_missing(planted, tmp_path):
    release = tmp_path / "release"
    rows = columns.add(planted.rows, like_count=pa.nulls(len(planted.rows), pa.int64()))
    write_parquet(release / "metadata-00000.parquet", rows)
    data = load.load(release, None, {})
    assert missing_requirements(data, Settings(), ["like_count", "created_at"]) == {
        "column like_count": HOW["like_count"]
    }
