import csv
import json
import multiprocessing
import os
import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support.archived import (
    KINDS,
    archive,
    flattened,
    image,
    post,
    twarc_page,
    v1,
    write,
    zeeschuimer,
)
from support.servers import Host
from support.worlds import photo

from twigma.cli import main
from twigma.core.workspace import Workspace
from twigma.rehydrate.fetch.fetch import fetch
from twigma.rehydrate.ledger import ledger
from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.posts.page_store import read_pages
from twigma.rehydrate.sources.archives import records
from twigma.rehydrate.sources.archives.import_archives import import_archives

POSTS = [
    *(post(n) for n in range(4)),
    post(4, photos=4),
    post(5, kind="video"),
    post(6, photos=0),
]


def rows(work: Path) -> list[dict[str, Any]]:
    return pq.read_table(work / "images.parquet").to_pylist()


def keys(work: Path) -> list[tuple[str, str]]:
    return [(row["id"], row["image_name"]) for row in rows(work)]


def pages(work: Path) -> list[Any]:
    return [page for *_, page in read_pages(Workspace(work).page_file("import"))]


def expected(posts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that these posts come to, from the posts themselves."""
    return [
        {"id": one["id"], "image_name": media["media_key"].split("_")[1], "url": media["url"], "text": one["text"],
         "author_id": one["author_id"], "follower_count": one["author"]["public_metrics"]["followers_count"],
         "possibly_sensitive": one["possibly_sensitive"], "hashtags": ["aiart", "stablediffusion"], "source": "x",
         "created_at": one["created_at"][:19], **one["public_metrics"]}
        for one in posts for media in one["media"] if media["type"] == "photo"
    ]  # fmt: skip


@pytest.mark.parametrize("ending", ["jsonl", "json.gz"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_archive_comes_to_the_same_images_table(
    kind: str, ending: str, tmp_path: Path
) -> None:
    file = write(tmp_path / f"any.{ending}", archive(kind, POSTS))
    result = import_archives(tmp_path / "work", [file])
    assert result.imported == {file: (7, 7, 0, None, False)}
    assert not result.failures and not result.photos_unknown
    found = [
        row | {"created_at": row["created_at"].isoformat()}
        for row in rows(tmp_path / "work")
    ]
    assert found == expected(POSTS)
    counts = {
        (row["what"], row["reason"]): row["count"] for row in result.skipped.to_pylist()
    }
    assert counts == {
        ("media", "photo"): 8, ("media", "video"): 1, ("post", "no media"): 1, ("post", "no photo"): 1,
        ("post", "with photos"): 5,
    }  # fmt: skip


def test_a_second_import_adds_nothing_and_nothing_was_bought(tmp_path: Path) -> None:
    work, one = tmp_path / "work", write(tmp_path / "a.jsonl", archive("v1.1", POSTS))
    copy = write(tmp_path / "renamed.json", archive("v1.1", POSTS))
    import_archives(work, [one])
    before = Workspace(work).page_file("import").read_bytes(), keys(work)
    assert import_archives(work, [one, copy]).imported == {
        one: (0, 0, 0, None, True),
        copy: (0, 0, 0, None, True),
    }
    assert (Workspace(work).page_file("import").read_bytes(), keys(work)) == before
    other = write(
        tmp_path / "b.ndjson", archive("Zeeschuimer", POSTS)
    )  # the same posts from elsewhere
    assert import_archives(work, [other]).imported[other].new == 0
    assert keys(work) == before[1]
    with Ledger(work) as ledger:
        assert ledger.spent() == (0, 0, 0)
        assert ledger.unknown([one["id"] for one in POSTS] + ["1"], followers=True) == [
            "1"
        ]
        assert ledger.counts() == {"found": 7}


def _killed(work: Path, file: Path, count: int) -> None:
    """In a child process: import, and die once `count` pages are on disk, before the ledger hears of the last."""
    records.BATCH = 2

    add_page = ledger.add_page

    def dying(*args: Any) -> None:
        if len(pages(work)) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        add_page(*args)

    ledger.add_page = dying
    import_archives(work, [file])


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_killed_import_goes_on_and_stores_no_page_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    file = write(
        tmp_path / "a.jsonl.gz", ["not json", *archive("twarc flattened", POSTS)]
    )
    child = multiprocessing.get_context("fork").Process(
        target=_killed, args=(tmp_path / "w", file, count)
    )
    child.start()
    child.join(30)
    assert child.exitcode == -signal.SIGKILL
    monkeypatch.setattr(records, "BATCH", 2)
    import_archives(tmp_path / "w", [file])
    import_archives(tmp_path / "clean", [file])
    assert [page["answer"] for page in pages(tmp_path / "w")] == [
        page["answer"] for page in pages(tmp_path / "clean")
    ]
    assert rows(tmp_path / "w") == rows(tmp_path / "clean")
    assert len(list((tmp_path / "w").glob("quarantine-*.csv"))) == 1


def test_a_damaged_page_is_stored_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "BATCH", 2)
    file = write(tmp_path / "a.jsonl", archive("v1.1", POSTS))
    import_archives(tmp_path, [file])
    before, path = keys(tmp_path), Workspace(tmp_path).page_file("import")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(POSTS[2]["id"].encode(), b"7", 1))
    import_archives(tmp_path, [file])
    assert keys(tmp_path) == before


def test_a_fresh_look_up_is_not_replaced_by_an_old_archive(tmp_path: Path) -> None:
    one, gone = POSTS[0], POSTS[1]
    fresh = {
        "data": [one | {"public_metrics": {"like_count": 999}}],
        "includes": {"media": one["media"]},
    }
    error = {
        "title": "Not Found Error",
        "type": "x/resource-not-found",
        "parameter": "ids",
        "value": gone["id"],
    }
    with Ledger(tmp_path) as ledger:
        ledger.append(
            "lookup",
            {"ids": [one["id"], gone["id"]], "followers": False},
            fresh | {"errors": [error]},
        )
    for kind in ("v1.1", "twarc pages", "4CAT"):
        import_archives(
            tmp_path, [write(tmp_path / f"{kind}.json", archive(kind, POSTS[:3]))]
        )
    assert {row["id"]: row["like_count"] for row in rows(tmp_path)} == {
        one["id"]: 999,
        POSTS[2]["id"]: 6,
    }
    with Ledger(tmp_path) as ledger:
        assert ledger.outcomes([gone["id"]]) == {gone["id"]: "not_found"}


def test_what_was_captured_last_counts_whatever_the_order_of_import(
    tmp_path: Path,
) -> None:
    def liked(count: int, captured: str | None) -> dict[str, Any]:
        one = flattened(POSTS[0]) | {"public_metrics": {"like_count": count}}
        return (
            one | {"__twarc": {"retrieved_at": captured}}
            if captured
            else v1(POSTS[0]) | {"favorite_count": count}
        )

    lines = [
        liked(7, "2023-03-01T00:30:00Z"),
        liked(5, "2022-09-01T00:00:00+00:00"),
        liked(1, None),
    ]
    import_archives(tmp_path / "one", [write(tmp_path / "a.jsonl", lines)])
    files = [write(tmp_path / f"{at}.jsonl", [line]) for at, line in enumerate(lines)]
    import_archives(tmp_path / "each", files)
    for work in ("one", "each"):
        assert [row["like_count"] for row in rows(tmp_path / work)] == [7]


def test_a_deletion_in_a_stream_is_followed(tmp_path: Path) -> None:
    notice = {
        "delete": {
            "status": {
                "id": int(POSTS[0]["id"]),
                "id_str": POSTS[0]["id"],
                "user_id_str": "44196000",
            }
        }
    }
    hydrated = twarc_page(POSTS[2], errors=[{"value": POSTS[3]["id"], "parameter": "ids", "title": "Not Found Error",
        "detail": "Could not find tweet with ids: [..]", "type": "https://api.twitter.com/2/problems/resource-not-found"},
        {"value": POSTS[2]["id"], "parameter": "referenced_tweets.id", "title": "Not Found Error"}])  # fmt: skip
    lines = [v1(POSTS[3]), v1(POSTS[0]), notice, v1(POSTS[1]), hydrated]
    done = import_archives(tmp_path, [write(tmp_path / "a.jsonl", lines)]).imported
    assert [name for name, _ in keys(tmp_path)] == [POSTS[1]["id"], POSTS[2]["id"]]
    assert next(iter(done.values())).skipped == 0


# ---------------------------------------------------------------- broken input


def test_lines_that_cannot_be_read_are_skipped_by_number_and_the_run_goes_on(
    tmp_path: Path,
) -> None:
    lines: list[Any] = [
        v1(POSTS[0]),
        '{"id_str": "12", "full_text": ',
        b'{"id_str": "13", "full_text": "\xff"}\n',
        "[" * 100_000,
        "",
        {"delete": {"status": {}}},
        {"limit": {"track": 12, "timestamp_ms": "1"}},
        v1(POSTS[1]) | {"id_str": None, "id": 1.5657453180618424e18},
        zeeschuimer(POSTS[1]) | {"source_platform": "tiktok.com"},
        {"id": "44196000", "username": "painter", "name": "P"},
        [v1(POSTS[2]), "text", None],
        {"x": "A" * 3_000_000},
        v1(POSTS[3])
        | {"full_text": "half an emoji \ud83d and a NUL \x00", "entities": {}},
        "\ufeff" + json.dumps(v1(POSTS[4])),
    ]
    file = write(tmp_path / "bad.jsonl", lines)
    done = import_archives(tmp_path, [file]).imported
    assert [name for name, _ in Counter(keys(tmp_path))] == [
        *(POSTS[n]["id"] for n in (0, 2, 3)), *[POSTS[4]["id"]] * 4
    ]  # fmt: skip
    assert rows(tmp_path)[2]["text"] == "half an emoji \ufffd and a NUL \x00"
    aside = done[file].quarantine
    assert aside is not None
    with aside.open(newline="") as handle:
        told = [(int(row["line"]), row["reason"]) for row in csv.DictReader(handle)]
    assert told == [
        (2, "not JSON"),
        (3, "not UTF-8"),
        (4, "nested too deeply"),
        (6, "a deletion without id"),
        (7, "no post: expected an id and a text, found fields limit"),
        (8, "post id '1.5657453180618424e+18': scientific notation: digits are lost"),
        (9, "from tiktok.com, not from X"),
        (10, "no post: expected an id and a text, found fields id, username, name"),
        (11, "expected a JSON object, found str"),
        (11, "expected a JSON object, found NoneType"),
        (12, "no post: expected an id and a text, found fields x"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"id,text\n1,a\n",
        b"\x89PNG\r\n\x1a\n",
        b'{"a": 1}\n',
        b"\xff\xfe{\x00\n\x00",
    ],
)
def test_a_file_in_which_nothing_can_be_read_is_refused(
    content: bytes, tmp_path: Path
) -> None:
    good, bad = (
        write(tmp_path / "good.jsonl", archive("v1.1", POSTS)),
        tmp_path / "bad.jsonl",
    )
    bad.write_bytes(content)
    missing = tmp_path / "none.jsonl"
    result = import_archives(tmp_path / "work", [bad, missing, good])
    assert len(keys(tmp_path / "work")) == 8  # the one after them is there
    assert list(result.imported) == [good]
    assert list(result.failures) == [bad, missing]
    assert re.match(
        r".*bad.jsonl: expected an archive of X posts .*; found (line 1: .+|an empty file)",
        result.failures[bad],
    )
    assert result.failures[missing] == f"no archive at {missing}"


def test_a_bad_archive_stops_no_other_and_is_named_at_the_end(tmp_path: Path) -> None:
    good = write(tmp_path / "good.jsonl", archive("v1.1", POSTS))
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "bad.jsonl").write_bytes(b"no archive")
    files = [tmp_path / "none.jsonl", tmp_path / "bad.jsonl", good]
    words = ["import", "--work", str(tmp_path / "w"), *map(str, files)]
    answer = CliRunner().invoke(main, words)
    assert answer.exit_code == 1
    assert f"{good}: {len(POSTS)} records of posts" in answer.stdout
    assert "2 of 3 archives cannot be used" in answer.stderr
    assert "no archive at" in answer.stderr and "not JSON" in answer.stderr
    assert "bad.jsonl: expected an archive" in answer.stderr
    assert len(keys(tmp_path / "w")) == 8


def test_ids_that_went_through_a_float_are_refused(tmp_path: Path) -> None:
    lines = [
        v1(post(n)) | {"id_str": str(int(float(1561783901234567001 + 4097 * n)))}
        for n in range(60)
    ]
    result = import_archives(tmp_path, [write(tmp_path / "a.json", lines)])
    (reason,) = result.failures.values()
    assert re.search(r"60 of 60 ids .* are multiples of 256", reason)
    assert pages(tmp_path) == []


def test_a_number_is_an_exact_id(tmp_path: Path) -> None:
    line = v1(POSTS[0])
    del line["id_str"]
    import_archives(tmp_path, [write(tmp_path / "a.json", [line])])
    assert rows(tmp_path)[0]["id"] == POSTS[0]["id"]


def test_a_cut_gzip_gives_what_is_before_the_cut(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl.gz", [v1(post(n)) for n in range(300)])
    file.write_bytes(file.read_bytes()[:-3000])
    done = import_archives(tmp_path, [file]).imported
    assert 100 < done[file].records < 300
    assert keys(tmp_path) == [
        (post(n)["id"], str(image(10 * n))) for n in range(done[file].records)
    ]
    assert (
        done[file].quarantine
        and "cut off or damaged here" in done[file].quarantine.read_text()
    )


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_json_that_is_one_list_or_indented_is_read_too(
    indent: int | None, tmp_path: Path
) -> None:
    lines = [
        json.dumps(v1(POSTS[0]), indent=indent),
        "{broken}",
        json.dumps(v1(POSTS[1]), indent=indent),
    ]
    files = {
        "list.json": json.dumps([v1(one) for one in POSTS[:2]], indent=indent),
        "answer.json": json.dumps(
            {"statuses": [v1(one) for one in POSTS[:2]], "search_metadata": {}},
            indent=indent,
        ),
        "page.json": json.dumps(twarc_page(*POSTS[:2]), indent=indent),
        "many.json": "\n".join(lines),
        "commas.json": "[\n" + ",\n".join(lines) + "\n]\n",
    }
    for name, text in files.items():
        file = tmp_path / name
        file.write_text(text)
        done = import_archives(tmp_path / file.stem, [file]).imported
        assert [key for key, _ in keys(tmp_path / file.stem)] == [
            POSTS[0]["id"],
            POSTS[1]["id"],
        ], name
        assert done[file].skipped == ("broken" in text), name


def test_a_line_longer_than_the_limit_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "LONGEST", 1 << 20)
    lines = [v1(POSTS[0]), {"x": "A" * (5 << 20)}, v1(POSTS[1])]
    done = import_archives(tmp_path, [write(tmp_path / "a.jsonl", lines)]).imported
    assert next(iter(done.values()))[:3] == (2, 2, 1)


# ------------------------------------------------------------------ the way on


def test_from_an_archive_to_verified_shards_by_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("X_BEARER_TOKEN", raising=False)
    names = [str(image(n)) for n in (0, 10, 20, 30, *range(40, 44))]
    with Host() as host:
        for n, row in enumerate(expected(POSTS)):
            host.answers[
                "/media/" + row["url"].rsplit("/", 1)[1].removesuffix(".jpg")
            ] = photo(n)
        write(
            tmp_path / "a.jsonl.gz",
            [
                "{",
                *archive("twarc pages", POSTS[:3]),
                *archive("Zeeschuimer", POSTS[3:]),
            ],
        )
        said = CliRunner().invoke(main, ["import", "a.jsonl.gz"])
        assert said.exit_code == 0, said.output
        assert (
            "a.jsonl.gz: 7 records of posts, 7 ids new to work\n  1 line skipped: work/quarantine-"
            in said.output
        )
        assert said.output.endswith("next: twigma rehydrate --work work\n")
        table = fetch(tmp_path / "work", image_base_url=host.url, processes=1)
    assert table.to_pylist() == [{"status": "success", "images": 8}]
    shard = pq.read_table(next((tmp_path / "work" / "shards").glob("*.parquet")))
    assert shard["image_name"].to_pylist() == names
    again = CliRunner().invoke(main, ["import", "a.jsonl.gz"])
    assert "imported before, nothing added" in again.output
