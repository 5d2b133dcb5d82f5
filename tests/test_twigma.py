"""Loading by name: from every tool and folder; and the packaged wheel."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import datasets
import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from support import releasing

import twigma
from twigma.builder.release.release import release
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.parts import read_part, write_part

ROOT = pathlib.Path(__file__).resolve().parents[1]
IDS = [
    None,
    None,
    "1490000000000000001",
    None,
    "1490000000000000003",
    "9007199254740993",
    "1490000000000000002",
    None,
]
IDS += ["18446744073709551615", "7", "0000000000000000001", None]
LIKES = {
    each: None if at < 5 else at for at, each in enumerate(sorted(filter(None, IDS)))
} | {None: 9}


def load(*arguments, **options):
    return datasets.load_dataset("twigma", *arguments, split="train", **options)


# ------------------------------------------------------------ without ours


def test_a_folder_with_a_release_needs_nothing_of_ours(made, tmp_path):
    shutil.copytree(made / "twigma", tmp_path / "twigma")
    (tmp_path / "twigma.py").symlink_to(ROOT / "twigma.py")  # as in a checkout
    code = """
import sys
from datasets import load_dataset
print(len(load_dataset("twigma", split="train")), len(load_dataset("twigma", "embeddings", split="train")))
print(list(load_dataset("twigma", split="train", streaming=True))[0]["id"])
print("twigma" in sys.modules)
"""
    assert releasing.run(tmp_path, code).split() == [
        "26",
        "26",
        "1490000000000000001",
        "False",
    ]


def test_another_release_is_not_answered_from_the_cache_of_the_first(made, tmp_path):
    """Of equal columns, at another place and then at the same place."""
    code = "from datasets import load_dataset; print(len(load_dataset('twigma', split='train')))"
    shutil.copytree(made / "twigma", tmp_path / "one" / "twigma")
    (tmp_path / "two").mkdir()
    release(
        releasing.make_work(tmp_path / "work", posts=12), tmp_path / "two" / "twigma"
    )
    cache = {"HF_HOME": str(tmp_path / "hf")}
    first, second = (
        releasing.run(tmp_path / name, code, **cache).strip() for name in ("one", "two")
    )
    assert first == "26"
    assert second != first
    shutil.rmtree(tmp_path / "two" / "twigma")
    shutil.copytree(made / "twigma", tmp_path / "two" / "twigma")
    assert releasing.run(tmp_path / "two", code, **cache).strip() == first


@pytest.fixture(scope="module")
def sparse(tmp_path_factory):
    """A release of ids that numbers would damage, with nulls around, and no likes known on its first rows."""
    folder = tmp_path_factory.mktemp("sparse")
    releasing.make_work(folder / "work", posts=len(IDS) - 1, local=True)
    table = pq.read_table(folder / "work/images.parquet")
    write_parquet(
        folder / "work/images.parquet",
        columns.add(table, id=IDS, like_count=[LIKES[i] for i in IDS]),
    )
    part = folder / "work/columns/dedupe/part.arrow"
    write_part(part, columns.add(read_part(part).replace_schema_metadata(), id=IDS), {})
    release(folder / "work", folder / "twigma")
    return folder


READERS = {
    "pyarrow": lambda folder: releasing.read(pathlib.Path(folder)).to_pandas(
        types_mapper=pd.ArrowDtype
    ),
    "pandas": lambda folder: pd.concat(
        map(pd.read_parquet, pathlib.Path(folder).glob("metadata-*.parquet"))
    ),
    "polars": lambda folder: pl.read_parquet(
        f"{folder}/metadata-*.parquet"
    ).to_pandas(),
    "duckdb": lambda folder: duckdb.sql(
        f"SELECT * FROM '{folder}/metadata-*.parquet'"
    ).df(),
    "datasets": lambda folder: datasets.load_dataset(folder, split="train").to_pandas(),
    "datasets, streaming": lambda folder: pd.DataFrame(
        datasets.load_dataset(folder, split="train", streaming=True)
    ),
    "twigma": lambda folder: twigma.load_dataset(
        data_dir=folder, split="train"
    ).to_pandas(),
    "twigma, streaming": lambda folder: pd.DataFrame(
        twigma.load_dataset(data_dir=folder, split="train", streaming=True)
    ),
}


@pytest.mark.parametrize("reader", READERS)
def test_ids_are_exact_and_nulls_stay_nulls_in_every_tool(
    sparse, reader, tmp_path, monkeypatch
):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    table = READERS[reader](str(sparse / "twigma"))
    rows = [
        tuple(None if pd.isna(cell) else cell for cell in row)
        for row in table[["id", "like_count"]].to_numpy()
    ]
    known = sorted(filter(None, IDS))
    assert rows == [(each, LIKES[each]) for each in known] + [(None, LIKES[None])] * (
        len(IDS) - len(known)
    )
    assert [likes for _, likes in rows[:6]] == [None] * 5 + [5]


# ---------------------------------------------------------------- with ours


@pytest.mark.parametrize(
    "first", ["import twigma; import datasets", "import datasets; import twigma"]
)
def test_the_name_is_known_in_any_folder_after_import(made, tmp_path, first):
    code = f"""
{first}
print(len(datasets.load_dataset("twigma", split="train")), datasets.get_dataset_config_names("twigma"))
print(len(datasets.load_dataset("csv", data_files="a.csv", split="train")))
"""
    (tmp_path / "a.csv").write_text("x\n1\n2\n")
    lines = releasing.run(
        tmp_path, code, TWIGMA_DATA_DIR=str(made / "twigma")
    ).splitlines()
    assert lines == ["26 ['metadata', 'embeddings', 'images', 'liked']", "2"]


def test_importing_ours_is_light_and_works_from_a_checkout(tmp_path):
    code = "import sys, twigma; print(sorted({'datasets', 'torch', 'faiss', 'pyarrow', 'numpy'} & set(sys.modules)))"
    assert releasing.run(tmp_path, code).strip() == "[]"
    (tmp_path / "checkout").mkdir()
    for name in ("twigma.py", "core", "dataset", "rehydrate"):
        (tmp_path / "checkout" / name).symlink_to(ROOT / name)
    code = "import twigma, twigma.core.columns; print(twigma.__file__, twigma.core.columns.PUBLISHED[0])"
    out = releasing.run(tmp_path / "checkout", code).split()
    assert out == [str(tmp_path / "checkout/twigma.py"), "id"]


def test_loading_needs_the_base_install_only(here):
    """The packages of the stages are as if they were not there."""
    code = """
import importlib.machinery, sys
class Installed(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] not in OTHERS:
            return super().find_spec(name, path, target)
at = sys.meta_path.index(importlib.machinery.PathFinder)
sys.meta_path[at] = Installed
import twigma
from twigma.dataset.published import published_table
rows = twigma.load_dataset(split="train")
stream = twigma.load_dataset("images", shards="work", split="train", streaming=True)
first = list(stream.cast_column("image", __import__("datasets").Image(decode=False)))[0]
print(len(rows), len(twigma.open_release().embeddings), len(first["image"]["bytes"]) > 100)
print(len(published_table.columns.PUBLISHED))
"""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    listed = [*extras["models"], *extras["analysis"], *extras["ray"]]
    others = {re.split(r"[^A-Za-z0-9_-]", each)[0] for each in listed}
    others |= {"open_clip", "sklearn", "faiss", "umap", "cv2", "PIL", "img2dataset"}
    assert "torch" in others
    answer = releasing.run(here, f"OTHERS = {sorted(others)!r}\n{code}")
    assert answer.split() == ["26", "26", "True", "12"]


def test_the_local_release_is_found(here):
    assert (
        load().num_rows
        == len(load(data_dir="twigma"))
        == len(twigma.load_dataset(split="train"))
        == 26
    )
    found = load("embeddings")
    assert found.features["embedding"] == datasets.List(
        datasets.Value("float16"), length=releasing.DIM
    )
    assert found.with_format("numpy")["embedding"][:].shape == (26, releasing.DIM)
    assert load().features == columns.features(columns.METADATA)
    popular = load(columns=["id", "like_count"], filters=[("like_count", ">=", 200)])
    assert (
        popular.column_names == ["id", "like_count"]
        and min(popular["like_count"]) >= 200
    )
    assert len(list(load(streaming=True))) == 26
    explicit = load(data_files={"train": "twigma/metadata-*.parquet"})
    assert explicit["id"][:] == load()["id"][:]


def test_the_environment_names_the_release(here, monkeypatch):
    (here / "twigma").rename(here / "elsewhere")
    monkeypatch.setenv("TWIGMA_DATA_DIR", str(here / "elsewhere"))
    assert len(load()) == 26


def test_a_changed_release_is_read_again(here):
    assert len(load()) == 26
    release(here / "work", here / "twigma", near_duplicates="keep")
    assert len(load()) == 27


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
def test_a_damaged_release_is_refused(here, damage):
    path = next((here / "twigma").glob("metadata-*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data if damage == "flipped" else data[:-9])
    if damage == "missing":
        path.unlink()
    with pytest.raises(
        ValueError, match="is missing" if damage == "missing" else "is damaged"
    ):
        load()


def test_a_parquet_file_that_is_not_of_the_release_is_not_read(here):
    path = next((here / "twigma").glob("metadata-*.parquet"))
    shutil.copy(path, path.with_name("copy.parquet"))
    assert len(load()) == 26


def test_half_of_a_download_is_refused_and_not_replaced_by_the_authors_table(
    here, monkeypatch
):
    monkeypatch.setenv("TWIGMA_ZENODO_URL", "http://127.0.0.1:9")  # nobody answers
    (here / "twigma/MANIFEST.json").unlink()
    for read in (load, twigma.open_release, twigma.find_release):
        with pytest.raises(
            ValueError,
            match=r"twigma is incomplete: it has metadata-train-00000-of-00001\.parquet, embeddings.*but no MANIFEST",
        ):
            read()
    shutil.rmtree(here / "twigma")
    (here / "twigma").mkdir()
    (here / "twigma/croissant.json").write_text("{}")
    with pytest.raises(ValueError, match=r"it has croissant\.json, but no MANIFEST"):
        load()


def test_what_is_missing_of_a_release_and_what_is_there_is_named(here):
    path = next((here / "twigma").glob("embeddings-*"))
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(
        ValueError, match=f"expected {size:,} bytes, found {size - 9:,}.*download"
    ):
        load("embeddings")
    path.unlink()
    with pytest.raises(
        ValueError,
        match=r"incomplete: embeddings-train-00000-of-00001\.parquet is missing; of what its MANIFEST.json lists it "
        r"has DATASHEET\.md, README\.md, croissant\.json, metadata-train-00000-of-00001\.parquet, removals\.txt; copy",
    ):
        load("embeddings")
    assert len(load()) == 26  # the metadata is complete
    twigma.check_files(here / "twigma", "README.md")


@pytest.mark.parametrize("name", ["MANIFEST.json", "../x", "notes.md"])
def test_a_file_that_no_manifest_lists_cannot_be_checked(here, name):
    with pytest.raises(ValueError, match=f"lists, found {re.escape(name)}"):
        twigma.check_files(here / "twigma", [name])


@pytest.mark.parametrize(
    "manifest",
    [None, "{", "[]", '{"dataset": "other", "files": {}}', '{"dataset": "twigma"}'],
)
def test_a_folder_that_is_not_a_release_is_refused(tmp_path, manifest):
    if manifest is not None:
        (tmp_path / "MANIFEST.json").write_text(manifest)
    with pytest.raises(ValueError, match="is not a TWIGMA release"):
        twigma.find_release(tmp_path)


def test_a_folder_of_the_same_name_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "twigma").mkdir()
    (tmp_path / "twigma/__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TWIGMA_DATA_DIR", raising=False)
    assert twigma.find_release() is None


# ------------------------------------------------------------------ wheel


def test_the_wheel_holds_the_package_and_its_data_only(tmp_path):
    command = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "-t",
        "wheel",
        "-d",
        str(tmp_path),
    ]
    subprocess.run(
        command,
        cwd=ROOT,
        check=True,
        capture_output=True,
        env=os.environ | {"SOURCE_DATE_EPOCH": "0"},
    )
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    version = f"twigma-{twigma.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"twigma", version}
    package = ROOT / "src/twigma"
    for folder, _, files in os.walk(package, followlinks=True):
        if "__pycache__" not in folder:
            inside = pathlib.Path("twigma") / pathlib.Path(folder).relative_to(package)
            assert {str(inside / name) for name in files} <= names
    assert {
        "twigma/__init__.py",
        "twigma/dataset/loader.py",
        "twigma/dataset_card.md",
        "twigma/core/columns/declared.py",
    } <= names
    entry = (
        zipfile.ZipFile(next(tmp_path.glob("*.whl")))
        .read(f"{version}/entry_points.txt")
        .decode()
    )
    assert "twigma = twigma.cli:main" in entry
