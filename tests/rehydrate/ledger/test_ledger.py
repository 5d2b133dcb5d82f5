import json
import multiprocessing
import os
import random
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twigma.core.workspace import Workspace
from twigma.rehydrate.ledger import ledger as ledger_module
from twigma.rehydrate.ledger.ledger import Ledger, count_outcomes
from twigma.rehydrate.ledger.reader import read_known_posts
from twigma.rehydrate.ledger.search_progress import Cursor, search_key
from twigma.rehydrate.posts.page_content import OUTCOMES, missing_fields, outcomes
from twigma.rehydrate.posts.page_store import (
    append_page,
    check,
    read_pages,
    require_space,
)

PROBLEM = "https://api.twitter.com/2/problems/"
DELETED = {
    "title": "Not Found Error",
    "type": PROBLEM + "resource-not-found",
    "parameter": "ids",
    "value": "2",
}
PROTECTED = {
    "title": "Authorization Error",
    "type": "https://x/not-authorized-for-resource",
    "resource_id": "3",
}
SUSPENDED = {
    "title": "Forbidden",
    "type": PROBLEM + "resource-not-found",
    "parameter": "ids",
    "value": "4",
}
MEDIA_ERROR = {
    "title": "Not Found Error",
    "type": PROBLEM + "resource-not-found",
    "parameter": "x",
    "value": "5",
}
AUTHOR_ERROR = DELETED | {"parameter": "author_id", "resource_type": "user"}
UNNAMED_AUTHOR = {
    "title": "Forbidden",
    "type": PROBLEM + "resource-not-found",
    "resource_type": "user",
    "resource_id": "5",
}
INCLUDED = {"title": "Not Found Error", "section": "includes", "resource_id": "5"}
UNSEEN = {"id": "6", "attachments": {"media_keys": ["3_60", "3_61"]}}
ANSWER = {
    "data": [{"id": "1"}, UNSEEN],
    "includes": {"media": [{"media_key": "3_60", "type": "photo"}]},
    "errors": [
        DELETED,
        PROTECTED,
        SUSPENDED,
        MEDIA_ERROR,
        AUTHOR_ERROR | {"value": "5"},
        UNNAMED_AUTHOR,
        INCLUDED,
    ],
}
IDS = ["1", "2", "3", "4", "5", "6"]
EXPECTED = {
    "1": "found",
    "2": "not_found",
    "3": "unauthorized",
    "4": "suspended",
    "5": "absent",
    "6": "photos_unknown",
}
KEY = search_key("#a", "s", "e")


def ask(*ids: str) -> dict[str, Any]:
    return {"ids": list(ids), "followers": False}


def page(
    token: str | None, following: str | None, *posts: str, **more: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A request and answer of the search KEY; posts are `id@time`."""
    data = [
        dict(zip(("id", "created_at"), post.split("@"), strict=True)) for post in posts
    ]
    meta = {"result_count": len(data)} | (
        {"next_token": following} if following else {}
    )
    return {"key": KEY, "next_token": token, **more}, {"data": data, "meta": meta}


# ------------------------------------------------------------------ outcomes


def test_every_asked_id_has_one_outcome() -> None:
    assert outcomes(IDS, ANSWER) == EXPECTED
    assert outcomes(["7"], {}) == {"7": "absent"}
    edited = {"data": [{"id": "9", "edit_history_tweet_ids": ["8", "9"]}]}
    assert outcomes(["8"], edited) == outcomes(
        ["8"], json.loads(json.dumps(edited).replace("tweet", "post"))
    )
    assert outcomes(["8"], edited) == {"8": "found"}
    assert count_outcomes({**EXPECTED, "7": "not_asked"}) == dict.fromkeys(
        [*OUTCOMES, "not_asked"], 1
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "errors", "id", "includes", "media", "meta", "type"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(
    answer=st.dictionaries(
        st.sampled_from(["data", "errors", "includes", "meta"]), JSON
    )
)
@settings(max_examples=60, deadline=None)
def test_no_answer_of_any_shape_loses_an_id(answer: dict[str, Any]) -> None:
    assert list(outcomes(IDS, answer)) == IDS
    assert set(outcomes(IDS, answer).values()) <= set(OUTCOMES)
    missing_fields(answer)


# --------------------------------------------------------------------- ledger


def test_a_page_is_stored_and_its_ids_are_known_for_ever(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        assert ledger.unknown([*IDS, "7"]) == [*IDS, "7"]
        ledger.append("lookup", ask(*IDS), ANSWER)
    with Ledger(tmp_path) as ledger:
        assert ledger.unknown([*IDS, "7"]) == ["5", "7"]  # X said nothing of 5
        # The followers of the authors of 1 and 6 were not bought.
        assert ledger.unknown(IDS, followers=True) == ["1", "5", "6"]
        assert ledger.outcomes([*IDS, "7"]) == {**EXPECTED, "7": "not_asked"}
        assert ledger.counts() == dict.fromkeys(sorted(OUTCOMES), 1)
        assert ledger.spent() == (2, 0, 0)
        assert ledger.without_photos() == ["6"]
        ledger.append(
            "lookup",
            {"ids": ["1"], "followers": True},
            ANSWER | {"includes": {"users": [{"id": "9"}]}},
        )
        assert ledger.unknown(IDS, followers=True) == ["5", "6"]
        assert ledger.spent() == (4, 1, 0)


def test_the_later_page_decides(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append("search", *page(None, None, "1@2022-01-01"))
        assert ledger.outcomes(["1"]) == {"1": "found"}
        ledger.append("lookup", ask("1"), {"errors": [DELETED | {"value": "1"}]})
        assert ledger.outcomes(["1"]) == {"1": "not_found"}
    (
        tmp_path / "ledger.sqlite"
    ).unlink()  # replayed file by file, whatever the order: the same
    with Ledger(tmp_path) as ledger:
        assert ledger.outcomes(["1"]) == {"1": "not_found"}


def test_an_answer_that_says_nothing_replaces_none_that_does(tmp_path: Path) -> None:
    shown = {"media": [{"media_key": "3_60"}, {"media_key": "3_61"}]}
    pages = [
        ({"data": [UNSEEN], "includes": shown}, "2022-01-01"),
        ({"data": [UNSEEN]}, "2022-01-02"),
        ({}, "2022-01-03"),
    ]
    for order in (pages, pages[::-1], [pages[1], pages[2], pages[0]]):
        work = tmp_path / str(len(list(tmp_path.iterdir())))
        with Ledger(work) as ledger:
            for answer, received in order:
                ledger.append("lookup", ask("6"), answer, received)
            assert ledger.outcomes(["6"]) == {"6": "found"}
            assert ledger.unknown(["6"]) == []


# (kind, whether authors were asked for, what the page says)
SAYINGS = st.lists(
    st.tuples(
        st.sampled_from(["search", "lookup", "import"]),
        st.booleans(),
        st.sampled_from(["nothing", "gone", "there", "shown"]),
    ),
    min_size=1,
    max_size=5,
)


def say(kind: str, what: str) -> dict[str, Any]:
    if what == "shown":
        one = {"id": "2", "attachments": {"media_keys": ["3_60"]}}
        media = [{"media_key": "3_60", "type": "photo", "url": "https://a"}]
        return {"data": [one], "includes": {"media": media}}
    if what == "there":
        # In an archive this says nothing of photos; X would say so of a post without one.
        keys = {} if kind == "import" else {"attachments": {"media_keys": ["3_60"]}}
        return {"data": [{"id": "2"} | keys]}
    return {"errors": [DELETED]} if what == "gone" else {}


@given(SAYINGS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_pages_in_any_order_come_to_the_same(
    sayings: list[tuple[str, bool, str]], draw: random.Random
) -> None:
    """Against a reading of the pages in the order of their times, one fact at a time."""
    # A search names only posts that it finds.
    told = [
        (kind, followers, what)
        for kind, followers, what in sayings
        if kind != "search" or what in ("there", "shown")
    ]
    says = [what for _, _, what in told]
    answers = [what for what in says if what != "nothing"]
    is_there = bool(answers) and answers[-1] != "gone"
    looked_up = any(k == "lookup" and what == "there" for k, _, what in told)
    has_followers = any(f and what in ("there", "shown") for _, f, what in told)
    expected = "absent" if told else "not_asked"
    if answers:
        expected = "not_found"
    if is_there:
        expected = "found" if "shown" in says else "photos_unknown"
    is_open = not answers or (expected == "photos_unknown" and not looked_up)

    order = list(enumerate(sayings))
    draw.shuffle(order)
    with tempfile.TemporaryDirectory() as folder, Ledger(folder) as ledger:
        for n, (kind, followers, what) in order:
            request = ask("2") | {"followers": followers}
            if kind == "search":
                request |= {"key": KEY, "next_token": None}
            if kind == "import":
                request |= {"file": f"f{n}", "page": 0, "last": True}
            ledger.append(kind, request, say(kind, what), f"2022-01-0{n + 1}")
        assert ledger.outcomes(["2"]) == {"2": expected}
        assert ledger.unknown(["2"]) == (["2"] if is_open else [])
        lacks_followers = is_open or (is_there and not has_followers)
        asks = ["2"] if lacks_followers else []
        assert ledger.unknown(["2"], followers=True) == asks
        for followers in (False, True):
            known = read_known_posts(folder, followers).ids
            assert known == {"2"} - set(ledger.unknown(["2"], followers))


def test_photos_that_a_search_or_an_archive_did_not_show_are_looked_up(
    tmp_path: Path,
) -> None:
    with Ledger(tmp_path) as ledger:
        request, answer = page(None, None)
        answer |= {"data": [UNSEEN], "meta": {"result_count": 1}}
        ledger.append("search", request, answer)
        assert ledger.outcomes(["6"]) == {"6": "photos_unknown"}
        assert ledger.unknown(["6"]) == ["6"]
        assert ledger.without_photos() == []  # nothing is bought that no list names
        assert ledger.not_looked_up() == ["6"] and ledger.list_photos_unknown() == 1
        listed = Workspace(tmp_path).photos_unknown_file
        assert listed.read_text().split() == ["id", "6"]
        ledger.append("lookup", ask("6"), {"data": [UNSEEN]})
        assert ledger.unknown(["6"]) == []  # bought once, and for --retry failed
        assert ledger.without_photos() == ["6"]
        assert ledger.list_photos_unknown() == 0 and not listed.exists()
        gone = {"resource_type": "media", "resource_id": "3_60"}
        other = {"resource_type": "media", "resource_id": "3_61"}
        answer = {"data": [UNSEEN], "errors": [gone, other]}
        ledger.append("lookup", ask("6"), answer)  # X says that they are gone
        assert ledger.outcomes(["6"]) == {"6": "found"}


def test_users_are_known_when_x_has_answered_about_them(tmp_path: Path) -> None:
    answer = {
        "data": [{"id": "1", "public_metrics": {"followers_count": 7}}],
        "errors": [DELETED | {"value": "2", "resource_type": "user"}],
    }
    for _ in range(2):
        with Ledger(tmp_path) as ledger:
            if not ledger.spent().users:
                ledger.append("users", {"users": ["1", "2", "3"]}, answer)
                ledger.append("counts", {"query": "q"}, {"data": [{"tweet_count": 5}]})
            assert ledger.unknown_users(["1", "2", "3"]) == ["3"]
            assert ledger.spent() == (0, 1, 1)
            assert ledger.counts() == {}  # a user that is gone is no lost post
        (tmp_path / "ledger.sqlite").unlink()


def test_damage_in_one_kind_lowers_no_payment_of_any(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append("lookup", ask(*IDS), ANSWER)
        ledger.append("users", {"users": ["1"]}, {"data": [{"id": "1"}]})
        ledger.append("counts", {"query": "q"}, {"data": [{"tweet_count": 5}]})
        assert ledger.spent() == (2, 1, 1)
    os.truncate(tmp_path / "pages" / "users.jsonl", 0)
    for _ in range(2):
        with Ledger(tmp_path) as ledger:
            assert ledger.spent() == (2, 1, 1)
            assert ledger.unknown_users(["1"]) == ["1"]
            assert ledger.outcomes(IDS) == EXPECTED


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        Ledger(tmp_path),
        pytest.raises(RuntimeError, match="another run is asking the X API"),
    ):
        Ledger(tmp_path)
    Ledger(tmp_path).close()


# -------------------------------------------------------------------- crashes


def _die_between_page_and_ledger(work: Path, step: str) -> None:
    """In a child process: append a page, and be killed at the named step."""

    add_page = ledger_module.add_page

    def dying(*args: Any) -> None:
        if step == "before the ledger":
            os.kill(os.getpid(), signal.SIGKILL)
        add_page(*args)
        if step == "before the commit":
            os.kill(os.getpid(), signal.SIGKILL)

    ledger_module.add_page = dying
    Ledger(work).append("lookup", ask(*IDS), ANSWER)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    "step", ["before the ledger", "before the commit", "after the commit"]
)
def test_a_kill_at_any_step_loses_nothing_and_buys_nothing_twice(
    tmp_path: Path, step: str
) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append("lookup", ask("0"), {"data": [{"id": "0"}]})
    child = multiprocessing.get_context("fork").Process(
        target=_die_between_page_and_ledger, args=(tmp_path, step)
    )
    child.start()
    child.join(30)
    assert child.exitcode == -signal.SIGKILL
    with Ledger(tmp_path) as ledger:  # the lock went with the child
        assert ledger.unknown(["0", *IDS]) == ["5"]
        assert ledger.outcomes(IDS) == EXPECTED
        assert ledger.spent() == (3, 0, 0)


def test_a_half_written_line_is_cut_at_every_byte(tmp_path: Path) -> None:
    path = Workspace(tmp_path).page_file("lookup")
    with Ledger(tmp_path) as ledger:
        ledger.append("lookup", ask("0"), {"data": [{"id": "0"}]})
        first = path.stat().st_size
        ledger.append("lookup", ask(*IDS), ANSWER)
    whole = path.read_bytes()
    for cut in range(first, len(whole), 29):
        (tmp_path / "ledger.sqlite").unlink()
        path.write_bytes(whole[:cut])
        with Ledger(tmp_path) as ledger:
            assert path.stat().st_size == first
            assert ledger.unknown(["0", *IDS]) == IDS
            ledger.append("lookup", ask(*IDS), ANSWER)
            assert ledger.unknown(["0", *IDS]) == ["5"]
        with Ledger(tmp_path) as ledger:
            assert (ledger.damaged, ledger.unknown(["0", *IDS])) == (0, ["5"])


def test_pages_that_vanished_are_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = Workspace(tmp_path).page_file("lookup")
    with Ledger(tmp_path) as ledger:
        ledger.append("lookup", ask("0"), {"data": [{"id": "0"}]})
        size = path.stat().st_size
        ledger.append("lookup", ask(*IDS), ANSWER)
    os.truncate(path, size)
    with Ledger(tmp_path) as ledger:
        assert ledger.unknown(["0", *IDS]) == IDS
        assert ledger.spent().posts == 3  # what is lost was paid
        ledger.append("lookup", ask(*IDS), ANSWER)
        assert ledger.spent().posts == 5
    with Ledger(tmp_path) as ledger:
        assert ledger.spent().posts == 5
    assert "will be asked again" in caplog.text


def test_a_flipped_byte_anywhere_is_detected(tmp_path: Path) -> None:
    path = Workspace(tmp_path).page_file("lookup")
    with Ledger(tmp_path) as ledger:
        ledger.append("lookup", ask("0"), {"data": [{"id": "0"}]})
        ledger.append("lookup", ask(*IDS), ANSWER)
        ledger.append("lookup", ask("9"), {"data": [{"id": "9"}]})
    whole = path.read_bytes()
    rng = random.Random(0)
    for at in rng.sample(range(len(whole)), 40):
        path.write_bytes(
            whole[:at] + bytes([whole[at] ^ (1 << rng.randrange(8))]) + whole[at + 1 :]
        )
        with Ledger(tmp_path) as ledger:
            lost = ledger.unknown(["0", *IDS, "9"])
            assert ledger.damaged and lost
            known = {
                post: what
                for post, what in ledger.outcomes(IDS).items()
                if what != "not_asked"
            }
            assert known in ({}, EXPECTED)
    path.write_bytes(whole)
    with Ledger(tmp_path) as ledger:
        assert (
            ledger.damaged == 1
        )  # the ledger ends elsewhere than the file: read again
        assert ledger.unknown(["0", *IDS, "9"]) == ["5"]


def test_a_damaged_ledger_is_made_again_from_the_pages(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append("lookup", ask(*IDS), ANSWER)
        ledger.append("search", *page(None, "t", "7@2022-01-01"))
    database = tmp_path / "ledger.sqlite"
    whole = database.read_bytes()
    for damage in (
        b"",
        b"not a database at all",
        whole[:3000],
        whole[:4200] + b"\xff" * 300 + whole[4500:],
    ):
        database.write_bytes(damage)
        with Ledger(tmp_path) as ledger:
            assert ledger.outcomes([*IDS, "7"]) == {**EXPECTED, "7": "found"}
            assert ledger.cursor(KEY) == Cursor(1, "t", "2022-01-01", False)
    database.unlink()
    database.mkdir()
    with pytest.raises(
        OSError, match="unable to open database file; the pages are safe"
    ):
        Ledger(tmp_path)


# --------------------------------------------------------------------- search


def test_a_search_resumes_after_its_last_stored_page(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        assert ledger.cursor(KEY) == Cursor()
        ledger.append("search", *page(None, "t1", "9@2022-03-02", "8@2022-03-01"))
    with Ledger(tmp_path) as ledger:
        assert ledger.cursor(KEY) == Cursor(1, "t1", "2022-03-01")
        ledger.append("search", *page("t1", "t2"))  # an empty page
        ledger.append(
            "search", *page(None, None, "7@2022-02-01", restart="2022-03-01")
        )  # X lost the token
    with Ledger(tmp_path) as ledger:
        assert ledger.cursor(KEY) == Cursor(3, None, "2022-02-01", True)
        assert ledger.cursor(search_key("#b", "s", "e")) == Cursor()


def test_a_lost_search_page_is_bought_again(tmp_path: Path) -> None:
    path = Workspace(tmp_path).page_file("search")
    with Ledger(tmp_path) as ledger:
        for token, following, post in (
            (None, "t1", "9@2022-09"),
            ("t1", "t2", "8@2022-08"),
            ("t2", None, "7@2022-07"),
        ):
            ledger.append("search", *page(token, following, post))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b'"8"', b'"6"') + lines[2])
    with Ledger(tmp_path) as ledger:
        assert (ledger.damaged, ledger.unknown(["9", "8", "7"])) == (1, ["8"])
        assert ledger.cursor(KEY) == Cursor(1, "t1", "2022-09", False)
        ledger.append("search", *page("t1", "t2", "8@2022-08"))
        ledger.append("search", *page("t2", None, "7@2022-07"))
    with Ledger(tmp_path) as ledger:
        assert ledger.cursor(KEY).done and ledger.unknown(["9", "8", "7"]) == []


NO_COUNT = [{}, {"errors": [{"title": "Over capacity"}]}, {"data": None}]
NO_COUNT += [{"meta": {}}, {"meta": {"result_count": 2}, "data": [{"id": "5"}]}]


@pytest.mark.parametrize("answer", NO_COUNT)
def test_a_page_that_does_not_have_what_it_counts_ends_no_search(
    tmp_path: Path, answer: dict[str, Any]
) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append("search", *page(None, "t", "9@2022-03-02"))
        ledger.append("search", {"key": KEY, "next_token": "t"}, answer)
        assert ledger.cursor(KEY) == Cursor(1, "t", "2022-03-02", False)


# ---------------------------------------------------------------------- pages


def test_pages_keep_half_an_emoji_and_a_failed_write_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lookup.jsonl"
    answer = {"data": [{"text": "\ud83d é \u2028 \x00"}]}
    append_page(path, ask("1"), answer)
    assert [page["answer"] for *_, page in read_pages(path) if page] == [answer]
    before = path.read_bytes()
    assert before.isascii() and path.stat().st_mode & 0o777 == 0o600
    write = os.write
    monkeypatch.setattr(
        os, "write", lambda handle, data: write(handle, data[:20]) and _full()
    )
    with pytest.raises(OSError, match="No space"):
        append_page(path, ask("2"), answer)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert check(path) == (len(before), 0)


def _full() -> int:
    raise OSError(28, "No space left on device")


def test_a_full_disk_is_noticed_before_a_page_is_bought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_space(tmp_path)
    monkeypatch.setattr("twigma.rehydrate.posts.page_store.FREE_SPACE", 1 << 60)
    with pytest.raises(OSError, match="MB free, expected"):
        require_space(tmp_path)
