import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twigma.core import columns
from twigma.core.files import write_json
from twigma.core.workspace import Workspace
from twigma.rehydrate.ids.sampling import draw, record
from twigma.rehydrate.posts import images_table, merge_snapshots, parse_pages
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.page_store import append_page, read_pages
from twigma.rehydrate.posts.parse_pages import posts
from twigma.rehydrate.posts.row_numbers import Part

from .test_parse_pages import MEDIA, answer, photo, post

PAGES = 12


def store(work: Path, number: int) -> None:
    """A page of three posts, of which one is on the page before too, with fewer likes; with a follower count."""
    Workspace(work).page_file("lookup").parent.mkdir(parents=True, exist_ok=True)
    names = [2 * number + 1, 2 * number + 2, 2 * number + 3]
    metrics = {"public_metrics": {"like_count": number}}
    data = [
        post(str(name), MEDIA + name, author_id=str(name % 3), **metrics)
        for name in names
    ]
    media = [photo(MEDIA + name) for name in names]
    users = [{"id": str(number % 3), "public_metrics": {"followers_count": number}}]
    gone = [{"title": "Forbidden", "resource_id": str(2 * number)}]
    body = answer(*data, media=media, users=users) | {"errors": gone}
    append_page(
        Workspace(work).page_file("lookup"),
        {"ids": [*map(str, names), str(2 * number)]},
        body,
    )


def expected(work: Path) -> tuple[pa.Table, pa.Table]:
    """The table and what it leaves out, from all pages at once and in memory."""
    return posts(
        page for *_, page in read_pages(Workspace(work).page_file("lookup")) if page
    )


def parts(work: Path) -> dict[str, int]:
    return {
        path.name: path.stat().st_mtime_ns
        for path in (work / "pages" / "parsed").glob("*.arrow")
    }


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of one or two pages, and slices of a few rows."""
    monkeypatch.setattr("twigma.rehydrate.posts.images_table.PART_BYTES", 2500)
    monkeypatch.setattr("twigma.rehydrate.posts.merge_snapshots.SLICE", 7)


@pytest.mark.usefixtures("small_parts")
def test_parts_grow_with_the_pages_and_give_the_table_of_all(tmp_path: Path) -> None:
    made: dict[str, int] = {}
    for number in range(PAGES):
        store(tmp_path, number)
        skipped = write_images_table(tmp_path)
        table, left_out = expected(tmp_path)
        assert pq.read_table(tmp_path / "images.parquet").equals(table)
        assert skipped.equals(left_out)
        kept, made = set(made.items()), parts(tmp_path)
        assert len(kept - set(made.items())) <= 1  # only the last part is made again
    assert len(made) >= 4 and len(table) == PAGES + 2
    step_by_step = (tmp_path / "images.parquet").read_bytes()
    for file in [
        tmp_path / "images.parquet",
        *(tmp_path / "pages" / "parsed").iterdir(),
    ]:
        file.unlink()
    write_images_table(tmp_path)
    assert (tmp_path / "images.parquet").read_bytes() == step_by_step


@pytest.mark.usefixtures("small_parts")
def test_with_nothing_new_nothing_is_parsed_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(PAGES):
        store(tmp_path, number)
    first, table = write_images_table(tmp_path), tmp_path / "images.parquet"
    before = {**parts(tmp_path), "table": table.stat().st_mtime_ns}
    with monkeypatch.context() as patch:
        patch.setattr(
            "twigma.rehydrate.posts.images_table.merge_snapshots",
            lambda _: pytest.fail("made again"),
        )
        assert write_images_table(tmp_path).equals(first)
    write_json(tmp_path / "pages" / "parsed" / "made.json", {"parts": "other"})
    assert write_images_table(tmp_path).equals(
        first
    )  # made again, and the same: not written
    assert {**parts(tmp_path), "table": table.stat().st_mtime_ns} == before
    assert not (tmp_path / "pages" / "parsed" / "images.parquet").exists()


@pytest.mark.usefixtures("small_parts")
def test_changed_pages_and_damaged_parts_are_noticed(tmp_path: Path) -> None:
    for number in range(PAGES):
        store(tmp_path, number)
    write_images_table(tmp_path)
    whole, file = (
        (tmp_path / "images.parquet").read_bytes(),
        Workspace(tmp_path).page_file("lookup"),
    )
    pages = file.read_bytes()
    file.write_bytes(
        pages.replace(b'"like_count":3', b'"like_count":4')
    )  # a page that has changed is not used
    write_images_table(tmp_path)
    assert pq.read_table(tmp_path / "images.parquet").equals(expected(tmp_path)[0])
    assert (tmp_path / "images.parquet").read_bytes() != whole
    file.write_bytes(pages)
    write_images_table(tmp_path)
    assert (tmp_path / "images.parquet").read_bytes() == whole
    for part in sorted((tmp_path / "pages" / "parsed").glob("*.arrow"))[:3]:
        part.write_bytes(part.read_bytes()[:-40])
    (tmp_path / "images.parquet").unlink()
    write_images_table(tmp_path)
    assert (tmp_path / "images.parquet").read_bytes() == whole
    file.unlink()
    write_images_table(tmp_path)
    assert (
        parts(tmp_path) == {}
        and pq.read_metadata(tmp_path / "images.parquet").num_rows == 0
    )


@pytest.mark.usefixtures("small_parts")
def test_another_revision_of_the_parser_parses_every_part_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(PAGES):
        store(tmp_path, number)
    write_images_table(tmp_path)
    before, table = parts(tmp_path), (tmp_path / "images.parquet").read_bytes()
    monkeypatch.setattr(parse_pages, "REVISION", parse_pages.REVISION + 1)
    write_images_table(tmp_path)
    after = parts(tmp_path)
    assert after.keys() == before.keys()
    assert not set(before.items()) & set(after.items())
    assert (tmp_path / "images.parquet").read_bytes() == table


@pytest.mark.usefixtures("small_parts")
def test_another_revision_of_the_merge_makes_the_table_again_from_the_same_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(PAGES):
        store(tmp_path, number)
    write_images_table(tmp_path)
    before = parts(tmp_path)
    merged: list[int] = []

    def count(opened: list[Part]) -> merge_snapshots.Merged:
        merged.append(len(opened))
        return merge_snapshots.merge_snapshots(opened)

    monkeypatch.setattr(images_table, "merge_snapshots", count)
    write_images_table(tmp_path)
    assert merged == []
    monkeypatch.setattr(merge_snapshots, "REVISION", merge_snapshots.REVISION + 1)
    write_images_table(tmp_path)
    assert len(merged) == 1
    assert parts(tmp_path) == before


@pytest.mark.usefixtures("small_parts")
def test_the_weights_of_a_sample_stand_beside_its_posts(tmp_path: Path) -> None:
    store(tmp_path, 0)
    store(tmp_path, 1)
    record(tmp_path, draw(["1", "2", "3"], ["a", "b", "b"]))  # a whole list: no weights
    write_images_table(tmp_path)
    assert "sample_weight" not in pq.read_schema(tmp_path / "images.parquet").names
    (tmp_path / "ids.parquet").unlink()
    drawn = draw(["0", "2", "4", "5", "6", "7"], ["a", "b", "b", "b", "b", "c"], 4)
    record(tmp_path, drawn)
    write_images_table(tmp_path)
    table = pq.read_table(tmp_path / "images.parquet")
    columns.require(table, ["sample_weight"], "images.parquet")
    weights = dict(
        zip(drawn["id"].to_pylist(), drawn["weight"].to_pylist(), strict=True)
    )
    assert table["sample_weight"].to_pylist() == [
        weights.get(post) for post in table["id"].to_pylist()
    ]
    assert table["sample_weight"].null_count < len(table) and max(weights.values()) > 1
    (tmp_path / "ids.parquet").unlink()
    write_images_table(tmp_path)
    assert "sample_weight" not in pq.read_schema(tmp_path / "images.parquet").names


def _die_at(work: Path, step: str) -> None:
    """In a child process: be killed before the step of that name."""
    owner, _, name = step.rpartition(".")
    module: Any = {"table": images_table, "path": Path}[owner]

    def die(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, name, die)
    write_images_table(work)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    "step",
    [
        "table.write_part",
        "table.merge_snapshots",
        "table.ordered",
        "path.replace",
        "table.write_json",
    ],
)
def test_a_kill_between_any_two_steps_leaves_the_table_to_be_made(
    tmp_path: Path, step: str
) -> None:
    for number in range(PAGES):
        store(tmp_path, number)
        if number == PAGES // 2:
            write_images_table(tmp_path)
    child = multiprocessing.get_context("fork").Process(
        target=_die_at, args=(tmp_path, step)
    )
    child.start()
    child.join(30)
    assert child.exitcode == -signal.SIGKILL
    pq.read_table(tmp_path / "images.parquet")  # the old one or the new one, whole
    write_images_table(tmp_path)
    assert pq.read_table(tmp_path / "images.parquet").equals(expected(tmp_path)[0])
    assert len(list((tmp_path / "pages" / "parsed").glob("*.arrow"))) == len(
        parts(tmp_path)
    )


def test_added_images_with_a_column_of_another_type_are_named(tmp_path: Path) -> None:
    store(tmp_path, 1)
    path = tmp_path / "images.parquet"
    row = {"id": "a", "image_name": "a", "source": "local", "like_count": "many"}
    pq.write_table(pa.Table.from_pylist([row]), path)
    with pytest.raises(ValueError) as caught:
        write_images_table(tmp_path)
    assert str(caught.value) == (
        f"{path}: columns of another type: like_count (string, expected int64). Move the file away, then run this "
        "again and `twigma add` for images of your own"
    )
