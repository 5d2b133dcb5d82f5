import subprocess
import sys
from pathlib import Path

import pytest

from twigma.rehydrate.ledger import reader as ledger_reader
from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.ledger.reader import (
    KnownPosts,
    read_known_posts,
    view_ledger,
)
from twigma.rehydrate.ledger.search_progress import search_key

FOUND = {"data": [{"id": "7"}, {"id": "8"}], "includes": {"users": [{"id": "1"}]}}


def ask(ledger: Ledger, ids: list[str]) -> None:
    ledger.append("lookup", {"ids": ids, "followers": False}, FOUND)


def test_it_says_what_the_ledger_says_while_a_run_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_reader, "STEP", 2)
    with Ledger(tmp_path) as ledger:
        ask(ledger, ["6", "7", "8", "9", "10"])
        request = {
            "key": search_key("q", "a", "b"),
            "query": "q",
            "start": "a",
            "end": "b",
            "next_token": None,
        }
        ledger.append(
            "search",
            request,
            {"data": [{"id": "11"}], "meta": {"result_count": 1, "next_token": "t"}},
        )
        view = view_ledger(tmp_path)
        assert dict(
            zip(*view.ids.to_pydict().values(), strict=True)
        ) == ledger.outcomes(["6", "7", "8", "9", "10", "11"])
        assert view.spent() == ledger.spent()
        assert (view.done, view.open) == (0, 1)
        assert view.pages == {
            kind: (tmp_path / f"pages/{kind}.jsonl").stat().st_size
            for kind in ("lookup", "search")
        }
        assert view.found_since("2000", ["lookup"]) == ["7", "8"]
        assert view.found_since("2999", ["lookup", "search"]) == []
        assert view.lost_pages() == []


def test_a_writer_waits_for_no_reader(tmp_path: Path) -> None:
    """A view that was read holds nothing: another process may write at once."""
    with Ledger(tmp_path) as ledger:
        ask(ledger, ["7"])
    view = view_ledger(tmp_path)
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=0); "
        "db.execute('DELETE FROM ids'); db.commit()"
    )
    subprocess.run([sys.executable, "-c", code, view.path], check=True)
    assert len(view.ids) == 1 and len(view_ledger(tmp_path).ids) == 0


def test_nothing_there_is_an_empty_view_and_damage_is_told(tmp_path: Path) -> None:
    assert len(view_ledger(tmp_path).ids) == 0
    assert not list(tmp_path.iterdir())
    path = tmp_path / "ledger.sqlite"
    path.touch()  # as it is between a run's first step and its second
    assert view_ledger(tmp_path).spent() == (0, 0, 0)
    path.write_bytes(b"something else" * 99)
    with pytest.raises(
        ValueError, match=r"ledger\.sqlite is damaged .* from the pages"
    ):
        view_ledger(tmp_path)


def test_pages_that_were_lost_are_told(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ask(ledger, ["7"])
    pages = tmp_path / "pages" / "lookup.jsonl"
    size = pages.stat().st_size
    (tmp_path / "ledger.sqlite").rename(tmp_path / "aside")
    with pytest.raises(
        ValueError, match=r"ledger\.sqlite is missing: .* from the pages"
    ):
        view_ledger(tmp_path)
    (tmp_path / "aside").rename(tmp_path / "ledger.sqlite")
    pages.write_bytes(pages.read_bytes()[:10])
    (told,) = view_ledger(tmp_path).lost_pages()
    assert f"at least {size:,} bytes, found 10" in told


def test_known_posts_are_those_of_the_ledger(tmp_path: Path) -> None:
    assert read_known_posts(tmp_path) == KnownPosts()
    with Ledger(tmp_path) as ledger:
        ask(ledger, ["6", "7", "8"])
        ledger.append(
            "lookup", {"ids": ["9"], "followers": True}, {"data": [{"id": "9"}]}
        )
        # 6 is absent from the answer, 9 is found with its author's followers
        assert read_known_posts(tmp_path).ids == {"7", "8", "9"}
        assert read_known_posts(tmp_path, followers=True).ids == {"9"}
        assert read_known_posts(tmp_path).spent() == ledger.spent() == (3, 1, 0)
    (tmp_path / "ledger.sqlite").write_bytes(b"something else" * 99)
    for read in (read_known_posts, view_ledger):
        with pytest.raises(
            ValueError,
            match=r"ledger\.sqlite is damaged .* re-creates it from the pages",
        ):
            read(tmp_path)
