"""The content of a reference folder: packed images under names of their own, vectors at norm 1, texts in passages."""

import tarfile
from pathlib import Path

import numpy as np
import open_clip
import pytest
from support.staging import encode, pixels, tiny_clip

from twigma.builder.references.catalogue import TABLE
from twigma.builder.references.diffusiondb import mark_repeats
from twigma.builder.references.folder import (
    MOST_TEXTS,
    PASSAGE,
    add_pictures,
    add_texts,
    add_vectors,
    embed_texts,
)
from twigma.builder.references.model_choice import stated_model, studied_model
from twigma.builder.references.record import open_record, read_records
from twigma.builder.stages.clip_encoder import load_encoder
from twigma.core.parts import read_parts
from twigma.core.workspace import Workspace
from twigma.rehydrate.sources.pictures.contents import Picture


def test_images_of_one_name_stay_apart_and_strange_names_are_harmless(tmp_path):
    data = {kind: encode(pixels(1), kind) for kind in ("PNG", "JPEG", "WEBP")}
    pictures = [
        Picture("data/a", data["PNG"], {"artist": "m"}),
        Picture("data/a", data["JPEG"]),
        Picture("data/../../é b", data["WEBP"]),
    ]
    added = add_pictures(tmp_path, "mine", tmp_path / "data", pictures, "artist")
    assert added == {"images": 3, "failed": 0, "without": 0}
    with tarfile.open(tmp_path / "shards/00000.tar") as tar:
        assert tar.getnames() == [
            "a.png",
            "a.json",
            "data~a.jpg",
            "b.webp",
        ]
    table = Workspace(tmp_path).table()
    assert set(table["source"].to_pylist()) == {"mine"}
    assert table["image_name"].to_pylist() == ["a", "b", "data.a"]
    assert sorted(map(str, table["group"].to_pylist())) == ["None", "None", "m"]


@pytest.mark.parametrize("folder_type", [str, Path, Workspace])
def test_a_folder_is_a_str_a_path_or_a_workspace(tmp_path, folder_type):
    work = folder_type(tmp_path / "refs/mine")
    open_record(work, TABLE["book"]).write()
    pictures = [Picture("data/a", encode(pixels(1)), {"artist": "m"})]
    added = add_pictures(work, "mine", tmp_path / "data", pictures, "artist")
    assert added == {"images": 1, "failed": 0, "without": 0}
    provenance = {"model": "m", "file": "f"}
    rows = np.eye(2)
    added = add_vectors(work, "mine", [(["b", "c"], rows)], provenance, first=0)
    assert added == (2, 1, 0, None)
    assert add_texts(work, "mine", ["a text"], "book") == 1
    assert mark_repeats(folder_type(tmp_path / "refs/mine")) == 0
    table = Workspace(work).table()
    assert sorted(table["image_name"].to_pylist()) == ["a", "b", "book_000000", "c"]
    assert set(table["source"].to_pylist()) == {"mine"}
    assert studied_model(work)[1]["model"] == "m"
    records = read_records(folder_type(tmp_path / "refs"))
    assert [each.about["name"] for each in records] == ["mine"]


def test_vectors_become_unit_rows_and_those_without_direction_null(tmp_path):
    rows = np.array([[3, 4], [0, 0], [np.nan, 1], [1e-30, 0], [6e4, 8e4]])
    made = add_vectors(
        tmp_path,
        "v",
        [(None, rows[:3]), (None, rows[3:])],
        {"model": "m", "file": "f"},
        first=5,
    )
    assert made == (5, 2, 2, 1)
    table = Workspace(tmp_path).table("embed")
    expected = [[0.6, 0.8], None, None, [1, 0], [0.6, 0.8]]
    for found, wanted in zip(table["embedding"].to_pylist(), expected, strict=True):
        np.testing.assert_allclose(
            [] if found is None else found, [] if wanted is None else wanted, atol=1e-3
        )
    assert [path.name for path in sorted((tmp_path / "columns/embed").iterdir())] == [
        "00005.arrow",
        "00006.arrow",
    ]
    with pytest.raises(ValueError, match="two rows would have the name x"):
        add_vectors(
            tmp_path,
            "v",
            [(["x", "x"], rows[:2])],
            {"model": "m", "file": "g"},
            first=7,
        )
    assert not (tmp_path / "columns/embed/00007.arrow").exists()


def test_of_many_texts_whole_passages_are_embedded(tmp_path):
    clip = tiny_clip(tmp_path / "clip")
    words = [f"text {number}" for number in range(MOST_TEXTS + 25)]
    assert add_texts(tmp_path, "t", words, "book") == len(words)
    made = (stated_model(str(clip)), str(clip), None, "cpu", None)
    assert embed_texts(tmp_path, *made, revision=None) == MOST_TEXTS
    assert embed_texts(tmp_path, *made, revision=None) == 0
    part = read_parts(tmp_path / "columns/embed_text")
    numbers = np.array(
        [int(name[5:]) for name in part["image_name"].to_pylist()]
    ).reshape(-1, PASSAGE)
    assert (np.diff(numbers, axis=1) == 1).all() and (np.diff(numbers[:, 0]) > 0).all()
    expected = load_encoder(str(clip)).encode_text([words[numbers[-1, -1]]])
    np.testing.assert_array_equal(
        np.array(part["embedding"][-1].as_py(), np.float16), expected[0]
    )
    pieces = open_clip.tokenizer.SimpleTokenizer().encode(words[numbers[-1, -1]])
    assert part["tokens"][-1].as_py() == len(pieces) + 2
