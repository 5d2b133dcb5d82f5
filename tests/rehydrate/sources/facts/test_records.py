"""What is wrong with a line of a table costs that line, whichever command reads the table."""

import csv

import pytest

from twigma.core.lists import json_values
from twigma.core.lists.delimited import LONGEST_LINE
from twigma.rehydrate.sources.archives import records as archives
from twigma.rehydrate.sources.archives.sources import find_sources
from twigma.rehydrate.sources.facts.records import LeftOut, read_records
from twigma.rehydrate.sources.pictures.metadata import UNREADABLE, table_facts

COUNT = 300
OPEN = "a quote is open or stray"
FOURCAT = "id,body,images,author_id,timestamp"


def lines_with_a_stray_quote(header, row):
    """A table of COUNT rows, of which that on line 11 has a quote that never closes."""
    lines = [header, *(row.format(n) for n in range(COUNT))]
    lines[10] = lines[10].replace("fox", '"fox')
    lines[200] = lines[200].replace("fox", '"a fox\non two lines"')
    return "\n".join(lines) + "\n"


def read(path):
    """The records of a list after its columns, and what was left out."""
    left_out = LeftOut()
    _, *records = read_records(path, frozenset(), left_out)
    return records, left_out


def test_a_stray_quote_costs_its_line_of_a_list_of_addresses(tmp_path):
    path = tmp_path / "urls.csv"
    row = "https://a.example/{0}.jpg,fox"
    path.write_text(lines_with_a_stray_quote("url,caption", row))
    records, left_out = read(path)
    assert len(records) == COUNT - 1
    assert {"url": "https://a.example/199.jpg", "caption": "a fox\non two lines"} in (
        records
    )
    assert (left_out.lines, left_out.first) == (1, [f"line 11: {OPEN}"])


def test_a_stray_quote_costs_its_line_of_metadata():
    data = lines_with_a_stray_quote("file_name,caption", "{0}.png,fox").encode()
    pictures = [f"{n}.png" for n in range(COUNT)]
    told = []
    facts = table_facts(
        data, "metadata.csv", "", pictures, lambda *words: told.append(words)
    )
    assert len(facts) == COUNT - 1 and facts["10.png"] == {"caption": "fox"}
    assert told == [(UNREADABLE, f"metadata.csv, line 11: {OPEN}")]


def test_a_stray_quote_costs_its_line_of_an_archive(tmp_path):
    path = tmp_path / "posts.csv"
    row = "15617839012345{0:05},fox,,1,2022-08-01 10:00:00"
    path.write_text(lines_with_a_stray_quote(FOURCAT, row))
    (source,) = find_sources(path)
    posts, skipped = [], []
    for records, bad_lines in archives.read_batches(source):
        posts += records
        skipped += bad_lines
    assert len(posts) == COUNT - 1
    assert [(line.line, line.reason) for line in skipped] == [(11, OPEN)]


def test_an_archive_of_a_western_spreadsheet_is_read(tmp_path):
    path = tmp_path / "posts.csv"
    path.write_text(
        f"{FOURCAT}\n1561783901234567001,café,,1,2022-08-01\n", encoding="cp1252"
    )
    (source,) = find_sources(path)
    ((posts, _),) = archives.read_batches(source)
    assert posts[0].post["text"] == "café"


@pytest.mark.parametrize("length", [200_000, LONGEST_LINE])
def test_a_long_cell_is_no_stray_quote(length, tmp_path):
    path = tmp_path / "urls.csv"
    path.write_text(f'url,caption\na,"{"x" * length}"\nb,fox\n')
    before = csv.field_size_limit(131_072)
    try:
        records, left_out = read(path)
    finally:
        csv.field_size_limit(before)
    assert records[-1] == {"url": "b", "caption": "fox"}
    if length < LONGEST_LINE:
        assert len(records[0]["caption"]) == length
    else:
        assert left_out.first == ["line 2: longer than 1,048,576 characters"]


def test_lines_are_counted_from_the_first_also_where_it_is_empty(tmp_path):
    path = tmp_path / "urls.csv"
    path.write_text("\n\n\nurl,caption\na,fox\nb\n")
    assert read(path)[1].first == ["line 6: expected 2 cells, found 1"]
    values = json_values.values(iter(["", "", "", '{"id": 1}', "oops"]), "a.jsonl")
    assert [value.line for value in values] == [4, 5]
    values = json_values.values(iter(["", "[", '"a",', '"b"]']), "a.json")
    assert [value.line for value in values] == [3, 4]
