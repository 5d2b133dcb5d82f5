"""The comparison with Pillow and Chromium, on a small corpus of its own; and that it finds what it is there to find."""

from pathlib import Path

import numpy as np
import pytest

from twigma.rehydrate.images.image_headers import BadImage

from ..rehydrate.images.test_decode import encoded, picture
from . import images

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if images.browser_path() is None:
    pytest.skip("no Chromium on this machine", allow_module_level=True)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Pictures of every format, one of them cut in its middle, and a page of HTML."""
    whole = encoded(picture(), "JPEG")
    files = {
        "a b#1.jpg": whole,
        "cut.jpg": whole[: len(whole) // 2] + b"\xff\xd9",
        "cmyk.jpg": encoded(picture().convert("CMYK"), "JPEG"),
        "page.jpg": b"<!doctype html>",
    }
    for format in ("PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "ICO"):
        files[f"{format}"] = encoded(picture((64, 64)), format)
    (tmp_path / "deep").mkdir()
    for name, data in files.items():
        (tmp_path / "deep" / name).write_bytes(data)
    return tmp_path


def test_all_is_well_with_whole_pictures_and_the_others_are_counted(
    corpus: Path,
) -> None:
    verdicts = {each.path.name: each for each in images.compare(corpus)}
    refused = {name for name, each in verdicts.items() if each.reason is not None}
    assert refused == {"cut.jpg", "page.jpg"}
    assert verdicts["cut.jpg"].browser and not verdicts["page.jpg"].browser
    assert not verdicts["TIFF"].browser and verdicts["AVIF"].browser
    lines, is_well = images.report(list(verdicts.values()))
    assert is_well
    assert lines[0].startswith("11 files; taken: 9; ")
    assert "crashes: 0; other pixels than Pillow's: 0" in lines[1]


def test_a_wrong_refusal_a_crash_and_wrong_pixels_are_found(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_form, open_image = images.stored_form, images.open_image

    def refuse_png(data: bytes) -> object:
        if data.startswith(b"\x89PNG"):
            raise BadImage("decode", "no reason in the picture")
        if data.startswith(b"GIF"):
            raise ZeroDivisionError
        return stored_form(data)

    monkeypatch.setattr(images, "stored_form", refuse_png)
    lines, is_well = images.report(images.compare(corpus))
    assert not is_well
    assert "1 without a reason in the picture; crashes: 1" in lines[1]
    monkeypatch.undo()
    monkeypatch.setattr(
        images, "open_image", lambda data: np.asarray(open_image(data)) // 2
    )
    lines, is_well = images.report(images.compare(corpus))
    assert not is_well and "other pixels than Pillow's: 9" in lines[1]
