"""Lists and sheets lose what was removed, whole or rounded by a spreadsheet, and keep everything else."""

import csv
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from twigma.builder.removals import erase_lists
from twigma.core.workspace import inventory
from twigma.rehydrate.ids.skipped_lines import BadLine, write_quarantine
from twigma.rehydrate.posts.removed_ids import Removed, hash_of

GONE, STAYS = "1547770898463771828", "1547770898463999999"


def removed(*names: str) -> Removed:
    return Removed("s", frozenset(hash_of("s", name) for name in names))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_quarantined_lines_that_name_it_go_and_no_text_stays(tmp_path):
    bad = [
        BadLine(1, '{"id": "' + GONE + '", "text": "my secret', "not JSON"),
        BadLine(
            2, '"author_id": "4711", "text": "my secret', "not JSON"
        ),  # the same post, its id cut off
        BadLine(3, "1.54E+18", "scientific notation: digits are lost"),
        BadLine(4, f"x{GONE}", "not a number of 1 to 20 digits"),
    ]
    path = write_quarantine(
        tmp_path, bad, Path("a.jsonl"), inventory.quarantine_of("ab" * 32)
    )
    assert (
        path is not None
        and inventory.holding_of(path.relative_to(tmp_path)).removal == "lines"
    )
    assert erase_lists.quarantine(path, removed(GONE)) == 3
    assert [(row["line"], row["value"]) for row in rows(path)] == [
        ("2", ""),
        ("3", "1.54E+18"),
        ("4", ""),
    ]
    assert rows(path)[0]["reason"] == "not JSON"
    assert erase_lists.quarantine(path, removed(GONE)) == 0
    notes = tmp_path / "quarantine-notes.csv"
    notes.write_text(f"mine,also\n{GONE},text\n")
    assert (
        erase_lists.quarantine(notes, removed(GONE)) == 0 and GONE in notes.read_text()
    )


def sheet(folder: Path, ids: list[str], delimiter: str = ",") -> Path:
    path = folder / inventory.HASHTAG_SHEET
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(inventory.HASHTAG_COLUMNS)
        writer.writerows(
            ["art", item, post, "2022", f"text {item}", "yes"]
            for item, post in enumerate(ids, 1)
        )
    return path


def test_a_hashtag_sheet_loses_the_post_also_where_a_spreadsheet_rounded_it(tmp_path):
    for cell in (GONE, "1.54777E+18", "1,54777E+18", "1547770898463770000"):
        path = sheet(
            tmp_path, [STAYS, cell, "1400000000000000001"], ";" if "," in cell else ","
        )
        assert erase_lists.is_hashtag_sheet(path)
        assert erase_lists.hashtag_sheet(path, removed(GONE), {GONE}) == 1, cell
        assert [row["text"] for row in rows(path)] == ["text 1", "text 3"]
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")


@given(st.integers(10**17, 10**19 - 1), st.integers(5, 17))
def test_every_rounding_of_an_id_is_found_and_no_other_whole_id_is(number, digits):
    from decimal import Decimal

    names = [Decimal(number)]
    assert (
        erase_lists._may_be_rounded(f"{Decimal(number):.{digits}e}", names)
        or number % 10
    )
    cut = str(number)[: digits + 1] + "0" * (len(str(number)) - digits - 1)
    assert (
        erase_lists._may_be_rounded(cut, names)
        or not cut.endswith("0")
        or cut == str(number)
    )
    assert not erase_lists._may_be_rounded(
        str(number // 10 * 10 + 1 + (number % 10 == 1)), names
    )


def test_other_files_of_that_name_are_no_sheets(tmp_path):
    (tmp_path / "hashtags.csv").write_text("hashtag,count\nart,3\n")
    (tmp_path / "key.csv").write_text("door,key\nfront,1\n")
    assert not erase_lists.is_hashtag_sheet(
        tmp_path / "hashtags.csv"
    ) and not erase_lists.is_sheets(tmp_path)
    assert not erase_lists.is_sheets(tmp_path / "nowhere")
