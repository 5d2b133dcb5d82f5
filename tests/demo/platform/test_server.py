import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pyarrow.parquet as pq
import pytest

from twigma.demo.platform.server import Platform

FIELDS = {
    "tweet.fields": "created_at,public_metrics,author_id,post_metrics",
    "media.fields": "url,width",
}
CURRENT = {
    "post.fields": "created_at,public_metrics,author_id",
    "expansions": "attachments.media_keys",
}


def get(platform: Platform, path: str = "/2/tweets", **params: Any) -> httpx2.Response:
    return httpx2.get(
        platform.api_url + path,
        params=params,
        headers={"Authorization": "Bearer t"},
        trust_env=False,
    )


@pytest.fixture(scope="module")
def posts(tiny_world: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(tiny_world / "posts.parquet").to_pylist()
    return rows


def test_lookup_answers_every_state_as_x_does(
    tiny_world: Path, posts: list[dict[str, Any]]
) -> None:
    with Platform(tiny_world) as platform:
        ids = ",".join(post["id"] for post in posts)
        page = get(
            platform, ids=ids, **FIELDS, expansions="attachments.media_keys,author_id"
        ).json()
        gone = get(platform, ids=posts[13]["id"]).json()
    live = [post["id"] for post in posts if post["state"] == "live"]
    assert [post["id"] for post in page["data"]] == live
    assert page["data"][0]["created_at"] == "2022-01-01T00:00:00.000Z"
    assert set(page["data"][0]) == {
        "id",
        "text",
        "edit_history_tweet_ids",
        "created_at",
        "public_metrics",
        "author_id",
    }
    assert page["data"][0]["public_metrics"]["retweet_count"] == 0
    errors = {
        error["resource_id"]: (error["title"], error["type"].rsplit("/", 1)[-1])
        for error in page["errors"]
    }
    assert errors[posts[10]["id"]] == ("Not Found Error", "resource-not-found")
    assert errors[posts[11]["id"]] == (
        "Authorization Error",
        "not-authorized-for-resource",
    )
    assert errors[posts[12]["id"]] == ("Forbidden", "resource-not-found")
    assert posts[13]["id"] not in errors and gone == {}  # absent: in neither
    assert {media["type"] for media in page["includes"]["media"]} == {"photo", "video"}
    assert all(
        "url" in media
        for media in page["includes"]["media"]
        if media["type"] == "photo"
    )
    assert page["includes"]["users"][0] == {
        "id": "1000",
        "name": "user0",
        "username": "user0",
    }
    assert platform.billed == Counter(live)


def test_the_dialect_asked_is_the_dialect_answered(
    tiny_world: Path, posts: list[dict[str, Any]]
) -> None:
    with Platform(tiny_world) as platform:
        post = get(platform, ids=posts[0]["id"], **CURRENT).json()["data"][0]
        assert "repost_count" in post["public_metrics"] and post[
            "edit_history_post_ids"
        ] == [post["id"]]
        assert "author_id" not in post  # an expansion only
        post = get(
            platform, ids=posts[0]["id"], **CURRENT | {"expansions": "author_id"}
        ).json()["data"][0]
        assert post["author_id"] == "1000"


def test_search_pages_through_what_matches_newest_first(
    tiny_world: Path, posts: list[dict[str, Any]]
) -> None:
    wanted = [
        post["id"]
        for n, post in enumerate(posts)
        if post["state"] == "live" and n % 3 < 2 and n not in (7, 8, 9) and n < 50
    ]
    params = {"query": "(#aiart OR #DALLE) has:images -is:retweet", "max_results": 10}
    params |= {"start_time": "2022-01-01T00:00:00Z", "end_time": "2022-09-08T00:00:50Z"}
    found, token = [], None
    with Platform(tiny_world) as platform:
        while True:
            page = get(
                platform,
                "/2/tweets/search/all",
                **params,
                **({"next_token": token} if token else {}),
            ).json()
            found += [post["id"] for post in page["data"]]
            assert (
                page["meta"]["newest_id"] == page["data"][0]["id"]
                and len(page["data"]) <= 10
            )
            token = page["meta"].get("next_token")
            if token is None:
                break
        late = get(
            platform, "/2/tweets/search/all", query="#aiart"
        ).json()  # the last thirty days, unless told
        empty = get(platform, "/2/tweets/search/all", query="#nothing").json()
    assert found == wanted[::-1]
    assert 0 < late["meta"]["result_count"] <= 3
    assert empty == {"meta": {"result_count": 0}}


@pytest.mark.parametrize(
    ("path", "params", "status", "said"),
    [
        ("/2/tweets", {"ids": "abc"}, 400, "[abc] is not valid"),
        ("/2/tweets", {"ids": ",".join(["1"] * 101)}, 400, "[101]"),
        ("/2/tweets/search/all", {"query": "#a", "max_results": 9}, 400, "[9]"),
        ("/2/tweets/search/all", {"query": "#a" * 600}, 400, "1024"),
        (
            "/2/tweets/search/all",
            {"query": "#a", "next_token": "zz"},
            400,
            "next_token",
        ),
        (
            "/2/tweets/search/all",
            {"query": "#a", "start_time": "2022-01-01"},
            400,
            "time",
        ),
        ("/2/users", {}, 400, "[0]"),
        ("/2/tweets/counts/all", {"query": "#a"}, 400, "granularity"),
        ("/2/lists", {}, 404, "nothing at"),
    ],
)
def test_bad_calls_are_refused(
    tiny_world: Path, path: str, params: dict[str, Any], status: int, said: str
) -> None:
    with Platform(tiny_world) as platform:
        response = get(platform, path, **params)
    assert response.status_code == status and said in response.json()["detail"]


def test_the_token_is_checked(tiny_world: Path) -> None:
    with Platform(tiny_world, token="right") as platform:
        assert get(platform, ids="1").status_code == 401
        assert (
            httpx2.get(
                platform.api_url + "/2/tweets?ids=1", trust_env=False
            ).status_code
            == 401
        )


def test_faults_come_on_their_call_and_limits_are_counted(tiny_world: Path) -> None:
    faults = {
        1: "503",
        2: "429",
        3: "usage-capped",
        4: "credits",
        5: "spend-cap",
        6: "cut",
        7: "dead-token",
    }
    with Platform(tiny_world, faults=faults, limits={"/2/tweets": 9}) as platform:
        answers = [get(platform, ids="1") for _ in range(11)]
        with pytest.raises(ValueError, match="faults of"):
            Platform(tiny_world, faults={1: "nonsense"})
    assert [answer.status_code for answer in answers] == [
        503,
        429,
        429,
        402,
        403,
        200,
        400,
        200,
        200,
        429,
        429,
    ]
    assert answers[1].headers["content-type"].startswith("text/plain")
    assert answers[1].headers["x-rate-limit-remaining"] == "0"
    assert int(answers[2].headers["x-rate-limit-remaining"]) > 0
    assert answers[2].json()["type"].endswith("usage-capped")
    assert [answer.headers["x-rate-limit-remaining"] for answer in answers[7:]] == [
        "1",
        "0",
        "0",
        "0",
    ]
    assert 0 < int(answers[-1].headers["x-rate-limit-reset"]) - time.time() <= 900


def test_a_dropped_call_has_no_answer(tiny_world: Path) -> None:
    with (
        Platform(tiny_world, faults={1: "drop"}) as platform,
        pytest.raises(httpx2.RemoteProtocolError),
    ):
        get(platform, ids="1")


def test_images_answer_as_planted(tiny_world: Path) -> None:
    media = pq.read_table(tiny_world / "media.parquet").to_pylist()
    by_answer = {
        one["answer"]: one for one in reversed(media) if one["type"] == "photo"
    }
    with Platform(tiny_world, slow_seconds=0.2) as platform:
        with httpx2.Client(base_url=platform.image_url, trust_env=False) as client:

            def fetch(answer: str) -> httpx2.Response:
                return client.get(
                    f"/media/{by_answer[answer]['name']}",
                    params={"format": "jpg", "name": "small"},
                )

            ok = fetch("ok")
            assert (
                ok.content == by_answer["ok"]["body"]
                and ok.headers["content-type"] == "image/jpeg"
            )
            assert (
                client.get(f"/media/{by_answer['ok']['name']}.jpg").content
                == ok.content
            )
            assert (fetch("404").status_code, fetch("410").status_code) == (404, 410)
            assert fetch("html").headers["content-type"].startswith("text/html")
            half = fetch("truncated")
            assert half.status_code == 200 and by_answer["truncated"][
                "body"
            ].startswith(half.content)
            assert len(half.content) == len(by_answer["truncated"]["body"]) // 2
            started = time.monotonic()
            assert (
                fetch("slow").content == by_answer["slow"]["body"]
                and time.monotonic() - started >= 0.2
            )
            first, second = fetch("flaky503"), fetch("flaky503")
            assert (
                first.status_code,
                first.headers["retry-after"],
                second.status_code,
            ) == (503, "1", 200)
            assert client.get("/media/nothing").status_code == 404
            with pytest.raises(httpx2.RemoteProtocolError):
                fetch("cut")
        assert platform.hits[f"/media/{by_answer['flaky503']['name']}"] == 2
        assert platform.hits["media"] == 11


def test_a_port_in_use_and_a_missing_world_are_told(
    tiny_world: Path, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            pytest.raises(OSError, match="cannot serve on port"),
            Platform(tiny_world, taken.getsockname()[1]),
        ):
            pass
    with pytest.raises(FileNotFoundError, match="no demo world"):
        Platform(tmp_path)


def test_served_by_hand(tiny_world: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "twigma.demo.platform.server",
        str(tiny_world),
        "--port",
        "0",
        "--faults",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(2)
        assert "X API at http://127.0.0.1:" in line
        assert process.stdout.read() == "stopped\n"
    assert process.returncode == 0
