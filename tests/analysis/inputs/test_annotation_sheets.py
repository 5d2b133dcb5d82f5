"""Blank sheets hide the clusters, survive a spreadsheet, and come back as what was filled in."""

import pandas as pd
import pytest

from twigma.analysis.analyze import analyze
from twigma.analysis.inputs.annotation_sheets import lemma, read_sheets, sheets
from twigma.analysis.report import report
from twigma.builder.collect.hashtag_curation import read_sheet
from twigma.builder.removals.removals import removals


@pytest.fixture
def blank(planted, tmp_path):
    assert sheets(planted.release, tmp_path / "sheets", annotators=3, images=6) == 24
    return tmp_path / "sheets"


def fill(folder, number, group, keywords=("", "", "")):
    """Fill a sheet as a spreadsheet would: ids rounded, rows in another order."""
    path, key = folder / f"annotator-{number}.csv", pd.read_csv(folder / "key.csv")
    rows = pd.read_csv(path).sort_values("item", ascending=False)
    cluster = key.set_index("item")["label_10_cluster"][rows["item"]].to_numpy()
    rows["group"] = [group(c) for c in cluster]
    for name, words in zip(
        ("keyword_1", "keyword_2", "keyword_3"), keywords, strict=True
    ):
        rows[name] = [f"{words}{c}" if words else "" for c in cluster]
    rounded = [f"{float(name):.2E}" for name in rows["image_name"]]
    rows.assign(image_name=rounded, id="5.00E+05").to_csv(path, index=False)


def test_sheets_hide_the_cluster_and_hold_as_many_images_of_each(blank, planted):
    key = pd.read_csv(blank / "key.csv", dtype=str)
    assert key["label_10_cluster"].value_counts().to_dict() == dict.fromkeys("1234", 6)
    truth = dict(
        zip(
            planted.rows["image_name"].to_pylist(),
            planted.rows["label_10_cluster"].to_pylist(),
            strict=True,
        )
    )
    assert [str(truth[name]) for name in key["image_name"]] == key[
        "label_10_cluster"
    ].tolist()
    one, other = (
        pd.read_csv(blank / f"annotator-{i}.csv", dtype=str, keep_default_na=False)
        for i in (1, 2)
    )
    assert list(one) == [
        "item",
        "image_name",
        "id",
        "keyword_1",
        "keyword_2",
        "keyword_3",
        "group",
    ]
    assert (
        sorted(one["item"]) == sorted(other["item"])
        and one["item"].tolist() != other["item"].tolist()
    )
    assert (
        not one[["keyword_1", "keyword_2", "keyword_3", "group"]]
        .to_numpy()
        .astype(bool)
        .any()
    )
    order = key.set_index("item")["label_10_cluster"][one["item"]]
    assert (order.to_numpy()[1:] != order.to_numpy()[:-1]).mean() > 0.5


def test_filled_sheets_come_back(blank):
    fill(blank, 1, lambda c: f" Theme {c}", ("Cats", "", ""))
    fill(blank, 2, lambda c: "" if c == 4 else f"t{c % 2}")
    found = read_sheets(blank)
    assert found["annotator"].value_counts().to_dict() == {
        "annotator-1": 24,
        "annotator-2": 18,
    }
    first = found[found["annotator"] == "annotator-1"]
    assert (first["group"] == "theme " + first["cluster"].astype(str)).all()
    assert set(first["keywords"]) == {frozenset({"cat"})}


def test_analyze_and_the_report_use_them(blank, planted, tmp_path):
    fill(blank, 1, lambda c: c, ("castle", "sky", "zx"))
    fill(blank, 2, lambda c: min(c, 3))
    found = analyze(planted.release, tmp_path / "out", sheets=blank)
    values = found["values"]
    assert values["concordance/annotator-1/ari"]["value"] == 1
    assert values["concordance/annotator-2/ari"]["value"] < 1
    assert values["annotators/annotator-1/annotator-2"]["n"] == 24
    assert "People and the clusters" in report(tmp_path / "out").read_text("utf-8")
    fill(blank, 1, lambda c: 1)
    assert (
        analyze(planted.release, tmp_path / "out", sheets=blank)["values"][
            "concordance/annotator-1/ari"
        ]["value"]
        == 0
    )


def test_nothing_filled_in_is_overwritten_or_taken_for_an_answer(blank, planted):
    with pytest.raises(FileExistsError, match="another folder"):
        sheets(planted.release, blank)
    with pytest.raises(ValueError, match="no sheet"):
        read_sheets(blank)
    with pytest.raises(FileNotFoundError, match="twigma sheets"):
        read_sheets(blank / "nowhere")
    (blank / "annotator-1.csv").write_text(
        "item,keyword_1,keyword_2,keyword_3,group\n99,a,b,c,d\n"
    )
    with pytest.raises(ValueError, match=r"annotator-1.csv.*99"):
        read_sheets(blank)
    (blank / "annotator-1.csv").write_text("item;theme\n1;x\n")
    with pytest.raises(ValueError, match="missing"):
        read_sheets(blank)


@pytest.mark.parametrize(
    ("word", "single"),
    [("wolves", "wolve"), ("bus", "bus"), ("cities", "city"), ("class", "class")],
)
def test_lemmas(word, single):
    assert lemma(word) == single


def test_a_removed_image_leaves_the_sheets_and_what_people_wrote_stays(blank, tmp_path):
    one, other = blank / "annotator-1.csv", blank / "annotator-2.csv"
    for number, group in ((1, str), (2, lambda _: "same")):
        fill(blank, number, group, ('a "big" tree; old, ', "", ""))
    pd.read_csv(other, dtype=str).to_csv(
        other, index=False, sep=";", encoding="utf-8-sig"
    )  # as some spreadsheets do
    written = {
        one: pd.read_csv(one, dtype=str),
        other: pd.read_csv(other, dtype=str, sep=";", encoding="utf-8-sig"),
    }
    name = pd.read_csv(blank / "key.csv", dtype=str)["image_name"][0]  # of item 1
    (tmp_path / "work").mkdir()
    receipt = removals(tmp_path / "work", [name], [blank])
    assert receipt.changed["sheets"] == 4 and receipt.deleted == []
    for path, before in written.items():
        left = pd.read_csv(path, dtype=str)
        pd.testing.assert_frame_equal(
            left, before[before["item"] != "1"].reset_index(drop=True)
        )
    assert len(read_sheets(blank)) == 2 * 23
    assert not any(name in path.read_text("utf-8-sig") for path in blank.iterdir())
    assert removals(tmp_path / "work", [name], [blank]).changed["sheets"] == 0


def test_a_sheet_without_its_columns_is_named_and_nothing_is_lost(blank, tmp_path):
    (blank / "annotator-2.csv").write_text("a,b,c\n1,2,3\n")
    name = pd.read_csv(blank / "key.csv", dtype=str)["image_name"][0]
    (tmp_path / "work").mkdir()
    with pytest.raises(
        ValueError, match=r"annotator-2\.csv, line 1: expected the columns item"
    ):
        removals(tmp_path / "work", [name], [blank])
    assert (
        name in (blank / "annotator-1.csv").read_text()
    )  # refused before anything was erased
    (blank / "annotator-2.csv").unlink()
    assert removals(tmp_path / "work", [name], [blank]).changed["sheets"] == 3


def test_what_is_no_sheet_by_its_size_is_refused(tmp_path):
    path = tmp_path / "annotator-1.csv"
    for data in (b"," * 100_000, b"item,group\n" + b"1,a\n" * 5_000_000):
        path.write_bytes(data)
        (tmp_path / "key.csv").write_text("item,label_10_cluster\n1,1\n")
        with pytest.raises(ValueError, match="expected a sheet of at most 16 MB"):
            read_sheets(tmp_path)
        with pytest.raises(ValueError, match="expected a sheet of at most 16 MB"):
            read_sheet(path)


FORMS = {
    "semicolon": {"sep": ";"},
    "tab": {"sep": "\t"},
    "cp1252": {"encoding": "cp1252"},
    "utf-16": {"sep": "\t", "encoding": "utf-16"},
    "mark": {"encoding": "utf-8-sig"},
}


@pytest.mark.parametrize("form", sorted(FORMS))
def test_sheets_read_as_spreadsheets_save_them(blank, form):
    fill(blank, 1, lambda c: f"Thème {c}", ('a "café"; old, ', "", ""))
    expected = read_sheets(blank)
    path = blank / "annotator-1.csv"
    pd.read_csv(path, dtype=str).to_csv(path, index=False, **FORMS[form])
    pd.testing.assert_frame_equal(read_sheets(blank), expected)
    # Excel leaves out empty cells at the end of a row.
    text = path.read_bytes()
    name = pd.read_csv(blank / "key.csv", dtype=str)["image_name"][0]
    (blank.parent / "work").mkdir()
    assert removals(blank.parent / "work", [name], [blank]).changed["sheets"] == 4
    assert len(read_sheets(blank)) == len(expected) - 1
    assert path.read_bytes() != text


def test_a_sheet_saved_as_a_workbook_is_read_and_loses_what_was_removed(blank):
    openpyxl = pytest.importorskip("openpyxl")
    fill(blank, 1, lambda c: f"t{c}", ("cat", "", ""))
    expected = read_sheets(blank)
    path, book = blank / "annotator-1.csv", blank / "annotator-1.xlsx"
    filled = pd.read_csv(path, dtype=str)
    filled.to_excel(book, index=False)
    with pytest.raises(
        ValueError, match=r"annotator-1\.csv and annotator-1\.xlsx are bo"
    ):
        read_sheets(blank)
    filled.assign(group="").to_csv(path, index=False)
    pd.testing.assert_frame_equal(read_sheets(blank), expected)
    item = pd.read_csv(blank / "key.csv", dtype=str)["image_name"][0]
    (blank.parent / "work").mkdir()
    assert removals(blank.parent / "work", [item], [blank]).changed["sheets"] == 5
    left = openpyxl.load_workbook(book).active
    assert [row[0] for row in left.iter_rows(min_row=2, values_only=True)] == [
        item for item in filled["item"] if item != "1"
    ]


def test_an_item_that_is_not_in_the_key_is_named_with_its_line(blank):
    path = blank / "annotator-1.csv"
    path.write_text("item;keyword_1;keyword_2;keyword_3;group\n1;a;;;d\n1;a;;;d\n")
    message = r"annotator-1\.csv, line 3, column item: expected each item of key\.csv at most once, found '1'"
    with pytest.raises(ValueError, match=message):
        read_sheets(blank)
    path.write_text('item;keyword_1;keyword_2;keyword_3;group\n1;"a;;;d\n')
    with pytest.raises(ValueError, match=r"annotator-1\.csv, line 2: a quote is open"):
        read_sheets(blank)


def test_an_open_document_sheet_is_refused_before_anything_is_erased(blank):
    pytest.importorskip("odf")
    sheet = pd.read_csv(blank / "annotator-2.csv")
    sheet.to_excel(blank / "annotator-2.ods", index=False, engine="odf")
    name = pd.read_csv(blank / "key.csv", dtype=str)["image_name"][0]
    (blank.parent / "work").mkdir()
    before = (blank / "annotator-1.csv").read_bytes()
    with pytest.raises(ValueError, match=r"annotator-2\.ods: expected \.csv or \.xlsx"):
        removals(blank.parent / "work", [name], [blank])
    assert (blank / "annotator-1.csv").read_bytes() == before
