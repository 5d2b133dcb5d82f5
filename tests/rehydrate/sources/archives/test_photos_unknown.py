"""Archives that do not say which photos a post has: they delete nothing, and what they lack is still looked up."""

import copy
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support.archived import Row, flattened, image, post, twarc_page, url, v1, write

from twigma.builder.status.status import status
from twigma.cli import main
from twigma.core.workspace import Workspace
from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.ledger.reader import (
    read_known_posts,
    view_ledger,
)
from twigma.rehydrate.retry_missing import gone_posts, retry_missing
from twigma.rehydrate.sources.archives.import_archives import import_archives
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup

from ....support.servers import Handler, Host
from ....torture.x_pages import LOOKUP, asked, give

CASES = Path(__file__).with_name("cases")
FULL = CASES / "twarc_full.jsonl"
MINIMAL = CASES / "twarc_minimal_later.jsonl"
NO_OBJECTS = CASES / "twarc_no_media_objects.jsonl"
IDS = [one["id"] for one in json.loads(FULL.read_bytes())["data"]]
POST = post(3, photos=2)


def rows(work: Path) -> list[Row]:
    return pq.read_table(work / "images.parquet").to_pylist()


def counts(work: Path) -> dict[str, int]:
    with Ledger(work) as ledger:
        return ledger.counts()


def without(page: Row, *names: str) -> Row:
    page = copy.deepcopy(page)
    for one in page["data"]:
        for name in names:
            one.pop(name, None)
    return page


# What tools write by default; each has a text and an id, and no photo.
MINIMAL_URL = "https://api.twitter.com/2/tweets/search/all?tweet.fields=id%2Ctext"
STAMP = {"url": MINIMAL_URL, "retrieved_at": "2023-03-15T15:53:19+00:00"}
NO_MEDIA_FIELDS: Row = twarc_page(POST)
NO_MEDIA_FIELDS["includes"]["media"] = [
    {"media_key": one["media_key"], "type": "photo"} for one in POST["media"]
]
SILENT: dict[str, Any] = {
    "twarc --minimal-fields": {
        "data": [{"id": POST["id"], "text": POST["text"]}],
        "__twarc": STAMP,
    },
    "flattened, minimal": {"id": POST["id"], "text": "t", "__twarc": STAMP},
    "tweepy's default fields": {
        "id": POST["id"],
        "text": POST["text"],
        "edit_history_tweet_ids": [POST["id"]],
    },
    "media keys alone": without(twarc_page(POST) | {"includes": {}}),
    "media without url": NO_MEDIA_FIELDS,
    "v1.1, compatibility mode": {
        "id_str": POST["id"],
        "text": "Castle 3 in the clo… https://t.co/x",
        "truncated": True,
        "entities": {"hashtags": [], "urls": []},
        "created_at": "Mon Aug 22 21:14:05 +0000 2022",
    },
    "v1.1 without entities": {"id_str": POST["id"], "full_text": POST["text"]},
}


@pytest.mark.parametrize("kind", SILENT)
def test_a_post_whose_photos_are_unknown_is_still_to_be_looked_up(
    kind: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "a.jsonl", [SILENT[kind]])
    result = import_archives(tmp_path / "w", [file])
    assert rows(tmp_path / "w") == []
    assert result.photos_unknown == 1
    counted = {row["reason"]: row["count"] for row in result.skipped.to_pylist()}
    assert counted["photos unknown"] == 1
    assert not {"no media", "no photo"} & counted.keys()
    with Ledger(tmp_path / "w") as ledger:
        assert ledger.unknown([POST["id"]]) == [POST["id"]]
        assert ledger.outcomes([POST["id"]]) == {POST["id"]: "photos_unknown"}
        assert ledger.counts() == {"photos_unknown": 1}


@pytest.mark.parametrize("is_bought", [False, True])
@pytest.mark.parametrize("kind", SILENT)
def test_a_later_capture_with_fewer_fields_deletes_no_photo(
    kind: str, is_bought: bool, tmp_path: Path
) -> None:
    if is_bought:
        page = twarc_page(POST)
        request = {"ids": [POST["id"]], "followers": False}
        with Ledger(tmp_path) as ledger:
            ledger.append("lookup", request, page, "2020-01-01T00:00:00.000000Z")
    else:
        import_archives(tmp_path, [write(tmp_path / "full.jsonl", [flattened(POST)])])
    before = rows(tmp_path) if not is_bought else None
    later = {"__twarc": {"retrieved_at": "2025-01-01T00:00:00Z", "url": MINIMAL_URL}}
    import_archives(tmp_path, [write(tmp_path / "later.jsonl", [SILENT[kind] | later])])
    after = rows(tmp_path)
    assert [row["image_name"] for row in after] == [str(image(30)), str(image(31))]
    assert after[0]["like_count"] == POST["public_metrics"]["like_count"]
    assert after[0]["created_at"] is not None
    if before is not None and kind != "flattened, minimal":
        assert after == before
    assert counts(tmp_path) == {"found": 1}


def test_only_the_fields_of_a_later_capture_change(tmp_path: Path) -> None:
    later = {
        "id": POST["id"],
        "text": "edited",
        "public_metrics": {"like_count": 77},
        "__twarc": {"retrieved_at": "2025-01-01T00:00:00Z"},
    }
    files = [flattened(POST), later]
    import_archives(tmp_path, [write(tmp_path / "a.jsonl", files)])
    (row, _) = rows(tmp_path)
    assert (row["like_count"], row["text"]) == (77, "edited")
    assert row["reply_count"] == POST["public_metrics"]["reply_count"]
    assert row["possibly_sensitive"] is True
    assert row["author_id"] == POST["author_id"]


def test_a_capture_that_says_that_there_is_no_photo_is_final(tmp_path: Path) -> None:
    """X leaves `attachments` out of a text; that it was asked for, the request or another post says."""
    text = post(6, photos=0)
    del text["attachments"]
    asked = {"url": f"{MINIMAL_URL}%2Cattachments&expansions=author_id"}
    lines = {
        "with another post": twarc_page(text, post(1)),
        "by its request": {**twarc_page(text), "includes": {}, "__twarc": asked},
        "v1.1": v1(post(6, photos=0)),
        "a list": [
            {"id": text["id"], "text": "t", "lang": "en"},
            {"id": post(1)["id"], "text": "t", "lang": "en", "attachments": {}},
        ],
    }
    for name, line in lines.items():
        work = tmp_path / name
        import_archives(work, [write(tmp_path / "a.jsonl", [line])])
        with Ledger(work) as ledger:
            assert ledger.outcomes([text["id"]]) == {text["id"]: "found"}, name
    # A post that was asked for in another way says nothing of it.
    lines["a list"][1]["created_at"] = "2022-08-22T18:14:05Z"  # type: ignore[index]
    import_archives(tmp_path / "w", [write(tmp_path / "b.jsonl", [lines["a list"]])])
    with Ledger(tmp_path / "w") as ledger:
        assert ledger.outcomes([text["id"]]) == {text["id"]: "photos_unknown"}


def test_the_cases_in_every_order(tmp_path: Path) -> None:
    for n, files in enumerate([(FULL, MINIMAL), (MINIMAL, FULL), (NO_OBJECTS, FULL)]):
        work = tmp_path / str(n)
        for file in files:
            import_archives(work, [file])
        assert len(rows(work)) == 8
        assert counts(work) == {"found": 8}
        assert not (work / "photos_unknown.csv").exists()


def test_their_number_and_price_are_printed_and_counted(tmp_path: Path) -> None:
    work = tmp_path / "work"
    arguments = ["import", "--work", str(work), str(NO_OBJECTS)]
    printed = CliRunner().invoke(main, arguments)
    assert printed.exit_code == 0, printed.output
    listed = work / "photos_unknown.csv"
    assert (
        "photos unknown: no archive or search shows which photos are on 8 posts. Looking them up costs at most $0.04: "
        f"twigma rehydrate --work {work} --ids {listed}\n" in printed.output
    )
    assert listed.read_text().split() == ["id", *sorted(IDS)]
    facts = status(work)
    assert facts["ids"] is not None
    assert (facts["ids"]["photos_unknown"], facts["ids"]["no_photo"]) == (8, 0)
    assert facts["next"]["command"] is not None
    assert facts["next"]["command"].startswith(f"twigma rehydrate --ids {listed}")
    assert facts["next"]["why"] == (
        "no archive or search shows which photos are on 8 posts: looking them up costs at most $0.04"
    )
    plan = CliRunner().invoke(
        main, ["rehydrate", "--work", str(work), "--ids", str(listed), "--dry-run"]
    )
    assert "8 ids, 0 known already, 8 to ask: 1 call, at most $0.04" in plan.output
    page = CliRunner().invoke(main, ["status", "--work", str(work)])
    assert (
        "8  photos_unknown        there, but no archive or answer has shown their photos"
        in page.output
    )


def test_a_look_up_settles_them_for_ever(tmp_path: Path) -> None:
    import_archives(tmp_path, [NO_OBJECTS])
    assert not read_known_posts(tmp_path).ids
    known = view_ledger(tmp_path).ids
    assert set(known["id"].to_pylist()) == set(IDS)
    assert set(known["outcome"].to_pylist()) == {"photos_unknown"}
    answer = json.loads(FULL.read_bytes())
    answer["includes"]["media"] = answer["includes"]["media"][:5]
    with Ledger(tmp_path) as ledger:
        ledger.append("lookup", {"ids": IDS, "followers": False}, answer)
        # X has not shown the photos of three of them: a list does not ask for them again.
        assert ledger.unknown(IDS) == []
        assert ledger.counts() == {"found": 5, "photos_unknown": 3}
        assert ledger.not_looked_up() == []
        assert ledger.without_photos() == sorted(IDS[5:])
    # Nor does it when another archive says as little as the first.
    import_archives(tmp_path, [MINIMAL])
    assert read_known_posts(tmp_path).ids == set(IDS)
    (tmp_path / "ledger.sqlite").unlink()
    with Ledger(tmp_path) as ledger:
        assert ledger.counts() == {"found": 5, "photos_unknown": 3}
        assert ledger.unknown(IDS) == []


def test_photos_that_a_look_up_does_not_show_are_asked_for_once_more_at_most(
    tmp_path: Path,
) -> None:
    """A list asks X once for what archives do not show, then `--retry failed` once; it asks nothing without a list."""
    import_archives(tmp_path, [NO_OBJECTS])
    assert gone_posts(tmp_path) == []
    listed = Workspace(tmp_path).photos_unknown_file
    calls: list[int] = []
    # A page of X with a photo, though of none of these posts.
    page = json.loads(FULL.read_bytes())
    page["includes"]["media"] = POST["media"][:1]
    page["data"][0]["possibly_sensitive"] = False

    def answer(handler: Handler) -> None:
        ids = asked(handler)["ids"].split(",")
        calls.append(len(ids))
        give(handler, 200, page)

    with (
        Host({LOOKUP: answer}) as host,
        XClient(host.url, "AAAAcanary0123456789token", sleep=lambda _: None) as x,
    ):
        ids = listed.read_text().split()[1:]
        done = lookup(tmp_path, ids, x)
        assert (done.outcomes["photos_unknown"], done.remaining) == (8, 0)
        assert not listed.exists()
        facts = status(tmp_path)
        assert (facts["not_looked_up"], facts["unshown"]) == (0, 8)
        command = f"twigma rehydrate --retry failed --work {tmp_path}"
        assert facts["next"]["command"] == command
        assert lookup(tmp_path, ids, x).asked == 0
        done = retry_missing(tmp_path, x)
        assert (done.outcomes["photos_unknown"], done.remaining) == (8, 0)
        assert gone_posts(tmp_path) == []
        assert retry_missing(tmp_path, x).asked == 0
    assert calls == [8, 8]
    facts = status(tmp_path)
    assert (facts["not_looked_up"], facts["unshown"]) == (0, 0)
    assert facts["ids"] is not None and facts["ids"]["photos_unknown"] == 8
    assert facts["next"]["why"].startswith("none of the 8 posts has a photo: ")


def test_an_older_archive_with_followers_need_not_be_bought_again(
    tmp_path: Path,
) -> None:
    request = {"ids": [POST["id"]], "followers": False}
    answer = {"data": [POST], "includes": {"media": POST["media"]}}
    with Ledger(tmp_path) as ledger:
        ledger.append("lookup", request, answer)
        assert ledger.unknown([POST["id"]], followers=True) == [POST["id"]]
    import_archives(tmp_path, [write(tmp_path / "a.jsonl", [flattened(POST)])])
    with Ledger(tmp_path) as ledger:
        assert ledger.unknown([POST["id"]], followers=True) == []


def test_photos_are_known_from_pages_that_are_lost(tmp_path: Path) -> None:
    """What is known of an id comes from pages of several kinds; when some are lost, they are all read again."""
    request = {"ids": [POST["id"]], "followers": False}
    answer = {"data": [POST], "includes": {"media": POST["media"]}}
    with Ledger(tmp_path) as ledger:
        ledger.append("lookup", request, answer, "2020-01-01T00:00:00.000000Z")
    silent = SILENT["twarc --minimal-fields"]
    import_archives(tmp_path, [write(tmp_path / "a.jsonl", [silent])])
    assert counts(tmp_path) == {"found": 1}
    pages = Workspace(tmp_path).page_file("lookup")
    pages.write_bytes(pages.read_bytes().replace(b"Castle", b"castle"))
    assert counts(tmp_path) == {"photos_unknown": 1}


def test_some_of_the_photos_never_replace_all_of_them(tmp_path: Path) -> None:
    four = post(4, photos=4)
    page = twarc_page(four, captured="2025-01-01T00:00:00Z")
    page["includes"]["media"] = page["includes"]["media"][:1]
    import_archives(tmp_path / "some", [write(tmp_path / "a.jsonl", [page])])
    assert len(rows(tmp_path / "some")) == 1
    lines = [twarc_page(four), page]
    import_archives(tmp_path / "all", [write(tmp_path / "b.jsonl", lines)])
    assert [row["url"] for row in rows(tmp_path / "all")] == [
        url(image(40 + n)) for n in range(4)
    ]
