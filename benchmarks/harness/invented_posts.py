"""A platform of posts that are made from their ids, for the look-up of more of them than fit in memory.

`python -m benchmarks.harness.invented_posts WINDOW` serves it until standard input ends; the first line printed is the
address.
"""

import base64
import contextlib
import datetime
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from twigma.demo.platform.server import Platform
from twigma.demo.platform.x_world import World

ROOT = Path(__file__).resolve().parents[2]
FIRST = 1_300_000_000_000_000_000 >> 22  # ms of the first post's id
STEP = 70_000  # ms from one post's id to the next
START = datetime.datetime(2021, 1, 1)
# What became of the posts of these numbers, of every hundred; the others are live.
STATES = {
    3: "deleted",
    17: "deleted",
    31: "deleted",
    45: "protected",
    59: "suspended",
    73: "absent",
}
OUTCOMES = {"live": "found", "deleted": "not_found", "protected": "unauthorized"}
TEXT = "A portrait of the sea at dusk, oil on canvas, number {} #AIart #midjourney https://t.co/abcdefghij"


class Invented(Mapping[str, dict[str, Any]]):
    """A table of the world whose rows are made from their keys when asked for; it lists none."""

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Posts(Invented):
    """Post n: of a hundred, six are gone; every seventh of the rest has two photos, every fiftieth is a retweet."""

    def __getitem__(self, post: str) -> dict[str, Any]:
        n = number(post)
        text = TEXT.format(n)
        keys = [f"3_{post}"]
        if n % 7 == 0:
            keys.append(f"3_{int(post) + 1}")
        return {
            "id": post,
            "author_id": str(n % 90_000),
            "created_at": START + datetime.timedelta(seconds=70 * n),
            "text": f"RT @someone: {text}" if is_retweet(n) else text,
            "lang": "en",
            "like_count": n % 1000,
            "quote_count": n % 1000,
            "reply_count": n % 1000,
            "retweet_count": n % 1000,
            "possibly_sensitive": n % 9 == 0,
            "state": state(n),
            "media_keys": keys,
        }


class Media(Invented):
    """The photo of a media key."""

    def __getitem__(self, key: str) -> dict[str, Any]:
        media_id = int(key.removeprefix("3_"))
        encoded = base64.urlsafe_b64encode(media_id.to_bytes(8, "big")).decode()
        return {
            "media_key": key,
            "type": "photo",
            "name": f"{encoded[:11]}AbCd",
            "width": 1024,
            "height": 1024,
        }


def name_post(n: int) -> str:
    """The id of post n."""
    low_bits = n * 40_961 % (1 << 22)
    return str((FIRST + STEP * n) << 22 | low_bits)


def number(post: str) -> int:
    """Which post has this id."""
    return ((int(post) >> 22) - FIRST) // STEP


def state(n: int) -> str:
    """What became of post n."""
    return STATES.get(n % 100, "live")


def is_retweet(n: int) -> bool:
    """Whether post n is a retweet, which has no row in the images table."""
    return n % 50 == 1


def truth(count: int) -> tuple[Counter[str], int]:
    """Outcomes of the first `count` posts, and how many photos they have, counted off the rules."""
    states = [state(n) for n in range(count)]
    outcomes = Counter(OUTCOMES.get(one, one) for one in states)
    photos = 0
    for n, one in enumerate(states):
        if one == "live" and not is_retweet(n):
            photos += 2 if n % 7 == 0 else 1
    return outcomes, photos


@contextlib.contextmanager
def serving(window: int) -> Iterator[str]:
    """The address of a platform in a process of its own, whose windows of calls last so many seconds."""
    command = [sys.executable, "-m", "benchmarks.harness.invented_posts", str(window)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def main(window: int) -> None:
    """Serve until standard input ends."""
    with Platform(World(Posts(), Media(), {}), window=window) as platform:
        print(platform.api_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]))
