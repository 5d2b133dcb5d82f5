"""Large images wait for one another, over threads and processes; small ones do not."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest
from PIL import Image

from twigma.core import machine
from twigma.rehydrate.images import decode_memory
from twigma.rehydrate.images.decode_memory import Places
from twigma.rehydrate.images.image_headers import BadImage, read_header
from twigma.rehydrate.images.shards import _blocks

from ...torture.bombs import flat, png, zeros


def encoded(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (side, side)).save(buffer, "PNG")
    return buffer.getvalue()


SMALL, LARGE = encoded(64), encoded(2048)


def at_once(places: Places, data: bytes, threads: int = 8) -> int:
    """How many of so many threads are inside at the same time."""
    inside, most, lock = 0, 0, threading.Lock()

    def enter() -> None:
        nonlocal inside, most
        with places.room(data):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.1)
            with lock:
                inside -= 1

    all_ = [threading.Thread(target=enter) for _ in range(threads)]
    for thread in all_:
        thread.start()
    for thread in all_:
        thread.join()
    return most


def test_as_many_large_images_as_there_are_places() -> None:
    assert at_once(Places(2), LARGE) == 2
    assert at_once(Places(2), SMALL) > 2
    assert at_once(Places(1), b"no image") > 2


HOLDING = """
import sys, time
from pathlib import Path
from twigma.rehydrate.images.decode_memory import Places
with Places(1, Path(sys.argv[1])).room(Path(sys.argv[2]).read_bytes()):
    print("inside", flush=True)
    time.sleep(60)
"""


def test_processes_share_places_and_a_killed_one_gives_its_back(tmp_path: Path) -> None:
    image = tmp_path / "large.png"
    image.write_bytes(LARGE)
    command = [sys.executable, "-c", HOLDING, str(tmp_path / "places"), str(image)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == "inside\n"
        entered = threading.Event()

        def enter() -> None:
            with Places(1, tmp_path / "places").room(LARGE):
                entered.set()

        thread = threading.Thread(target=enter, daemon=True)
        thread.start()
        assert not entered.wait(0.5)
        os.kill(holder.pid, signal.SIGKILL)
        assert entered.wait(5)
        thread.join()


def test_a_machine_that_does_not_tell_its_memory_has_some_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "missing")
    assert decode_memory.places() == decode_memory.places(decode_memory.UNKNOWN) > 1


def test_the_sum_is_what_the_machine_has() -> None:
    gigabyte = 1 << 30
    assert decode_memory.places(1 * gigabyte) == 1
    for free in (8, 32, 256):
        assert (
            decode_memory.places(free * gigabyte) * decode_memory.LARGE_BYTES
            <= free * gigabyte / 2
        )
        assert 32 * decode_memory.buffer(32, free * gigabyte) <= max(
            free * gigabyte / 8, 32 * decode_memory.LEAST_BUFFER
        )
    assert decode_memory.share(2, 256 * gigabyte) == 4 * gigabyte
    assert decode_memory.share(32, 192 * gigabyte) == 3 * gigabyte
    assert decode_memory.share(32, 8 * gigabyte) == decode_memory.LEAST_SHARE


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        (flat((7_000, 7_000), 3), True),
        (flat((7_000, 7_000), 4), False),
        (png((4_096, 4_096), 16, 6, zlib.compress(b"")), True),
        (png((7_000, 7_000), 16, 6, zeros(7_000 * 56_001)), False),
        (png((5_500, 5_500), 16, 2, zlib.compress(b"")), False),
        (png((7_000, 7_000), 8, 3, zlib.compress(b"")), True),
    ],
    ids=[
        "rgb",
        "rgba",
        "twitter's largest, 16 bits",
        "16 bits with alpha",
        "16 bits",
        "palette",
    ],
)
def test_pixels_are_counted_by_their_bytes(data: bytes, fits: bool) -> None:
    if fits:
        assert read_header(data).format == "png"
    else:
        with pytest.raises(BadImage, match="at most 150,000,000 bytes are decoded"):
            read_header(data)


def test_blocks_of_large_images_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twigma.rehydrate.images.shards.BLOCK_BYTES", 10)
    assert list(_blocks([1] * 7, 3)) == [(0, 3), (3, 6), (6, 7)]
    assert list(_blocks([6, 6, 20, 1, 1], 3)) == [(0, 1), (1, 2), (2, 3), (3, 5)]
    assert list(_blocks([], 3)) == []


def test_a_higher_limit_of_pixels_gets_more_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gigabyte = 1 << 30
    before = decode_memory.places(16 * gigabyte), decode_memory.share(2, gigabyte)
    monkeypatch.setenv("TWIGMA_MAX_PIXELS", "200000000")
    assert decode_memory.large_bytes() == 4 * decode_memory.LARGE_BYTES
    assert decode_memory.places(16 * gigabyte) == before[0] // 4
    larger = 3 * decode_memory.LARGE_BYTES
    assert decode_memory.share(2, gigabyte) == before[1] + larger
