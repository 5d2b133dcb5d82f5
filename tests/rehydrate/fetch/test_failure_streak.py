"""When all photos fail alike: by hand, and in fetches from real hosts."""

import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.odd_answers import captive_portal
from support.servers import Host
from support.worlds import name, photo

from twigma.rehydrate.fetch.failure_streak import CONFIRMING, LENGTH, FailureStreak
from twigma.rehydrate.fetch.fetch import fetch
from twigma.rehydrate.fetch.http.client import Limits
from twigma.rehydrate.images import shards


def row(status, url="https://pbs.twimg.com/media/a.jpg"):
    return {"status": status, "url": url, "error": "why"}


def fail(streak, count, status="dns", url="https://pbs.twimg.com/media/a.jpg"):
    for _ in range(count):
        streak.record(row(status, url))


def test_it_pauses_then_stops_with_the_class_and_what_to_do():
    streak = FailureStreak(1, pause=0.2)
    fail(streak, LENGTH - 1)
    assert not streak.is_paused()
    fail(streak, 1)
    assert streak.is_paused()
    fail(streak, 100)  # requests that were under way
    time.sleep(0.25)
    fail(streak, CONFIRMING - 1)
    with pytest.raises(ConnectionAbortedError, match=r"\(dns: why\).*to resume"):
        fail(streak, 1)


@pytest.mark.parametrize("other", ["success", "http_404", "timeout"])
def test_one_photo_that_ends_otherwise_ends_the_streak(other):
    streak = FailureStreak(1, pause=0.0)
    for _ in range(20):
        fail(streak, LENGTH - 1)
        fail(streak, 1, other)


@pytest.mark.parametrize("status", ["http_404", "http_410", "noai", "too_large"])
def test_what_is_final_of_each_photo_is_no_streak(status):
    fail(FailureStreak(1, pause=0.0), 10 * LENGTH, status)


def test_one_dead_host_among_many_is_no_streak_and_addresses_by_number_are_none():
    streak = FailureStreak(200, pause=0.0)
    for host in range(9):
        fail(streak, LENGTH, "dns", f"https://dead{host}.example/a.jpg")
    streak = FailureStreak(1, pause=0.0)
    for url in ("http://10.0.0.1/a", "http://0x7f000001/a", "http://[::1]/a", ""):
        fail(streak, 10 * LENGTH, "refused", url)
    # A portal answers names with its own private address.
    with pytest.raises(ConnectionAbortedError):
        fail(streak, 10 * LENGTH, "refused")


def listed(work, count):
    """An images table of so many photos of pbs.twimg.com."""
    names = [name(number) for number in range(count)]
    urls = [f"https://pbs.twimg.com/media/n{number}.jpg" for number in range(count)]
    work.mkdir(exist_ok=True)
    table = pa.table({"id": names, "image_name": names, "url": urls})
    pq.write_table(table, work / "images.parquet")


def test_behind_a_captive_portal_nothing_is_marked_and_the_next_run_has_all(
    tmp_path,
):
    count = 200
    options = {"processes": 1, "limits": Limits(pause=0.5)}
    listed(tmp_path, count)
    paths = [f"/media/n{number}" for number in range(count)]
    with Host(dict.fromkeys(paths, captive_portal)) as host:
        with pytest.raises(RuntimeError, match=r"not_an_image: .*run the same command"):
            fetch(tmp_path, image_base_url=host.url, **options)
        assert not list((tmp_path / "shards").glob("*.json"))
        host.answers.update(dict.fromkeys(paths, photo(1)))
        counts = fetch(tmp_path, image_base_url=host.url, **options)
    assert counts.to_pylist() == [{"status": "success", "images": count}]


def test_a_retry_of_photos_that_are_blocked_for_good_comes_to_its_end(tmp_path):
    """100 answers of 403 in a row, with a success after them that a stopped retry would never reach."""
    count = 101
    listed(tmp_path, count)
    answers = {f"/media/n{number}": 404 for number in range(count)}
    with Host(answers) as host:
        fetch(tmp_path, image_base_url=host.url, processes=1)
        host.answers.update(dict.fromkeys(answers, 403))
        host.answers["/media/n100"] = photo(1)
        counts = fetch(
            tmp_path, image_base_url=host.url, processes=1, retry=["http_404"]
        )
    assert counts.to_pylist() == [
        {"status": "http_403", "images": 100},
        {"status": "success", "images": 1},
    ]
    assert len(shards.list_shards(tmp_path)) == 2
