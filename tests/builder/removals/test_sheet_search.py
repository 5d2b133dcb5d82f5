"""Sheets after a removal: rows that are left name nothing, also where ids are as short as item numbers and answers."""

import csv
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from support.worlds import photo

from twigma.analysis.annotation.draw_sheets import draw_sheets
from twigma.analysis.annotation.label_store import LabelStore
from twigma.cli import main
from twigma.core.files import write_parquet
from twigma.core.workspace import inventory

NAMES = [str(number) for number in range(1, 9)]
NOT_OURS = "not ours, names what was removed"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder of eight pictures 1 to 8, and sheets of all of them, of which two people labelled some."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in NAMES:
        (pictures / f"{name}.jpg").write_bytes(photo(int(name)))
    added = run("add", "--work", tmp_path / "work", pictures)
    assert "8 images" in added
    scores = [0.1, 0.9] * 4
    table = pa.table({"image_name": NAMES, "id": NAMES, "nsfw_score": scores})
    write_parquet(tmp_path / "twigma" / "metadata-train-00000-of-00001.parquet", table)
    draw_sheets(
        tmp_path / "twigma", tmp_path / "sheets", column="nsfw_score", annotators=1
    )
    store = LabelStore(tmp_path / "sheets")
    store.start("Ada")
    for item in list(store.items)[:5]:
        store.record("Ada", item, "1")
    return tmp_path


def run(*words: object) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def remove(made: Path, name: str, sheets: str = "sheets") -> str:
    (made / "requests.txt").write_text(f"{name}\n")
    words = ["--work", made / "work", "--derived", made / sheets]
    return run("removals", made / "requests.txt", *words)


@pytest.mark.parametrize("name", ["1", "8"])
def test_item_numbers_answers_and_counts_name_no_image(made: Path, name: str) -> None:
    assert NOT_OURS not in remove(made, name)
    for path in (made / "sheets").glob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 7
        assert name not in {row["image_name"] for row in rows}


def test_what_people_wrote_beside_our_columns_is_searched(made: Path) -> None:
    sheet = made / "sheets/annotator-1.csv"
    head, *rows = sheet.read_text("utf-8-sig").splitlines()
    noted = [f'{row},"as 3"' for row in rows]
    sheet.write_text("\n".join([f'{head},"notes"', *noted]))
    other = made / "sheets/mine.txt"
    other.write_text("look at 3 again\n")
    output = remove(made, "3")
    assert f"left as it is: {sheet}: {NOT_OURS}\n" in output
    assert f"left as it is: {other}: {NOT_OURS}\n" in output
    assert output.count(NOT_OURS) == 2


def test_an_id_that_a_sheet_names_once_more_is_found(made: Path) -> None:
    """Its row under another item number, as of somebody who typed it."""
    sheet = made / "sheets/annotator-Ada.csv"
    text = sheet.read_text("utf-8-sig")
    sheet.write_text(f"{text.rstrip()}\n99,3,,\n")
    output = remove(made, "3")
    assert f"left as it is: {sheet}: {NOT_OURS}\n" in output


def test_items_of_a_hashtag_sheet_name_no_post(made: Path) -> None:
    folder = made / "hashtags"
    folder.mkdir()
    sheet = folder / inventory.HASHTAG_SHEET
    with sheet.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(inventory.HASHTAG_COLUMNS)
        writer.writerow(["art", 1, "1547770898463771828", "2022", "a castle", "yes"])
    (folder / "candidates.csv").write_text("hashtag,posts\nart,1\n")
    assert NOT_OURS not in remove(made, "1", "hashtags")
    mention = sheet.read_text("utf-8-sig").replace("a castle", "see /status/2")
    sheet.write_text(mention, "utf-8-sig")
    assert f"left as it is: {sheet}: {NOT_OURS}\n" in remove(made, "2", "hashtags")
