"""A selection in any file that people bring: what it names in a release, what it lacks, and what is refused."""

import json
import time

import numpy as np
import openpyxl
import pyarrow as pa
import pytest
from support import releasing
from support.mapped import planted_table, write_release

from twigma.dataset.opened_release import open_release
from twigma.dataset.selections import (
    Selection,
    load_selection,
    read_selection,
    release_hash,
)

N = 120
FIRST = 1480000000000000007


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A release with two images on each post, and one image that was added by hand."""
    names = [str(FIRST + 4099 * i) for i in range(N - 1)] + ["cat_7.e5"]
    posts = [str(FIRST + 10**15 + 4099 * (i // 2)) for i in range(N - 1)]
    table = pa.table({"id": [*posts, "cat_7.e5"], "image_name": names})
    folder = write_release(tmp_path_factory.mktemp("selected") / "twigma", table)
    return open_release(folder)


@pytest.fixture
def names(release):
    return release.metadata["image_name"].to_pylist()


def saved(release, **content):
    return json.dumps(
        {"format": "twigma selection", "release": release_hash(release), **content}
    )


def chosen(path, text, release, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return read_selection(path, release)


@pytest.mark.parametrize(
    "lines",
    [
        ("image_name\n", "{0}\n", "utf-8"),
        ("image_name;likes\r\n", "{0};5\r\n", "utf-8-sig"),
        ("sep=;\nimage_name;likes;;\n", "{0};5;;\n", "utf-8-sig"),
        ("image_name\tlikes\n", '="{0}"\t5\n', "utf-16"),
        ("likes,Image Name\n", '5,"{0}"\n', "cp1252"),
        ("media_key\n", "3_{0}\n", "utf-8"),
        ("", "{0}\n", "utf-8-sig"),
        ("# mine\n", "'{0}\n", "utf-8"),
    ],
)
def test_a_list_of_images_is_read_as_spreadsheets_and_hands_write_it(
    tmp_path, release, names, lines
):
    head, line, encoding = lines
    wanted = [names[3], names[8], names[3]]
    text = head + "".join(line.format(name) for name in wanted)
    assert chosen(tmp_path / "mine.csv", text, release, encoding) == set(wanted)


def test_a_list_of_posts_chooses_all_their_images(tmp_path, release, names):
    post = release.metadata["id"][6].as_py()
    pair = {names[6], names[7]}
    for text in (f"tweet_id\n{post}\n", f"https://x.com/i/status/{post}\n", post):
        assert chosen(tmp_path / "posts.txt", text, release) == pair
    both = f"id,image_name\n{post},{names[6]}\n"
    assert chosen(tmp_path / "both.csv", both, release) == {names[6]}


def test_a_workbook_and_json_are_lists_too(tmp_path, release, names):
    book = openpyxl.Workbook()
    for row in (["image_name"], [names[1]], [names[2]]):
        book.active.append(row)
    book.save(tmp_path / "mine.xlsx")
    assert read_selection(tmp_path / "mine.xlsx", release) == set(names[1:3])
    assert chosen(tmp_path / "a.json", json.dumps(names[:3]), release) == set(names[:3])
    lines = "\n".join(json.dumps({"image_name": name}) for name in names[4:6])
    assert chosen(tmp_path / "a.jsonl", lines, release) == set(names[4:6])


def test_a_name_by_hand_that_looks_like_a_number_is_one(tmp_path, release):
    assert chosen(tmp_path / "own.txt", "cat_7.e5\n", release) == {"cat_7.e5"}


def test_what_the_page_saves_chooses_by_id_or_by_row(tmp_path, release, names):
    by_id = saved(release, image_name=[names[5], names[5], names[9]])
    assert chosen(tmp_path / "ids.json", by_id, release) == {names[5], names[9]}
    marked = "\ufeff" + saved(release, rows=[0, 9, 0])
    assert chosen(tmp_path / "rows.json", marked, release) == {names[0], names[9]}


def test_rows_are_looked_up_in_the_release_here(tmp_path, release, names, monkeypatch):
    path = tmp_path / "rows.json"
    path.write_text(saved(release, rows=[2]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TWIGMA_DATA_DIR", raising=False)
    with pytest.raises(ValueError, match=r"no release here: expected \./twigma.*--ids"):
        load_selection(path)
    monkeypatch.setenv("TWIGMA_DATA_DIR", str(release.folder))
    assert list(load_selection(path).names) == [names[2]]
    other = write_release(tmp_path / "twigma", planted_table(200, odd=0))
    monkeypatch.setenv("TWIGMA_DATA_DIR", str(other))
    with pytest.raises(ValueError, match=r"another release than .*TWIGMA_DATA_DIR"):
        load_selection(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "selects nothing: it is empty"),
        ("image_name\n\n", "selects nothing: it is empty"),
        ('{"format": "twigma selection", "rows": []}', "selects nothing"),
        ('{"format": "twigma selection", "rows": [1, ', "damaged selection"),
        ('{"format": "twigma selection"}', "list of image_name or of rows"),
        ('{"format": "twigma selection", "rows": [-1]}', "found -1 at place 1"),
        ('{"format": "twigma selection", "rows": [true]}', "found True at place 1"),
        ('{"format": "twigma selection", "rows": [0.5]}', r"found 0\.5 at place 1"),
        ('{"format": "twigma selection", "image_name": [1e18]}', "ids as text"),
        ("row,cluster\n1,2\n", r"holds rows of a release.*\.json.*--ids"),
        ("row\n1\n", "holds rows of a release"),
        ("name,likes\nx,2\n", r"found the columns \['name', 'likes'\]"),
        ("image_name\n1.23E+18\n", "line 2: expected an id, found scientific notation"),
        ("1,48E+18\n", "line 1: expected an id, found scientific notation"),
        (
            "image_name\n1480000000000000100.0\n1480000000000000200.0\n",
            "line 2.*a decimal number.*and 1 more; save the list again",
        ),
        ("image_name\nnowhere\n", "none of its 1 names.*'nowhere' on line 2"),
    ],
)
def test_what_is_no_selection_is_refused(tmp_path, release, text, message):
    with pytest.raises(ValueError, match=message):
        chosen(tmp_path / "mine.csv", text, release)


def test_no_file_is_said(tmp_path, release):
    with pytest.raises(FileNotFoundError, match=r"no selection at .*twigma explore"):
        read_selection(tmp_path / "none.json", release)


def test_rows_beyond_the_release_are_refused(tmp_path, release):
    with pytest.raises(ValueError, match=r"rows below 120.*found 120"):
        chosen(tmp_path / "rows.json", saved(release, rows=[3, N]), release)


@pytest.mark.parametrize("step", [1000, 256])
def test_ids_rounded_by_a_spreadsheet_or_a_float_are_refused(tmp_path, release, step):
    rng = np.random.default_rng(0)
    ids = FIRST + rng.integers(0, 10**15, 40) * 4099
    rounded = [names_of(release)[0], *(str(one // step * step + 0) for one in ids)]
    text = "image_name\n" + "\n".join(rounded)
    with pytest.raises(ValueError, match=r"rounded by .*get the list again as text"):
        chosen(tmp_path / "mine.csv", text, release)


def names_of(release):
    return release.metadata["image_name"].to_pylist()


def test_what_is_missing_is_counted(tmp_path, release, names, capsys):
    text = "image_name\n" + "\n".join([*names[:4], "elsewhere", "nowhere"])
    assert chosen(tmp_path / "mine.csv", text, release) == set(names[:4])
    said = capsys.readouterr().err
    assert "mine.csv: 4 images of" in said
    assert "2 not there, such as 'elsewhere' on line 6" in said


def test_what_was_removed_is_dropped_and_counted(tmp_path, release, names, capsys):
    work = tmp_path / "work"
    work.mkdir()
    gone = str(FIRST - 5)
    releasing.remove(work, gone)
    path = tmp_path / "mine.txt"
    path.write_text(f"{names[0]}\n3_{gone}\nelsewhere\n")
    assert read_selection(path, release, work) == {names[0]}
    said = capsys.readouterr().err
    assert "1 image of" in said
    assert "1 removed on request, left out; 1 not there" in said
    path.write_text(f"{gone}\n")
    with pytest.raises(ValueError, match="all 1 that it names were removed on request"):
        read_selection(path, release, work)


def test_a_release_knows_itself_what_was_removed(made, tmp_path, capsys):
    from twigma.builder.release.release import release as make

    work = releasing.make_work(tmp_path / "work")
    releasing.remove(work, releasing.media_id(5))
    make(work, tmp_path / "twigma", without=("embed",))
    opened = open_release(tmp_path / "twigma")
    path = tmp_path / "mine.txt"
    path.write_text(f"{releasing.media_id(5)}\n{releasing.media_id(6)}\n")
    assert read_selection(path, opened) == {releasing.media_id(6)}
    assert "1 removed on request" in capsys.readouterr().err


def huge(folder):
    """A table of 800,000 images, and the selection of all of them, as page and spreadsheet save it."""
    names = [str(FIRST + 4099 * i) for i in range(800_000)]
    page = {"format": "twigma selection", "image_name": names}
    (folder / "huge.json").write_text(json.dumps(page))
    (folder / "huge.csv").write_text("image_name,likes\n" + ",5\n".join(names) + ",5\n")
    return pa.table({"image_name": names})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["json", "csv"])
def test_800000_ids_take_seconds(tmp_path, kind):
    table = huge(tmp_path)
    begin = time.process_time()
    selection = load_selection(tmp_path / f"huge.{kind}")
    assert sum(selection.mask(table, "it").to_pylist()) == 800_000
    assert isinstance(selection, Selection)
    assert time.process_time() - begin < 20
