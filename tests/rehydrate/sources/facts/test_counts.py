"""Counts as spreadsheets and tools write them; what may be decimals is no count, and is named."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.worlds import photo

from twigma.cli import main
from twigma.core.workspace import Workspace
from twigma.rehydrate.sources.facts.columns import our_columns
from twigma.rehydrate.sources.url_lists.add_urls import add_urls

READ = {
    "1e3": 1000,
    "1E+03": 1000,
    "1.50E+03": 1500,
    "1.5e3": 1500,
    "1000.0": 1000,
    " 7 ": 7,
    "12 345": 12_345,
    "12\u00a0345": 12_345,
    "1\u202f234\u202f567": 1_234_567,
    "1'234": 1234,
    "1,234,567": 1_234_567,
    "1.234.567": 1_234_567,
}
REFUSED = ["1,5", "1.5", "1,234", "1.234", "1.234e2", "1e-3", "-1e3", "1e99", "12 34"]
REFUSED += ["1,234.567", "1,2345,678", "0,123,456", "1e", "e3", "1k", "٣e3"]


@pytest.mark.parametrize(("text", "count"), READ.items())
def test_a_whole_number_is_read_in_every_usual_spelling(text: str, count: int) -> None:
    for name in ("like_count", "reply_count", "quote_count", "retweet_count"):
        assert our_columns({name: text}) == ({name: count}, [])


@pytest.mark.parametrize("text", REFUSED)
def test_what_may_be_another_number_is_none_and_named(text: str) -> None:
    values, unread = our_columns({"likes": text})
    assert values == {}
    assert [(one.column, one.name, one.value) for one in unread] == [
        ("like_count", "likes", text)
    ]


def test_beside_pictures_a_comma_before_three_digits_parts_thousands(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, likes in enumerate(("1,234", "1e3", "1,5")):
        (folder / f"{number}.jpg").write_bytes(photo(number))
        (folder / f"{number}.json").write_text(json.dumps({"like_count": likes}))
    done = CliRunner().invoke(
        main, ["add", "--work", str(tmp_path / "work"), str(folder)]
    )
    assert done.exit_code == 0, done.output
    rows = Workspace(tmp_path / "work").table().to_pylist()
    counts = {row["image_name"]: row["like_count"] for row in rows}
    assert counts == {"0": 1234, "1": 1000, "2": None}
    assert "'1,5'" in done.output


def test_lists_of_addresses_have_them_too(tmp_path: Path) -> None:
    file = tmp_path / "urls.csv"
    file.write_text("url,likes\nhttps://a.lab/1.jpg,1E+03\nhttps://a.lab/2.jpg,1e2\n")
    assert not add_urls(tmp_path / "work", file).unread.rows()
    assert sorted(Workspace(tmp_path / "work").table()["like_count"].to_pylist()) == [
        100,
        1000,
    ]
