"""A world of sixty posts for the tests of the API client, the collection and the platform."""

import base64
import datetime
import faulthandler
import io
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from hypothesis import settings
from PIL import Image

# How long an example takes is the machine's, not the code's.
settings.register_profile("without-deadline", deadline=None)
settings.load_profile("without-deadline")

# What this software buys at, publishes on and fetches from; tests have loopback servers for each.
SERVICES = ("api.x.com", "api.twitter.com", "twimg.com", "zenodo.org")
asked: list[str] = []
find_addresses = socket.getaddrinfo


def _without_services(host: Any, *args: Any, **kwargs: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name.endswith(SERVICES):
        asked.append(name)
        raise socket.gaierror(socket.EAI_NONAME, f"tests do not ask {name}")
    return find_addresses(host, *args, **kwargs)


socket.getaddrinfo = _without_services


@pytest.fixture(autouse=True)
def no_services() -> Iterator[None]:
    """A test that asks one of the services fails, whether or not there is a network."""
    asked.clear()
    yield
    assert asked == []


STATES = ["live"] * 10 + ["deleted", "protected", "suspended", "absent", "live"]
ANSWERS = ["ok"] * 6 + ["404", "410", "html", "truncated", "cut", "slow", "flaky503"]
START = datetime.datetime(2022, 1, 1)


def snowflake(time: datetime.datetime, n: int) -> int:
    """An id that X could have given at this time (UTC)."""
    milliseconds = round((time - datetime.datetime(1970, 1, 1)).total_seconds() * 1000)
    return (milliseconds - 1288834974657) << 22 | (n * 4097 + 11)


def file_name(media_id: int) -> str:
    """The file name of a photo: its first 11 characters spell the media id."""
    return base64.urlsafe_b64encode(media_id.to_bytes(8, "big")).decode()[:11] + "AbC_"


def jpeg(n: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (n * 4 % 256, 90, 255 - n * 3 % 256)).save(
        buffer, "JPEG", quality=90
    )
    return buffer.getvalue()


def tiny_posts() -> tuple[
    list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]
]:
    """Posts, media and users: every state, every answer, a video, a retweet, a shared photo, half an emoji."""
    posts, media, users = [], [], []
    for n in range(60):
        time = START + datetime.timedelta(days=5 * n, seconds=n)
        kind = "video" if n == 7 else "photo"
        image = snowflake(time - datetime.timedelta(seconds=9), n)
        key = f"{7 if kind == 'video' else 3}_{image}"
        answer, body = ANSWERS[n % len(ANSWERS)], jpeg(n)
        media.append(
            {
                "media_key": key,
                "type": kind,
                "name": file_name(image),
                "width": 40,
                "height": 30,
            }
        )
        media[-1] |= {"answer": answer, "body": body}
        keys = (
            [] if n == 8 else [key, media[0]["media_key"]] if n in (20, 40) else [key]
        )
        text = f"{'RT @a: ' if n == 9 else ''}Post {n} #{('AIart', 'dalle', 'other')[n % 3]} é"
        post = {
            "id": str(snowflake(time, n)),
            "author_id": str(1000 + n % 7),
            "created_at": time,
            "text": text,
        }
        counts = {
            "like_count": n * 3,
            "quote_count": n % 4,
            "reply_count": n % 5,
            "retweet_count": n % 6,
        }
        post |= {"lang": "en", **counts, "possibly_sensitive": n % 4 == 0}
        posts.append(post | {"state": STATES[n % len(STATES)], "media_keys": keys})
    for n in range(7):
        users.append(
            {
                "id": str(1000 + n),
                "username": f"user{n}",
                "followers_count": 100 * n,
                "created_at": START,
            }
        )
    return posts, media, users


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Have a test process that crashes say where: Ray takes back its handlers of crashes, and pytest's with them."""
    screen = item.config.stash.get(fault_handler_stderr_fd_key, None)
    if screen is not None:
        faulthandler.disable()
        faulthandler.enable(screen)


@pytest.fixture(autouse=True)
def _sigterm_as_before() -> Iterator[None]:
    """A handler that a test left would pass to the pools that later tests fork, and could keep them from ending."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.fixture(autouse=True)
def _nothing_left_here() -> Iterator[None]:
    """A test that forgets to say where makes the default working folder in the source tree."""
    here = Path.cwd() / "work"
    yield
    assert not here.exists()


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of that world, as `demo/platform/server.py` serves it."""
    folder = tmp_path_factory.mktemp("world")
    posts, media, users = tiny_posts()
    for name, rows in (("posts", posts), ("media", media), ("users", users)):
        table = pa.Table.from_pylist(rows)
        if "created_at" in table.column_names:
            index = table.schema.get_field_index("created_at")
            table = table.set_column(
                index, "created_at", table["created_at"].cast(pa.timestamp("ms"))
            )
        pq.write_table(table, folder / f"{name}.parquet")
    (folder / "ids.csv").write_text(
        "id\n" + "".join(f"{post['id']}\n" for post in posts)
    )
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with a working folder `work` and its release `twigma`; that no test changes it is checked at the end."""
    from support import releasing

    from twigma.builder.release.release import release

    folder = tmp_path_factory.mktemp("made")
    release(releasing.make_work(folder / "work"), folder / "twigma")
    before = [releasing.contents(folder / name) for name in ("work", "twigma")]
    yield folder
    after = [releasing.contents(folder / name) for name in ("work", "twigma")]
    assert not [
        name
        for old, new in zip(before, after, strict=True)
        for name, _ in old.items() ^ new.items()
        if not name.startswith(".")  # locks, and where releases were written to
    ]


@pytest.fixture
def work(made, tmp_path):
    """A copy of the working folder of `made`, to be changed."""
    return shutil.copytree(made / "work", tmp_path / "work")


@pytest.fixture
def here(made, work, tmp_path, monkeypatch):
    """A working directory of its own, with a cache of its own, that holds the release as `./twigma`."""
    import datasets

    shutil.copytree(made / "twigma", tmp_path / "twigma")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TWIGMA_DATA_DIR", raising=False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return tmp_path
