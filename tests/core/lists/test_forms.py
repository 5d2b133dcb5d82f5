"""A list reads equal in any form that tools write: lines, separators, encodings, packings, JSON, tables."""

import json
import sys

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.packing import PACKERS

from twigma.core.lists.reader import read_rows
from twigma.rehydrate.ids.list_columns import Wanted
from twigma.rehydrate.ids.post_ids import collect_ids, read_ids

POST = st.integers(1, 10**20 - 1).map(str)
LISTS = st.lists(POST, unique=True, min_size=1, max_size=30)
LINE_FORMS = {
    "plain": "{}",
    "quoted": '"{}"',
    "formula": '="{}"',
    "text mark": "'{}",
    "no-break space": "{}\xa0",
    "rtweet": "x{}",
    "x.com": "https://x.com/i/web/status/{}",
    "photo": "https://twitter.com/someone/status/{}/photo/1",
    "mobile": "http://mobile.twitter.com/someone/status/{}?s=20",
    "bare": "www.x.com/someone/statuses/{}",
    "comment": "{} # asked for in May",
}
SEPARATORS = [",", ";", "\t", "|", ":", " ", "^", "~", "\x01", "\x1f"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
NAMES = ["id", "tweetid", "status_id", "id_str", "Tweet ID", "tweet_id", "post-id"]


def assert_equal(path, ids):
    found = collect_ids(path)
    assert (list(found.ids), found.bad) == (ids, [])


WRITTEN = st.tuples(
    st.sampled_from(sorted(LINE_FORMS)),
    st.booleans(),
    st.sampled_from(ENCODINGS),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(sorted(PACKERS)),
)


@given(ids=LISTS, written=WRITTEN)
@settings(max_examples=150, deadline=None)
def test_lines(tmp_path_factory, ids, written):
    form, header, encoding, end, packing = written
    lines = [LINE_FORMS[form].format(post) for post in ids]
    if header:
        lines.insert(0, "id")
    path = tmp_path_factory.mktemp("ids") / "list"  # no suffix: the content decides
    text = end.join(lines) + end
    path.write_bytes(PACKERS[packing](text.encode(encoding)))
    assert_equal(path, ids)


@given(
    ids=LISTS,
    separator=st.sampled_from(SEPARATORS),
    name=st.sampled_from(NAMES),
    hint=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_columns_by_any_separator(tmp_path_factory, ids, separator, name, hint):
    if separator == " ":
        name = name.replace(" ", "_")
    rows = [["n", name, "label"], *([str(n), post, "é"] for n, post in enumerate(ids))]
    lines = [separator.join(row) for row in rows]
    if hint and separator in ",;|":
        lines.insert(0, f"sep={separator}")
    path = tmp_path_factory.mktemp("ids") / "a.csv"
    path.write_bytes("\n".join(lines).encode("cp1252"))
    found = list(read_rows(path, Wanted(None, ("label", "none"))))
    assert [row.value for row in found] == ids
    assert {row.others for row in found} == {("é", "")}


JSON_FORMS = {
    "lines": lambda ids: "\n".join(f'{{"id_str": "{post}"}}' for post in ids),
    "one line": json.dumps,
    "indented": lambda ids: json.dumps(ids, indent=2),
    "numbers": lambda ids: json.dumps([int(post) for post in ids], indent=1),
    "records": lambda ids: json.dumps(
        [{"user": {"id": 5}, "status_id": post, "text": 'a ] "b\n'} for post in ids],
        indent="\t",
    ),
    "jq": lambda ids: "\n".join(json.dumps({"id": post}, indent=2) for post in ids),
}


@given(ids=LISTS, form=st.sampled_from(sorted(JSON_FORMS)), named=st.booleans())
@settings(max_examples=100, deadline=None)
def test_json_however_it_is_broken_into_lines(tmp_path_factory, ids, form, named):
    name = "a.json" if named else "a.txt"
    path = tmp_path_factory.mktemp("ids") / name
    path.write_text(JSON_FORMS[form](ids))
    assert_equal(path, ids)


@pytest.mark.parametrize("end", ["\0", "\0\n"])
def test_nul_bytes(tmp_path, end):
    path = tmp_path / "a.txt"
    path.write_text(end.join(["17", "18", "19"]) + end)
    assert read_ids(path) == (["17", "18", "19"], [])


# ------------------------------------------------------------------ tables of other programs

TABLES = ["feather", "dta", "xlsx", "ods", "sav", "rds"]
NEEDED = {"xlsx": "openpyxl", "ods": "odf", "sav": "pyreadstat", "rds": "pyreadr"}


def write_table(path, frame):
    """A table as the program that the suffix names writes it."""
    kind = path.suffix[1:]
    if kind in NEEDED:
        writer = pytest.importorskip(NEEDED[kind])
    match kind:
        case "feather":
            frame.to_feather(path)
        case "parquet":
            frame.to_parquet(path)
        case "dta":
            frame.to_stata(path, write_index=False)
        case "sav":
            writer.write_sav(frame, path)
        case "rds":
            writer.write_rds(str(path), frame, compress="gzip")
        case _:
            engine = {"xlsx": "openpyxl", "ods": "odf"}[kind]
            frame.to_excel(path, index=False, engine=engine)


@pytest.mark.parametrize("kind", TABLES)
def test_ids_as_text_in_a_table(tmp_path, kind):
    ids = [str(1_400_000_000_000_000_001 + 7_919_333_777_111 * n) for n in range(30)]
    numbers = [n + 0.5 for n in range(len(ids))]
    path = tmp_path / f"a.{kind}"
    write_table(path, pd.DataFrame({"n": numbers, "tweet_id": ids}))
    assert read_ids(path) == (ids, [])
    found = [row.others for row in read_rows(path, Wanted(None, ("n",)))]
    assert found == [(str(number),) for number in numbers]
    (tmp_path / "renamed.csv").write_bytes(path.read_bytes())
    assert read_ids(tmp_path / "renamed.csv") == (ids, [])


@pytest.mark.parametrize("kind", ["parquet", *TABLES])
def test_numbers_that_lost_their_digits_are_refused(tmp_path, kind):
    numbers = [1.4e18 + 7_919_333_777_111 * n for n in range(30)]
    path = tmp_path / f"a.{kind}"
    write_table(path, pd.DataFrame({"id": numbers}))
    with pytest.raises(ValueError, match=rf"a\.{kind}: .*(double|floating)"):
        read_ids(path)


def test_whole_numbers_that_a_spreadsheet_holds_exactly_are_ids(tmp_path):
    for kind in ("xlsx", "ods"):
        path = tmp_path / f"a.{kind}"
        write_table(path, pd.DataFrame({"id": [29700859247, 17]}))
        assert read_ids(path) == (["29700859247", "17"], [])


def test_a_reader_that_is_not_installed_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.sav"
    path.write_bytes(b"$FL2@(#) IBM SPSS STATISTICS")
    monkeypatch.setitem(sys.modules, "pyreadstat", None)
    with pytest.raises(ValueError, match=r"a\.sav: .*pyreadstat.*install.*\[tables\]"):
        read_ids(path)
