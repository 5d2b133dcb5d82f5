"""DiffusionDB's parts by number, what was blurred, where prompts have ten images, and zips that are damaged."""

import json
import zipfile

import pandas as pd
import pytest

from twigma.builder.references import diffusiondb


@pytest.fixture
def metadata(tmp_path):
    rows = (
        [(1, "cat", 0.1)] * 10
        + [(1, "dog", 2.0)]
        + [(1, "dog", None)] * 9
        + [(2, "cat", 0.1)] * 12
    )
    rows += [(2, "owl", 0.0)] * 10
    frame = pd.DataFrame(rows, columns=["part_id", "prompt", "image_nsfw"])
    frame["image_name"] = [f"{row}.png" for row in frame.index]
    frame.to_parquet(tmp_path / "metadata.parquet")
    return tmp_path / "metadata.parquet", frame


def test_parts_are_numbers_and_ranges():
    assert diffusiondb.parts_of("4-6, 1,5") == [1, 4, 5, 6]
    for text in ("", "0", "3-2", "2001", "a", "1;2"):
        with pytest.raises(
            ValueError, match="expected numbers of parts from 1 to 2000"
        ):
            diffusiondb.parts_of(text)


def test_the_metadata_says_what_is_blurred_and_which_parts_are_rich(metadata):
    path, frame = metadata
    chosen = frame[(frame.part_id == 1) & (frame.image_nsfw == 2.0)]
    assert diffusiondb.blurred(path, 1) == set(chosen.image_name) == {"10.png"}
    assert diffusiondb.blurred(path, 2) == set()
    sizes = frame[frame.image_nsfw != 2.0].groupby(["part_id", "prompt"]).size()
    assert (
        diffusiondb.prompts_by_part(path)
        == (sizes >= 10).groupby("part_id").sum().to_dict()
        == {2: 2, 1: 1}
    )


def taken(path, blurred=frozenset()):
    """Path, bytes and settings of the pictures of a part; the names left out."""
    left_out = []
    found = list(diffusiondb.pictures(path, set(blurred), left_out))
    return [(each.path, each.data, each.facts) for each in found], left_out


def test_damaged_zips_are_refused_and_deleted(tmp_path):
    path = tmp_path / "part-000001.zip"
    data = b"\x89PNG\r\n\x1a\n" + b"picture" * 100
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", data)
        archive.writestr("other.png", data)  # without a prompt
        archive.writestr("part-000001.json", json.dumps({"a.png": {"p": "x", "se": 1}}))
    whole = path.read_bytes()
    settings = {"prompt": "x", "seed": 1, "cfg": None, "step": None, "sampler": None}
    expected = [("part-000001.zip/a.png", data, settings)]
    assert taken(path) == (expected, [])
    assert taken(path, {"a.png"}) == ([], ["a.png"])
    for damaged in (whole[:-30], whole.replace(b"picturepic", b"Picturepic", 1)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"is damaged .* run again to download it"):
            taken(path)
        assert not path.exists()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", data)
    with pytest.raises(ValueError, match=r"expected one \.json"):
        taken(path)


def test_zips_that_unpack_to_far_more_are_refused(tmp_path):
    path = tmp_path / "part-000001.zip"
    settings = json.dumps({f"{n}.png": {"p": "x"} for n in range(3)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("part-000001.json", settings)
        for n in range(3):
            archive.writestr(f"{n}.png", bytes(30_000_000))
    with pytest.raises(
        ValueError, match=r"part-000001\.zip would unpack to over 67,108,864 bytes"
    ):
        taken(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("part-000001.json", settings)
    with pytest.raises(ValueError, match="expected a zip packed by deflate"):
        taken(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("part-000001.json", "[1]")
    with pytest.raises(ValueError, match="expected the settings of each image"):
        taken(path)
