import concurrent.futures
import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
from support.worlds import name, photo

from twigma.rehydrate.fetch.http.response import Outcome
from twigma.rehydrate.fetch.ordered_writer import OrderedWriter
from twigma.rehydrate.images.decoding_note import read_note
from twigma.rehydrate.images.normalize import normalize_image

COUNT = 12
OUTCOMES = [Outcome("success", data=photo(number)) for number in range(COUNT)]
OUTCOMES[3], OUTCOMES[5] = (
    Outcome("http_404", "HTTP 404"),
    Outcome("success", data=b"<html>"),
)
Written = list[tuple[bytes | None, dict[str, Any]]]


def finished(folder: Path, order: list[int], **options: Any) -> Written:
    """What is written when outcomes come in this order."""
    written: Written = []
    rows = [
        {"key": str(number), "image_name": name(number), "url": "u"}
        for number in range(COUNT)
    ]
    with OrderedWriter(
        rows, folder, normalize_image, lambda *row: written.append(row), **options
    ) as ordered:
        for at in order:
            ordered.put(at, OUTCOMES[at])
        assert ordered.backlog() == sum(len(outcome.data) for outcome in OUTCOMES)
        ordered.run()
        assert (ordered.backlog(), ordered.new_rows(), ordered.new_rows()) == (
            0,
            COUNT,
            0,
        )
    return written


def test_rows_are_written_in_the_order_given(tmp_path: Path) -> None:
    written = finished(tmp_path, list(range(COUNT)))
    assert [row["image_name"] for _, row in written] == [
        name(number) for number in range(COUNT)
    ]
    assert [row["status"] for _, row in written if row["status"] != "success"] == [
        "http_404",
        "not_an_image",
    ]
    for data, row in written:
        assert (
            (data is not None) == (row["status"] == "success") == (row["error"] is None)
        )
        assert row["sha256"] == (hashlib.sha256(data).hexdigest() if data else None)
    assert written[0][0] == OUTCOMES[0].data


def test_however_they_come_and_wherever_they_wait(tmp_path: Path) -> None:
    wanted = finished(tmp_path, list(range(COUNT)))
    for held in (0, 5_000, 1 << 20):
        order = list(range(COUNT))
        random.Random(held).shuffle(order)
        assert finished(tmp_path, order, held=held) == wanted
        assert finished(tmp_path, order[::-1], held=held) == wanted


def test_images_that_crash_the_decoder_are_not_decoded(tmp_path: Path) -> None:
    row = finished(tmp_path, list(range(COUNT)), crashing={name(2)})[2][1]
    assert (row["status"], row["error"]) == ("decode", "the decoder crashed on it")


def test_the_note_names_the_image_that_is_being_checked(tmp_path: Path) -> None:
    seen = []

    def looking(data: bytes) -> Any:
        seen.append(read_note(tmp_path))
        return normalize_image(data)

    rows = [{"key": "0", "image_name": name(0), "url": "u"}]
    with OrderedWriter(rows, tmp_path, looking, lambda *_: None) as ordered:
        ordered.put(0, OUTCOMES[0])
        ordered.run()
        assert seen == [name(0)]
        assert read_note(tmp_path) is None


def test_it_can_be_stopped_and_what_fails_is_raised(tmp_path: Path) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "no space")

    rows = [
        {"key": str(number), "image_name": name(number), "url": "u"}
        for number in range(2)
    ]
    with (
        concurrent.futures.ThreadPoolExecutor(1) as thread,
        OrderedWriter(rows, tmp_path, normalize_image, full) as ordered,
    ):
        running = thread.submit(ordered.run)
        ordered.stop()
        running.result(10)
        ordered.put(0, OUTCOMES[0])
        with pytest.raises(OSError, match="no space"):
            ordered.run()
