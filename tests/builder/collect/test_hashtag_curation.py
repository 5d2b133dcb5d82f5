"""The curation of hashtags: counts by hand, intervals by statsmodels, and the way from a blank sheet to a fixed set."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner
from statsmodels.stats.proportion import proportion_confint

from twigma.builder.collect.hashtag_curation import (
    FIRST,
    MOST,
    SHEET,
    curate,
    hashtags,
    judged,
    read_sheet,
    review_sheet,
)
from twigma.cli import main
from twigma.core import columns
from twigma.core.files import write_parquet

NO_TAGS = "a#notatag https://example.org/page/#fragment"  # in every text, and in no list of hashtags


@pytest.fixture(scope="module")
def posts():
    """#aiart with #midjourney on most posts, #disco only beside #midjourney, #cat anywhere, #rare too seldom."""
    rng = np.random.default_rng(3)
    rows = []
    for i in range(600):
        words = ["=SUM(1)" if i % 3 == 0 else "a picture"]
        tags = {"aiart": 0.4, "cat": 0.2, "rare": 0.002, "2022": 0.3}
        carried = [tag for tag, share in tags.items() if rng.random() < share]
        if "aiart" in carried and rng.random() < 0.5:
            carried.append("MidJourney")
        elif "aiart" not in carried and i % 6 == 0:
            carried += ["midjourney", "disco"]
        text = " ".join(words + [f"#{tag}" for tag in carried])
        tags = [
            tag.lower() for tag in carried if not tag.isdecimal()
        ]  # #2022 is no hashtag to X
        rows.append((str(10**18 + i), f"{text} {NO_TAGS}", tags))
    frame = pd.DataFrame(rows, columns=["id", "text", "hashtags"])
    frame["created_at"] = pd.Timestamp("2022-01-01") + pd.to_timedelta(
        rng.permutation(600), unit="h"
    )
    return frame


def carries(posts, tag):
    return posts["text"].str.lower().str.split().map(lambda words: f"#{tag}" in words)


def test_counts_are_those_of_the_texts(posts):
    table = curate(posts, ["#AIart"], review_sheet(posts, [])).set_index("hashtag")
    assert set(table.index) == {
        "midjourney",
        "cat",
    }  # no number, none too seldom, none that is never with a seed
    seed = carries(posts, "aiart")
    for tag, row in table.iterrows():
        has = carries(posts, tag)
        assert (row["posts"], row["together"]) == (has.sum(), (has & seed).sum())
        assert row["p_seed"] == pytest.approx(seed[has].mean())
        assert row["lift"] == pytest.approx(seed[has].mean() / seed.mean())
        expected = proportion_confint((has & seed).sum(), has.sum(), method="wilson")
        assert (row["p_low"], row["p_high"]) == pytest.approx(expected)
    assert table["lift"]["midjourney"] > 1.3 > table["lift"]["cat"]
    assert table["judged"].tolist() == [0, 0] and not table["passed"].any()


def test_known_candidates_take_no_place_of_a_later_round():
    """Forty hashtags fill the first round; with the one that passes come five more, which are on fewer posts."""
    first = [f"first{number:02}" for number in range(MOST)]
    later = [f"later{number}" for number in range(5)]
    lists = [["aiart", *first]] * 20 + [[first[0], *later]] * 10
    frame = pd.DataFrame({"id": [str(at) for at in range(30)], "hashtags": lists})
    answers = {"hashtag": first[0], "item": range(20), "about_ai_images": "yes"}
    table = curate(frame, ["aiart"], pd.DataFrame(answers))
    rounds = table.set_index("hashtag")["round"]
    assert rounds.to_dict() == dict.fromkeys(first, 1) | dict.fromkeys(later, 2)


def test_a_sheet_has_the_first_twenty_posts(posts):
    sheet = review_sheet(posts, ["midjourney"])
    first = (
        posts[carries(posts, "midjourney")].sort_values("created_at")["id"].head(FIRST)
    )
    assert sheet["id"].tolist() == first.tolist() and sheet["item"].tolist() == list(
        range(1, FIRST + 1)
    )
    assert set(sheet["about_ai_images"]) == {""}


def test_precision_is_wilsons():
    answers = ["yes"] * 17 + ["Y"] + ["no", " N "] + [""] * 3
    sheet = pd.DataFrame(
        {"hashtag": "x", "item": range(23), "about_ai_images": answers}
    )
    row = judged(sheet).iloc[0]
    assert (row["judged"], row["related"], row["precision"]) == (20, 18, 0.9)
    assert (row["low"], row["high"]) == pytest.approx(
        proportion_confint(18, 20, method="wilson")
    )
    assert (round(row["low"], 2), round(row["high"], 2)) == (0.70, 0.97)
    with pytest.raises(ValueError, match=r"found 'maybe' for #x, item 0; correct"):
        judged(sheet.assign(about_ai_images="maybe"))


@pytest.fixture
def work(posts, tmp_path):
    rows = {name: posts[name].tolist() for name in ("id", "text", "hashtags")} | {
        "created_at": posts["created_at"].to_numpy("M8[ms]")
    }
    table = columns.add(pa.table({"image_name": posts["id"].tolist()}), **rows)
    write_parquet(tmp_path / "work" / "images.parquet", table)
    return tmp_path / "work"


def fill(path, answers):
    sheet = read_sheet(path)
    for tag, answer in answers.items():
        sheet.loc[sheet["hashtag"] == tag, "about_ai_images"] = answer
    sheet.to_csv(path, index=False)


def test_what_passes_brings_its_own_candidates_until_the_set_is_fixed(work, tmp_path):
    out = tmp_path / "hashtags"
    first = hashtags(work, out, seeds=["aiart"])
    assert "'=SUM(1)" in (out / SHEET).read_text(
        "utf-8-sig"
    )  # no cell a spreadsheet would run
    fill(out / SHEET, {"midjourney": "yes", "cat": "no"})
    second = hashtags(work, out, seeds=["aiart"]).set_index("hashtag")
    assert set(second.index) - set(first["hashtag"]) == {"disco"}
    assert second["passed"].to_dict() == {
        "midjourney": True,
        "cat": False,
        "disco": False,
    }
    assert second["round"].to_dict() == {"midjourney": 1, "cat": 1, "disco": 2}
    fill(out / SHEET, {"disco": "no"})
    third = hashtags(work, out, seeds=["aiart"])
    assert (third["judged"] > 0).all() and len(third) == 3
    before = (out / SHEET).read_bytes()
    hashtags(work, out, seeds=["aiart"])
    assert (out / SHEET).read_bytes() == before
    assert pd.read_csv(out / "candidates.csv").set_index("hashtag")["precision"].to_dict() == {
        "midjourney": 1, "cat": 0, "disco": 0,
    }  # fmt: skip


def test_nothing_to_read_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        hashtags(tmp_path / "nowhere", tmp_path)
    (tmp_path / SHEET).write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="expected the columns"):
        read_sheet(tmp_path / SHEET)


def test_the_command_says_what_passed_and_what_waits(work, tmp_path):
    arguments = [
        "hashtags",
        "--work",
        str(work),
        "--out",
        str(tmp_path / "out"),
        "--hashtag",
        "aiart",
    ]
    first = CliRunner().invoke(main, arguments)
    assert (
        "2 candidates" in first.output
        and "passed: none" in first.output
        and "2 wait for answers" in first.output
    )
    fill(tmp_path / "out" / SHEET, {"midjourney": "yes", "cat": "no"})
    again = CliRunner().invoke(main, arguments)
    assert "passed: midjourney" in again.output and "1 wait for answers" in again.output


CASES = Path(__file__).parent / "cases"


@pytest.mark.parametrize("name", ["semicolon", "cp1252", "utf16"])
def test_a_judged_sheet_reads_as_spreadsheets_save_it(name):
    sheet = read_sheet(CASES / f"hashtags_{name}.csv")
    assert sheet["about_ai_images"].value_counts().to_dict() == {"yes": 20}
    assert set(sheet["text"]) == {"a café – at night"}
    assert sheet["id"][0] == "1426801215799416521"


def test_a_wrong_answer_is_named_with_file_line_and_column(tmp_path):
    path = tmp_path / SHEET
    path.write_text("hashtag;id;about_ai_images\nx;1;yes\n\nx;2;perhaps\n")
    message = "hashtags.csv, line 4, column about_ai_images: expected yes, no or nothing, found 'perhaps'"
    with pytest.raises(ValueError, match=message):
        read_sheet(path)
    path.write_text("hashtag;text;about_ai_images\nx;a;yes\n")
    with pytest.raises(
        ValueError, match=r"hashtags\.csv, line 1: expected the columns"
    ):
        read_sheet(path)


def test_answers_in_a_workbook_beside_the_sheet_count(work, tmp_path):
    pytest.importorskip("openpyxl")
    out = tmp_path / "hashtags"
    hashtags(work, out, seeds=["aiart"])
    sheet = read_sheet(out / SHEET)
    sheet["about_ai_images"] = [
        "yes" if tag == "cat" else "" for tag in sheet["hashtag"]
    ]
    sheet.to_excel(out / "hashtags.xlsx", index=False)
    second = hashtags(work, out, seeds=["aiart"]).set_index("hashtag")
    assert second.loc["cat", "judged"] == second.loc["cat", "related"] > 0
    written = pd.read_csv(out / SHEET, dtype=str, encoding="utf-8-sig")
    assert (written["about_ai_images"] == "yes").sum() == second.loc["cat", "judged"]
    fill(out / SHEET, {"cat": "no"})
    with pytest.raises(
        ValueError,
        match=r"hashtags\.xlsx, line \d+, column about_ai_images: expected 'no', as in",
    ):
        hashtags(work, out, seeds=["aiart"])
