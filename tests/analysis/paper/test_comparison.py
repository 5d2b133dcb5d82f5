"""Paper-in-a-box of planted worlds: in results.json, as a table, and on the page, where each verdict is right."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twigma.analysis.analyze import analyze
from twigma.analysis.figures.fig2d_likes import FIG2D, describe_likes
from twigma.analysis.inputs import load
from twigma.analysis.inputs.collection import Collected
from twigma.analysis.inputs.requirements import Result, Settings
from twigma.analysis.page.section import Results
from twigma.analysis.paper import stated
from twigma.analysis.paper.comparison import (
    describe_comparison,
    describe_other_dataset,
    overview,
    paper_box,
)
from twigma.analysis.paper.verdicts import AGREES, DIFFERS, UNKNOWN
from twigma.analysis.provenance.file_hashes import file_hashes
from twigma.builder.references import TABLE
from twigma.builder.release.identity import TWIGMA
from twigma.core.files import write_json
from twigma.dataset.published import published_table


@pytest.fixture(scope="module")
def box(analysed):
    return pd.read_parquet(analysed.out / "results" / "paper.parquet").set_index(
        ["figure", "quantity"]
    )


def test_the_planted_world_gives_all_three_verdicts(box, analysed):
    """Fifty percent more likes in quintile 1 of ArtBench, none by LAION; growth; prompts that vary less within."""
    expected = {
        ("Fig 1b", "growth of posts a month"): AGREES,
        # Nothing says that this is TWIGMA, so its counts are not held against the paper's.
        ("Fig 1b", "months"): UNKNOWN,
        ("Text", "images"): UNKNOWN,
        ("Fig 2c", "KL(LAION‖ArtBench), the paper's recipe"): UNKNOWN,
        ("Fig 2d", "mean likes, ArtBench, quintile 1 less quintile 5"): AGREES,
        ("Fig 2d", "mean likes, LAION, quintile 1 less quintile 5"): UNKNOWN,
        # 1.5 is planted, and its interval is narrow.
        ("Eq (1)", "rate ratio, ArtBench, quintile 1"): DIFFERS,
        ("Eq (1)", "rate ratio, ArtBench, quintile 3"): AGREES,
        ("Eq (1)", "p of the rate ratio, ArtBench, quintile 1"): AGREES,
        ("Eq (1)", "p of the rate ratio, LAION, quintile 1"): UNKNOWN,
        # Ten artists are too few to tell.
        ("Fig 3a", "mean distance, same artist less all of ArtBench"): UNKNOWN,
        ("Text", "posts found"): UNKNOWN,
    }
    assert {key: box["verdict"][key] for key in expected} == expected
    assert box["ours"][("Text", "images")] == 971
    ratio = box.loc[("Eq (1)", "rate ratio, ArtBench, quintile 1")]
    values = analysed.results["values"]
    assert ratio["ours"] == values["eq1/paintings/robust/quintile 1"]["value"]
    themes = box.loc[["Fig 4b", "Fig 4c"]]
    assert set(themes["verdict"]) == {UNKNOWN}
    assert themes["reason"].str.contains("no MANIFEST.json").all()


def test_results_json_holds_the_table(box, analysed):
    values = json.loads((analysed.out / "results.json").read_text("utf-8"))["values"]
    entry = values["paper/Fig 2c/KL(LAION‖ArtBench), the paper's recipe"]
    row = box.loc[("Fig 2c", "KL(LAION‖ArtBench), the paper's recipe")]
    names = ("paper", "value", "verdict", "sentence")
    found = tuple(row["ours" if name == "value" else name] for name in names)
    assert tuple(entry[name] for name in names) == found
    assert sum(key.startswith("paper/") for key in values) == len(box)


def test_a_release_alone_says_what_each_number_needs(planted):
    data = load.load(planted.release, None, {})
    skipped = [
        {"figure": "fig2c", "missing": ["a reference set"], "how": ["make one"]},
        {
            "figure": "fig3ab: same prompt",
            "missing": ["reference set prompts"],
            "how": ["make it"],
        },
        {"figure": "fig1b", "missing": [], "how": ["growth needs at least 3 months"]},
    ]
    reasons = table_of(data, {}, skipped)["reason"]
    order = "KL(TWIGMA‖DiffusionDB) less KL of AI images and human ones"
    assert reasons[order] == "no reference set: make one"
    same_prompt = "mean distance, same prompt / different prompt"
    assert reasons[same_prompt] == "no reference set prompts: make it"
    assert reasons["growth of posts a month"] == "growth needs at least 3 months"


def table_of(data, results, skipped=(), **settings):
    chosen = dataclasses.replace(Settings(), **settings)
    table = paper_box(data, chosen, results, skipped).tables["paper"]
    return table.set_index("quantity")


def of_twigma(planted):
    """The planted release as one that states that it is TWIGMA."""
    data = load.load(planted.release, None, {})
    return dataclasses.replace(data, identity=TWIGMA)


# ------------------------------------------------------------------ whose reference sets


def likes_like_the_papers(role):
    """Mean likes as the paper states them for both outer fifths of one role."""
    values = {}
    for quintile, (value, low, high) in stated.LIKES[role].items():
        limits = {"robust_low": low, "robust_high": high}
        entry = {"value": value, "low": low, "high": high, "n": 500}
        values[f"likes/{role}/{quintile}"] = entry | limits
    return {f"fig2d_{role}": Result(1000, {}, values)}


@pytest.mark.parametrize(
    ("name", "about", "verdict"),
    [
        ("photographs", {}, AGREES),
        ("laion", {"origin": ["laion.npy"]}, AGREES),
        ("images", {"origin": [TABLE["laion"].origin]}, AGREES),
        ("photographs", {"origin": ["my pictures"]}, UNKNOWN),
        ("mine", {"origin": ["my pictures"]}, UNKNOWN),
        ("mine", {}, UNKNOWN),
    ],
)
def test_statements_about_laion_are_held_against_laion_alone(
    planted, name, about, verdict
):
    data = load.load(planted.release, None, {name: planted.references["photographs"]})
    images = dataclasses.replace(data.references[name], about=about)
    data = dataclasses.replace(data, references={name: images})
    found = table_of(data, likes_like_the_papers("photographs"), photographs=name)
    for quantity in ("quintile 1", "quintile 5", "quintile 1 less quintile 5"):
        row = found.loc[f"mean likes, LAION, {quantity}"]
        assert row["verdict"] == verdict
        assert ("LAION" in row["reason"] and name in row["reason"]) == (
            verdict == UNKNOWN
        )


def test_likes_are_told_of_the_set_by_its_name(planted, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(planted.references["photographs"], mine)
    record = {"role": "photographs", "origin": ["pictures"], "licence": "mine"}
    write_json(mine / "reference.json", record)
    data = load.load(planted.release, None, {"mine": mine})
    settings = dataclasses.replace(Settings(), photographs="mine")
    figure = next(each for each in FIG2D if each.name == "fig2d_photographs")
    result = figure.run(data, settings)
    results = Results(result.tables, result.values, {figure.name: {"n": result.n}})
    section = describe_likes(results)
    assert section.claim.startswith("Images least similar to mine got")
    rows = section.tables[0].rows
    assert {row[0].text for row in rows} == {"mine"}
    assert {row[-1].text for row in rows} == {"–"}


def test_one_statement_is_told_in_the_singular():
    row = {
        "figure": "Fig 2d",
        "sentence": "More likes.",
        "stated": "above 0",
        "kind": "positive",
    }
    row |= {"ours": 1.0, "low": 0.5, "high": 1.5, "n": 9, "reason": "as it says"}
    for verdict, words in (
        (AGREES, "1 agrees with ours and 0 differ."),
        (DIFFERS, "0 agree with ours and 1 differs."),
    ):
        table = pd.DataFrame([row | {"verdict": verdict}])
        section = describe_comparison(Results({"paper": table}, {}, {}))
        assert section.claim.startswith(f"Of 1 statement of the paper, {words}")


# ------------------------------------------------------------------ whose data


@pytest.mark.parametrize("name", ["portraits", None])
def test_counts_are_judged_of_twigma_alone(planted, name):
    """In the table as on the page: no count of another dataset agrees or differs."""
    data = of_twigma(planted)
    identity = None if name is None else dataclasses.replace(TWIGMA, name=name)
    months = pd.DataFrame({"month": ["a"], "posts": [7], "images": [9], "sampled": [7]})
    results = {"fig1b": Result(1, {"fig1b": months})}
    paper = table_of(data, results)
    counts = paper["kind"] == "count"
    judged = paper.index[counts & (paper["verdict"] != UNKNOWN)]
    assert "posts" in judged and "images" in judged
    assert "twigma collect" in paper["reason"]["posts found"]
    other = table_of(dataclasses.replace(data, identity=identity), results)
    assert set(other["verdict"][judged]) == {UNKNOWN}
    assert "nothing says that this data is TWIGMA" in other["reason"]["posts"]
    assert other["ours"]["posts"] == paper["ours"]["posts"] == 7
    # What is said of images in general is judged as before.
    general = paper.index[~counts]
    pd.testing.assert_series_equal(other["verdict"][general], paper["verdict"][general])
    assert describe_other_dataset(results_of(other.reset_index())) is None


# ------------------------------------------------------------------ whose labels


TRENDS = {
    f"trend/{cluster}": {"value": -0.4, "p_adjusted": 0.001, "n": 27}
    for cluster in (1, 3, 4, 5, 8, 9)
}


def as_published(planted, folder, rows):
    """A folder as `published_table.fetch` writes it, with some of the planted rows."""
    source = {"url": f"http://127.0.0.1/api/records/{published_table.RECORD}"}
    folder.mkdir(exist_ok=True)
    published_table._write(folder, planted.rows.slice(0, rows), source)
    return load.load(folder, None, {})


@pytest.mark.parametrize("rows", [900, 970, 971])
def test_the_authors_table_is_compared_by_cluster_however_many_rows_it_has(
    planted, tmp_path, rows
):
    data = as_published(planted, tmp_path / "published", rows)
    table = table_of(data, {"fig4b": Result(1, {}, TRENDS)})
    assert table["verdict"]["share of cluster 3 over the months"] == AGREES
    assert table["verdict"]["share of cluster 8 over the months"] == DIFFERS


def again(planted, folder, rows, change=None):
    """A folder with some of the planted rows as somebody stored them again, without MANIFEST.json; loaded."""
    folder.mkdir()
    table = planted.rows.slice(100, rows)
    if change is not None:
        table = change(table)
    pq.write_table(table, folder / "metadata-00000-of-00001.parquet")
    return load.load(folder, None, {})


def relabelled(table):
    """A tenth of the images in the next cluster."""
    labels = table["label_10_cluster"].to_numpy().copy()
    labels[::10] = labels[::10] % 10 + 1
    place = table.column_names.index("label_10_cluster")
    field = table.schema.field(place)
    return table.set_column(place, field, pa.array(labels, field.type))


def test_a_filtered_copy_of_the_authors_table_has_their_labels(planted, tmp_path):
    """By its ids and labels, where their table lies beside it; a tenth of other labels makes it another clustering."""
    figures = {"fig4b": Result(1, {}, TRENDS)}
    quantity = "share of cluster 3 over the months"
    alone = table_of(again(planted, tmp_path / "alone", 300), figures)
    assert alone["verdict"][quantity] == UNKNOWN
    assert "neither in the cache nor beside the data" in alone["reason"][quantity]
    as_published(planted, tmp_path / published_table.FOLDER, 971)
    same = table_of(again(planted, tmp_path / "filtered", 300), figures)
    assert same["verdict"][quantity] == AGREES
    other = table_of(again(planted, tmp_path / "other", 300, relabelled), figures)
    assert other["verdict"][quantity] == UNKNOWN
    assert (
        "and 90% of the labelled images are in that table" in other["reason"][quantity]
    )


def test_results_are_out_of_date_when_the_authors_table_comes(planted, tmp_path):
    again(planted, tmp_path / "filtered", 300)
    before = file_hashes(tmp_path / "filtered", None, {})
    as_published(planted, tmp_path / published_table.FOLDER, 971)
    after = file_hashes(tmp_path / "filtered", None, {})
    assert set(after) - set(before) == {"published table"}


def test_as_many_rows_as_the_paper_are_not_its_labels(planted):
    """Not even exactly 805,650 images make clusters of ours those of the paper."""
    data = of_twigma(planted)
    months = pd.DataFrame(
        {"month": ["a"] * 27, "posts": 623_707 / 27, "images": 805_650 / 27, "sampled": 1}
    )  # fmt: skip
    figures = {"fig1b": Result(27, {"fig1b": months}), "fig4b": Result(1, {}, TRENDS)}
    table = table_of(data, figures)
    for quantity in ("posts", "images", "months", "images, rounded"):
        assert table["verdict"][quantity] == AGREES, quantity
    assert table["ours"]["images"] == stated.IMAGES and np.isnan(table["low"]["images"])
    assert table["verdict"]["share of cluster 3 over the months"] == UNKNOWN
    named = dataclasses.replace(data, manifest={"identity": TWIGMA.to_json()})
    reason = table_of(named, figures)["reason"]["share of cluster 3 over the months"]
    assert "does not name as its source" in reason


def test_a_collection_and_losses_fill_what_the_paper_states_of_its_own(planted):
    data = of_twigma(planted)
    found = Collected(19, 2_210_000, 1_100_000)
    counts = {"rows": 1000, "dropped": {"not fetched: not found": 95}}
    data = dataclasses.replace(data, collection=found, manifest={"counts": counts})
    table = table_of(data, {})
    verdicts = table["verdict"][
        ["hashtags searched", "posts found", "posts with photos", "share of photos unavailable"]
    ]  # fmt: skip
    assert verdicts.tolist() == [AGREES, AGREES, DIFFERS, AGREES]
    assert table["ours"]["share of photos unavailable"] == 0.095


def test_roles_may_have_other_names(planted):
    data = load.load(planted.release, None, {})
    values = {"kl_paper/mine/theirs": {"value": 5.4, "low": 5.3, "high": 5.5, "n": 10}}
    results = {"fig2c": Result(1, {}, values)}
    table = table_of(data, results, photographs="mine", paintings="theirs")
    assert table["ours"]["KL(LAION‖ArtBench), the paper's recipe"] == 5.4


# ------------------------------------------------------------------ in words


def results_of(table):
    facts = {"n": len(table), "tables": ["paper"], "values": [], "notes": []}
    return Results({"paper": table}, {}, {"paper": facts})


def test_the_summary_counts_each_verdict_and_names_what_differs(box):
    table = box.reset_index()
    counts = table["verdict"].value_counts()
    section = describe_comparison(results_of(table))
    words = f"Of {len(table)} statements of the paper, {counts[AGREES]} agree with ours and {counts[DIFFERS]} differ"
    assert section.claim.startswith(f"{words}; {counts[UNKNOWN]} are not identifiable")
    first = table.loc[table["verdict"] == DIFFERS, "sentence"].iloc[0]
    assert f"“{first.removesuffix('.')}”" in section.claim
    assert section.claim.endswith(f"and {counts[DIFFERS] - 4} more.")
    assert [count for _, count, _ in overview(results_of(table))] == [
        counts[AGREES], counts[DIFFERS], counts[UNKNOWN],
    ]  # fmt: skip
    (shown,) = section.tables
    assert len(shown.rows) == len(table)
    assert shown.marks.count("agrees") == counts[AGREES]
    assert shown.marks.count("unknown") == counts[UNKNOWN]


def test_another_dataset_is_compared_only_where_it_says_something(box):
    table = box.reset_index()
    told = table[(table["kind"] != "count") & (table["verdict"] != UNKNOWN)]
    section = describe_other_dataset(results_of(table))
    (shown,) = section.tables
    assert shown.folded
    assert [row[1].text for row in shown.rows] == told["sentence"].tolist()
    assert "not identifiable" not in section.claim
    assert f"Of {len(told)} statements" in section.claim
    nothing = table.assign(verdict=UNKNOWN)
    assert describe_other_dataset(results_of(nothing)) is None


def test_results_of_an_earlier_version_say_what_to_do(box):
    table = box.reset_index().drop(columns="sentence")
    with pytest.raises(ValueError, match=r"earlier version .*`twigma analyze`"):
        describe_comparison(results_of(table))


# ------------------------------------------------------------------ a release, end to end


def test_published_labels_through_the_pipeline(planted, tmp_path):
    """The planted clusters 1 falls and 4 rises, and is the sensitive one: one claim agrees, one differs."""
    release = tmp_path / "release"
    release.mkdir()
    files = {}
    # As the authors' table, without embeddings.
    for path in planted.release.glob("metadata-*.parquet"):
        shutil.copy(path, release)
        files[path.name] = {"bytes": path.stat().st_size}
    record = published_table.RECORD
    source = {"url": f"https://zenodo.org/api/records/{record}"}
    manifest = {"dataset": "twigma", "source": source, "files": files}
    write_json(release / "MANIFEST.json", manifest)
    analyze(release, tmp_path / "out")
    found = pd.read_parquet(tmp_path / "out" / "results" / "paper.parquet")
    verdicts = found.set_index("quantity")["verdict"]
    assert verdicts["share of cluster 1 over the months"] == AGREES
    assert verdicts["share of cluster 4 over the months"] == DIFFERS
    assert verdicts["share of cluster 8 over the months"] == UNKNOWN  # there is none
