"""Files that nobody listed name images of the user's own by any name, which a removal finds as whole words."""

import tarfile
from pathlib import Path

import pytest
from support import staging

from twigma.builder.removals.derived import mentions
from twigma.builder.removals.removals import Receipt, removals
from twigma.builder.removals.text_search import TextSearch
from twigma.rehydrate.sources.own_files.add_images import add_tars

NAMES = ["holiday_003", "holiday_0031"]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working folder of two images that were added by hand."""
    tar = tmp_path / "mine.tar"
    with tarfile.open(tar, "w") as file:
        for number, name in enumerate(NAMES):
            image = tmp_path / "image.jpg"
            image.write_bytes(staging.encode(staging.pixels(number)))
            file.add(image, f"{name}.jpg")
    add_tars(tmp_path / "work", [tar])
    return tmp_path / "work"


def left(receipt: Receipt) -> set[str]:
    """The names of the files that hold what was removed, but for the tar of the user."""
    files = {Path(line.partition(": ")[0]).name for line in receipt.left}
    return files - {"mine.tar"}


def write(work: Path, **texts: str) -> None:
    for name, text in texts.items():
        (work / name.replace("_", ".")).write_text(text, "utf-8")


def test_a_name_is_found_in_files_that_nobody_listed(work: Path) -> None:
    write(
        work,
        notes_csv="image,note\nholiday_003,sunset\n",
        page_html='<img src="holiday_003.jpg">',
        other_csv="image,note\nholiday_0031,beach\n",
        third_md="003 holiday 3",
    )
    receipt = removals(work, ["holiday_003"])
    assert receipt.images == 1
    assert left(receipt) == {"notes.csv", "page.html"}


def test_a_name_with_umlauts_is_found_in_utf_8(work: Path) -> None:
    """`add` gives plain names; an id that names nothing here is searched for, too."""
    name = "Brücke_Köln"
    write(
        work,
        notes_csv=f"image;note\n„{name}“;bridge\n",
        page_html=f"<img src='{name}.jpg'>",
        other_txt=f"{name}ä, ü{name}, Brücke, Köln\n",
    )
    assert left(removals(work, [name])) == {"notes.csv", "page.html"}


def test_what_people_wrote_beside_a_sheet_names_an_image(tmp_path: Path) -> None:
    """In texts of folders passed with --derived, as in the working folder."""
    path = tmp_path / "mine.md"
    path.write_bytes("Größe wie holiday_003\n".encode("latin-1"))  # no UTF-8
    assert mentions(path, NAMES[:1]) and not mentions(path, NAMES[1:])


@pytest.mark.parametrize("text", ["no\u00a03.", "/3/", "3\n", "x_3", "Ü 3"])
def test_a_number_is_a_word(text: str) -> None:
    assert TextSearch(["3"]).finds(text)
    assert not TextSearch(["3"]).finds(text.replace("3", "30"))
