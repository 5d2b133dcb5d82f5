"""What a stranger's files may name: nothing outside their folder, and ids that are ids."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets.exceptions import DatasetGenerationError
from support.staging import encode, make_shard, pixels

import twigma
from twigma.analysis.inputs import load
from twigma.analysis.inputs.annotation_sheets import sheets
from twigma.core.files import file_sha256, write_json
from twigma.core.safety import untrusted_names
from twigma.rehydrate.images.shards import list_shards

OUTSIDE = [
    "../evil",
    "a/../../evil",
    "/etc/passwd",
    "a\\..\\b",
    "a\nb",
    "a\0b",
    "",
    ".",
    "a//b",
    "./a",
    "a/",
    "\x7f",
    None,
    7,
]
BAD = [
    "=HYPERLINK(1)",
    "../../etc",
    "1 2",
    "x\n",
    "",
    "12\u0663",
    "a" * 181,
    "1" * 21 + "/",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_paths_that_leave_their_folder_are_refused(name: Any) -> None:
    with pytest.raises(
        ValueError, match="expected a relative path that stays in its folder"
    ):
        untrusted_names.refuse_paths(["fine", name], "MANIFEST.json")


def test_plain_paths_are_fine() -> None:
    untrusted_names.refuse_paths(
        ["a", "train/metadata.jsonl", "..a/b..", "ä b.csv"],
        "x",
    )


def table(name: str, **more: Any) -> pa.Table:
    good = "1480000000000000021"
    return pa.table(
        {"id": [good, good, None], "image_name": [good, f"{good}_1", name], **more}
    )


@pytest.mark.parametrize("name", BAD)
def test_names_that_no_image_has_are_refused(name: str) -> None:
    for given in (table(name), table(name, source=["x", "x", "local"])):
        with pytest.raises(ValueError, match=r"somewhere: image_name .* is not an id"):
            untrusted_names.refuse_names(given, "somewhere")


def test_names_of_images_added_by_hand() -> None:
    untrusted_names.refuse_names(table("my-photo_1.x"), "embeddings")
    untrusted_names.refuse_names(
        table("my-photo_1.x", source=["x", "x", "local"]), "metadata"
    )
    with pytest.raises(ValueError, match="'my-photo' is not an id"):
        untrusted_names.refuse_names(
            table("my-photo", source=["x", "x", "x"]), "metadata"
        )


def test_columns_of_other_types() -> None:
    untrusted_names.refuse_names(
        pa.table({"id": pa.nulls(2), "image_name": pa.array([1, 2])}), "x"
    )
    with pytest.raises(ValueError, match="'=1' is not an id"):
        untrusted_names.refuse_names(
            pa.table({"id": pa.array(["=1"]).dictionary_encode()}), "x"
        )


# ------------------------------------------------------------------ releases


@pytest.fixture
def theirs(made: Path, tmp_path: Path) -> Path:
    """A release that a stranger may change."""
    return Path(shutil.copytree(made / "twigma", tmp_path / "twigma"))


def rename(
    release: Path, name: str, config: str = "metadata", column: str = "image_name"
) -> None:
    """Put a name into the first row of a release, and its new hash into the manifest, as a stranger would."""
    path = next(release.glob(f"{config}-*.parquet"))
    found = pq.read_table(path)
    at = found.column_names.index(column)
    values = [name, *found[column].to_pylist()[1:]]
    pq.write_table(
        found.set_column(at, found.schema.field(at), pa.array(values, pa.string())),
        path,
    )
    manifest = json.loads((release / "MANIFEST.json").read_text())
    facts = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    manifest["files"][path.relative_to(release).as_posix()] |= facts
    write_json(release / "MANIFEST.json", manifest)


@pytest.mark.parametrize("column", ["id", "image_name"])
def test_a_formula_as_a_name_is_refused_by_everything_that_reads_a_release(
    theirs: Path, tmp_path: Path, column: str
) -> None:
    rename(theirs, '=HYPERLINK("https://evil.example")', column=column)
    for read in (
        lambda: twigma.load_dataset(
            data_dir=str(theirs), split="train", cache_dir=str(tmp_path / "cache")
        ),
        lambda: list(
            twigma.load_dataset(data_dir=str(theirs), split="train", streaming=True)
        ),
        lambda: load.load(theirs, None, {}),
        lambda: sheets(theirs, tmp_path / "sheets"),
    ):
        with pytest.raises(
            (ValueError, DatasetGenerationError),
            match=f"{column} '=HYPERLINK.* is not an id",
        ):
            read()
    assert not (tmp_path / "sheets").exists()


def test_a_name_in_the_embeddings_too(theirs: Path, tmp_path: Path) -> None:
    rename(theirs, "@SUM(A1)", "embeddings")
    with pytest.raises(ValueError, match="'@SUM"):
        load.load(theirs, None, {})


@pytest.mark.parametrize(
    "name",
    ["../secret.parquet", "train/../../secret.parquet", "/etc/passwd", "a\\b"],
)
def test_a_manifest_that_names_a_file_outside_is_refused(
    theirs: Path, name: str
) -> None:
    (theirs.parent / "secret.parquet").write_bytes(b"secret")
    manifest = json.loads((theirs / "MANIFEST.json").read_text())
    manifest["files"][name] = {
        "bytes": 6,
        "sha256": file_sha256(theirs.parent / "secret.parquet"),
    }
    write_json(theirs / "MANIFEST.json", manifest)
    for read in (twigma.read_manifest, twigma.check_files, twigma.find_release):
        with pytest.raises(ValueError, match="stays in its folder"):
            read(theirs)


def test_a_link_that_leads_out_is_refused(theirs: Path, tmp_path: Path) -> None:
    path = next(theirs.glob("metadata-*.parquet"))
    path.rename(tmp_path / "elsewhere.parquet")
    path.symlink_to(tmp_path / "elsewhere.parquet")
    for read in (twigma.check_files, lambda folder: load.load(folder, None, {})):
        with pytest.raises(ValueError, match="is a link that leads to"):
            read(theirs)


def test_a_download_of_the_hub_is_links_into_its_own_store(
    made: Path, tmp_path: Path
) -> None:
    folder, blobs = tmp_path / "snapshots" / "commit", tmp_path / "blobs"
    shutil.copytree(made / "twigma", folder)
    blobs.mkdir()
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        path.rename(blobs / path.name)
        path.symlink_to(blobs / path.name)
    twigma.check_files(folder)
    assert len(load.load(folder, None, {}).images.table) == 26


# ------------------------------------------------------------------ fine-tuning sets, shards


def liked(folder: Path, file_name: str = "a.jpg") -> Path:
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "a.jpg").write_bytes(encode(pixels(1)))
    row = {"file_name": file_name, "text": "t", "image_name": "1", "like_count": 1}
    pq.write_table(pa.Table.from_pylist([row]), folder / "train/metadata.parquet")
    splits = {"train": 1, "validation": 0, "test": 0}
    manifest = {
        "dataset": "twigma-liked",
        "splits": splits,
        "files": {"train/a.jpg": {}, "train/metadata.parquet": {}},
    }
    write_json(folder / "MANIFEST.json", manifest)
    return folder


def load_liked(folder: Path, cache: Path) -> Any:
    return twigma.load_dataset(
        "liked", liked=str(folder), split="train", cache_dir=str(cache)
    )


def test_liked_images_are_those_of_their_folder(tmp_path: Path) -> None:
    assert len(load_liked(liked(tmp_path / "good"), tmp_path / "cache")) == 1
    (tmp_path / "secret.jpg").write_bytes(encode(pixels(2)))
    for number, name in enumerate(
        ["../../secret.jpg", str(tmp_path / "secret.jpg"), "a\\b.jpg"]
    ):
        with pytest.raises(DatasetGenerationError, match="stays in its folder"):
            load_liked(liked(tmp_path / f"bad{number}", name), tmp_path / "cache")


def test_a_linked_picture_and_a_manifest_with_a_way_out_are_refused(
    tmp_path: Path,
) -> None:
    folder = liked(tmp_path / "links")
    (folder / "train" / "a.jpg").rename(tmp_path / "secret.jpg")
    (folder / "train" / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(ValueError, match="is a link that leads to"):
        twigma.read_liked(folder)
    folder = liked(tmp_path / "out")
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    write_json(folder / "MANIFEST.json", manifest | {"files": {"../secret.jpg": {}}})
    with pytest.raises(ValueError, match="stays in its folder"):
        twigma.read_liked(folder)


def test_images_of_a_working_folder_have_names_of_images(tmp_path: Path) -> None:
    make_shard(tmp_path, "00000", {"1": encode(pixels(1))})
    assert list(twigma.open_images(tmp_path)) == ["1"]
    path = tmp_path / "shards" / "00000.parquet"
    found = pq.read_table(path)
    at = found.column_names.index("image_name")
    pq.write_table(
        found.set_column(
            at, "image_name", pa.array(["=1+1", *found["image_name"].to_pylist()[1:]])
        ),
        path,
    )
    (tmp_path / "shards" / "index.arrow").unlink()
    with pytest.raises(ValueError, match="image_name '=1\\+1' is not an id"):
        twigma.open_images(tmp_path)


@pytest.mark.parametrize(
    ("tar", "sentence"),
    [
        ("../evil.tar", "names the"),
        ("/etc/passwd", "names the"),
        ("sub/evil.tar", "names the"),
        ("a\\b.tar", "names the"),
        (7, "is damaged"),
    ],
)
def test_a_shard_names_a_tar_beside_it_or_one_that_was_added(
    tmp_path: Path, tar: Any, sentence: str
) -> None:
    make_shard(tmp_path, "00000", {"1": encode(pixels(1))})
    path = tmp_path / "shards" / "00000.json"
    write_json(path, json.loads(path.read_text()) | {"tar": tar})
    with pytest.raises(ValueError, match=sentence):
        list_shards(tmp_path)
