"""What `reference add` refuses, counts or tells of, where it was noticed by `analyze` or by nobody before."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.staging import encode, pixels, tiny_clip, units, write_embeddings

from twigma.builder.engine.vectors import read_vectors
from twigma.builder.references.add_reference import add_reference
from twigma.builder.references.file_readers import BLOCK
from twigma.core.workspace import Workspace

MODEL = "some-model"  # whose width nobody knows


@pytest.fixture
def add(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda name, *sources, **options: add_reference(
        name, sources, **{"model": MODEL} | options
    )


@pytest.fixture
def rows():
    return units(np.random.default_rng(0), 6, 8)


def table(path, rows, **others):
    pq.write_table(pa.table({"embedding": list(rows), **others}), path)


# ------------------------------------------------------------------ nothing stays


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("v.npy", {"model": None}),
        ("v.npy", {"like": "nowhere"}),
        ("bad.npy", {}),
        ("absent.npy", {}),
        ("x.docx", {}),
        ("empty.txt", {}),
        ("unreadable", {"model": "clip"}),
    ],
)
def test_a_refused_set_leaves_no_folder(add, rows, tmp_path, source, options):
    np.save("v.npy", rows)
    (tmp_path / "bad.npy").write_bytes(b"no numbers")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "unreadable").mkdir()
    (tmp_path / "unreadable/a.png").write_bytes(encode(pixels(1), "PNG")[:60])
    if options.get("model") == "clip":
        options = {"model": str(tiny_clip(tmp_path / "clip"))}
    with pytest.raises((ValueError, OSError)):
        add("mine", source, **options)
    assert not (tmp_path / "refs/mine").exists()


def test_a_refused_file_does_not_decide_what_a_set_is_of(add, rows, tmp_path):
    clip = tiny_clip(tmp_path / "clip")
    (tmp_path / "bad.npy").write_bytes(b"no numbers")
    (tmp_path / "a.png").write_bytes(encode(pixels(1), "PNG"))
    done = add("mine", "bad.npy", "a.png", model=str(clip))
    assert done.about["kind"] == "images"
    assert done.counts == {"images": 1, "images embedded": 1}
    assert len(done.failures) == 1


def test_a_folder_with_one_bad_archive_is_embedded(add, tmp_path):
    clip = tiny_clip(tmp_path / "clip")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").write_bytes(encode(pixels(1), "PNG"))
    (tmp_path / "photos/bad.tar").write_bytes(b"no tar" * 200)
    done = add("mine", "photos", model=str(clip))
    assert done.counts == {"images": 1, "images embedded": 1}
    with pytest.raises(ValueError, match=r"bad\.tar"):
        done.failures.raise_any()


def test_a_refused_file_leaves_a_set_as_it_was(add, rows, tmp_path, monkeypatch):
    np.save("v.npy", rows)
    add("mine", "v.npy")
    before = read_vectors(tmp_path / "refs/mine")[0]
    np.save("v.npy", rows[:3])  # edited: rows of the same names
    done = add("mine", "v.npy")
    expected = "two rows would have the name v_0000000: .*; rename the file"
    with pytest.raises(ValueError, match=expected):
        done.failures.raise_any()
    assert len(read_vectors(tmp_path / "refs/mine")[0]) == len(before) == 6
    assert len(Workspace(tmp_path / "refs/mine").table("embed")) == 6


def test_embeddings_of_one_name_in_two_folders_are_one_set(add, rows, tmp_path):
    (tmp_path / "other").mkdir()
    np.save("v.npy", rows)
    np.save("other/v.npy", rows[:3])
    add("mine", "v.npy", "other/v.npy").failures.raise_any()
    names = Workspace(tmp_path / "refs/mine").table("embed")["image_name"].to_pylist()
    assert [name for name in names if name.startswith("v-2_")] == [
        "v-2_0000000",
        "v-2_0000001",
        "v-2_0000002",
    ]
    assert len(names) == 9


def test_a_run_that_was_stopped_before_the_record_is_done_again(add, rows, tmp_path):
    np.save("v.npy", rows)
    np.save("w.npy", rows[:3])
    add("mine", "v.npy")
    record = tmp_path / "refs/mine/reference.json"
    before = record.read_text()
    add("mine", "w.npy")
    record.write_text(before)
    assert add("mine", "w.npy").counts == {"embeddings": 3}
    assert len(Workspace(tmp_path / "refs/mine").table("embed")) == 9


# ------------------------------------------------------------------ groups


def test_embeddings_of_a_table_have_groups(add, rows, tmp_path):
    artists = ["monet", "monet", "cassatt", None, "cassatt", "monet"]
    table("v.parquet", rows, artist=artists, id=["a", "b", "c", "d", None, "f"])
    add("mine", "v.parquet", group="artist")
    found = Workspace(tmp_path / "refs/mine").table("embed")
    groups = dict(zip(found["image_name"].to_pylist(), found["group"], strict=True))
    assert {name: group.as_py() for name, group in groups.items()} == {
        "a": "monet", "b": "monet", "c": "cassatt", "d": None, "v_0000004": "cassatt", "f": "monet",
    }  # fmt: skip
    table("named.parquet", rows, group=artists)
    add("other", "named.parquet")
    found = Workspace(tmp_path / "refs/other").table("embed")
    assert found["group"].to_pylist() == artists


def test_a_group_that_is_not_there_is_refused(add, rows, tmp_path):
    table("v.parquet", rows)
    np.save("v.npy", rows)
    (tmp_path / "t.txt").write_text("a line")
    with pytest.raises(ValueError, match=r"v\.parquet has no column 'artist' to group"):
        add("mine", "v.parquet", group="artist")
    with pytest.raises(ValueError, match=r"v\.npy has no columns, so none 'artist'"):
        add("mine", "v.npy", group="artist")
    with pytest.raises(ValueError, match=r"--group artist .* t\.txt holds texts"):
        add("mine", "t.txt", group="artist", model="ViT-L-14/none")


def test_pictures_without_the_field_of_their_group_are_told_of(add, tmp_path):
    clip = str(tiny_clip(tmp_path / "clip"))
    (tmp_path / "a.png").write_bytes(encode(pixels(1), "PNG"))
    done = add("mine", "a.png", group="artist", model=clip)
    assert "no image has a field 'artist'" in done.notes[0]


# ------------------------------------------------------------------ embeddings


def test_the_width_is_that_of_the_set_the_studied_images_or_the_model(
    add, rows, tmp_path
):
    np.save("v.npy", rows)
    np.save("wide.npy", units(np.random.default_rng(1), 5, 12))
    add("mine", "v.npy")
    with pytest.raises(
        ValueError,
        match=r"wide\.npy: expected embeddings of 8 numbers, as in refs.mine, found 12",
    ):
        add("mine", "wide.npy").failures.raise_any()
    write_embeddings(tmp_path / "work", rows, list("abcdef"), model=MODEL)
    with pytest.raises(ValueError, match=r"of 8 numbers, as in work, found 12"):
        add("other", "wide.npy")
    shutil.rmtree(tmp_path / "work")
    with pytest.raises(ValueError, match=r"of 768 numbers, as ViT-L-14/openai makes"):
        add("other", "wide.npy", model="ViT-L-14/openai")
    clip = tiny_clip(tmp_path / "clip")
    config = json.loads((clip / "open_clip_config.json").read_text())
    width = config["model_cfg"]["embed_dim"]
    with pytest.raises(ValueError, match=f"of {width} numbers, as .*clip makes"):
        add("other", "wide.npy", model=str(clip))


def test_a_table_of_two_widths_is_refused(add, rows, tmp_path):
    narrow = np.ones((BLOCK, 3), np.float16)
    table("v.parquet", [*narrow, *rows])
    with pytest.raises(ValueError, match=r"of 3 numbers, as in the first rows of v"):
        add("mine", "v.parquet")
    assert not (tmp_path / "refs/mine").exists()


def test_rows_without_direction_are_counted_and_told_of(add, rows):
    rows[3] = np.nan
    rows[5] = 0
    np.save("v.npy", rows)
    done = add("mine", "v.npy")
    assert done.counts == {"embeddings": 4, "rows of zeros, or not finite": 2}
    assert done.notes == [
        "v.npy: 2 of 6 rows are all zeros or not finite and have no embedding; the first is row 3, counted from 0"
    ]


def test_a_matrix_without_embeddings_is_refused(add, rows):
    np.save("v.npy", rows[:0])
    with pytest.raises(ValueError, match=r"v\.\w+ holds no embeddings: it has 0 rows"):
        add("mine", "v.npy")
    np.save("v.npy", 0 * rows)
    with pytest.raises(ValueError, match="every one of its 6 rows is all zeros or not"):
        add("mine", "v.npy")
    pq.write_table(
        pa.table({"embedding": pa.array([], pa.list_(pa.float32()))}), "v.parquet"
    )
    with pytest.raises(ValueError, match="it has 0 rows"):
        add("mine", "v.parquet")


# ------------------------------------------------------------------ options


def test_options_that_would_be_ignored_are_refused(add, rows, tmp_path):
    np.save("v.npy", rows)
    (tmp_path / "t.txt").write_text("a line")
    with pytest.raises(ValueError, match=r"v\.npy has no columns, so none 'vector'"):
        add("mine", "v.npy", column="vector")
    with pytest.raises(ValueError, match="--files chooses among the files of a datas"):
        add("mine", "v.npy", files=["*.npy"])
    with pytest.raises(ValueError, match="--revision is of a dataset of the Hub"):
        add("mine", "v.npy", revision="main")
    with pytest.raises(ValueError, match="--parts is of DiffusionDB"):
        add("mine", "v.npy", parts=[2, 3])
    with pytest.raises(ValueError, match="--role paintings is a place of images"):
        add("mine", "t.txt", role="paintings")
    assert not (tmp_path / "refs").exists() or not any((tmp_path / "refs").iterdir())
