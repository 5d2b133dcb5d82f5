"""Loading by name: from every tool and folder, joined to images, from the authors' record; and the packaged wheel."""

import gzip
import hashlib
import http.server
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import zipfile

import datasets
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import releasing
from click.testing import CliRunner

import twigma
from twigma import columns, zenodo
from twigma.builder.release import release
from twigma.cli import main
from twigma.rehydrate.ids import read_ids

ROOT = pathlib.Path(__file__).resolve().parents[1]
IDS = [None, None, "1490000000000000001", None, "1490000000000000003", "9007199254740993", "1490000000000000002", None]
IDS += ["18446744073709551615", "7", "0000000000000000001", None]
LIKES = {each: None if at < 5 else at for at, each in enumerate(sorted(filter(None, IDS)))} | {None: 9}


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
print(next(iter(load_dataset("twigma", split="train", streaming=True)))["id"])
print("twigma" in sys.modules)
"""
    assert releasing.run(tmp_path, code).split() == ["26", "26", "1490000000000000001", "False"]


def test_another_release_is_not_answered_from_the_cache_of_the_first(made, tmp_path):
    """Of equal columns, at another place and then at the same place."""
    code = "from datasets import load_dataset; print(len(load_dataset('twigma', split='train')))"
    shutil.copytree(made / "twigma", tmp_path / "one" / "twigma")
    (tmp_path / "two").mkdir()
    release(releasing.make_work(tmp_path / "work", posts=12), tmp_path / "two" / "twigma")
    cache = {"HF_HOME": str(tmp_path / "hf")}
    first, second = (releasing.run(tmp_path / name, code, **cache).strip() for name in ("one", "two"))
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
    columns.write_parquet(
        folder / "work/images.parquet", columns.add(table, id=IDS, like_count=[LIKES[i] for i in IDS])
    )
    part = folder / "work/columns/dedupe/part.arrow"
    columns.write_part(part, columns.add(columns.read_arrow(part).replace_schema_metadata(), id=IDS), {})
    release(folder / "work", folder / "twigma")
    return folder


READERS = {
    "pyarrow": lambda folder: pq.read_table(f"{folder}/metadata").to_pandas(types_mapper=pd.ArrowDtype),
    "pandas": lambda folder: pd.read_parquet(f"{folder}/metadata"),
    "polars": lambda folder: pl.read_parquet(f"{folder}/metadata/*.parquet").to_pandas(),
    "duckdb": lambda folder: duckdb.sql(f"SELECT * FROM '{folder}/metadata/*.parquet'").df(),
    "datasets": lambda folder: datasets.load_dataset(folder, split="train").to_pandas(),
    "datasets, streaming": lambda folder: pd.DataFrame(datasets.load_dataset(folder, split="train", streaming=True)),
    "twigma": lambda folder: twigma.load_dataset(data_dir=folder, split="train").to_pandas(),
    "twigma, streaming": lambda folder: pd.DataFrame(
        twigma.load_dataset(data_dir=folder, split="train", streaming=True)
    ),
}


@pytest.mark.parametrize("reader", READERS)
def test_ids_are_exact_and_nulls_stay_nulls_in_every_tool(sparse, reader, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    table = READERS[reader](str(sparse / "twigma"))
    rows = [tuple(None if pd.isna(cell) else cell for cell in row) for row in table[["id", "like_count"]].to_numpy()]
    known = sorted(filter(None, IDS))
    assert rows == [(each, LIKES[each]) for each in known] + [(None, LIKES[None])] * (len(IDS) - len(known))
    assert [likes for _, likes in rows[:6]] == [None] * 5 + [5]


# ---------------------------------------------------------------- with ours


@pytest.mark.parametrize("first", ["import twigma; import datasets", "import datasets; import twigma"])
def test_the_name_is_known_in_any_folder_after_import(made, tmp_path, first):
    code = f"""
{first}
print(len(datasets.load_dataset("twigma", split="train")), datasets.get_dataset_config_names("twigma"))
print(len(datasets.load_dataset("csv", data_files="a.csv", split="train")))
"""
    (tmp_path / "a.csv").write_text("x\n1\n2\n")
    lines = releasing.run(tmp_path, code, TWIGMA_DATA_DIR=str(made / "twigma")).splitlines()
    assert lines == ["26 ['metadata', 'embeddings', 'images', 'liked']", "2"]


def test_importing_ours_is_light_and_works_from_a_checkout(tmp_path):
    code = "import sys, twigma; print(sorted({'datasets', 'torch', 'faiss', 'pyarrow', 'numpy'} & set(sys.modules)))"
    assert releasing.run(tmp_path, code).strip() == "[]"
    (tmp_path / "checkout").mkdir()
    for name in ("twigma.py", "checksum.py", "columns.py", "loader.py", "zenodo.py", "rehydrate"):
        (tmp_path / "checkout" / name).symlink_to(ROOT / name)
    code = "import twigma, twigma.columns; print(twigma.__file__, twigma.columns.PUBLISHED[0])"
    out = releasing.run(tmp_path / "checkout", code).split()
    assert out == [str(tmp_path / "checkout/twigma.py"), "id"]


def test_the_local_release_is_found(here):
    assert load().num_rows == len(load(data_dir="twigma")) == len(twigma.load_dataset(split="train")) == 26
    found = load("embeddings")
    assert found.features["embedding"] == datasets.List(datasets.Value("float16"), length=releasing.DIM)
    assert found.with_format("numpy")["embedding"][:].shape == (26, releasing.DIM)
    assert load().features == columns.features(columns.METADATA)
    popular = load(columns=["id", "like_count"], filters=[("like_count", ">=", 200)])
    assert popular.column_names == ["id", "like_count"] and min(popular["like_count"]) >= 200
    assert len(list(load(streaming=True))) == 26
    explicit = load(data_files={"train": "twigma/metadata/*.parquet"})
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
    path = next((here / "twigma/metadata").glob("*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data if damage == "flipped" else data[:-9])
    if damage == "missing":
        path.unlink()
    with pytest.raises(ValueError, match="is missing" if damage == "missing" else "is damaged"):
        load()


def test_a_parquet_file_that_is_not_of_the_release_is_not_read(here):
    path = next((here / "twigma/metadata").glob("*.parquet"))
    shutil.copy(path, path.with_name("copy.parquet"))
    assert len(load()) == 26


@pytest.mark.parametrize("manifest", [None, "{", "[]", '{"dataset": "other", "files": {}}', '{"dataset": "twigma"}'])
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


# ----------------------------------------------------------------- zenodo


def published(ids=None, rows=80):
    """A table like the one the authors published, as CSV text; every third count is missing and every id is text."""
    ids = ids or [str(releasing.FIRST + 3 * i) for i in range(rows)]
    lines = [",".join(["", *columns.PUBLISHED])]
    for i, post in enumerate(ids):
        counts = ["" if i % 3 == 0 else f"{i}.0", "0", "1"]
        caption = f'"a painting, with ""quotes""\nand {i}"'
        rest = [caption, str(i % 10 + 1), str(i % 2 == 0), "0.25", "1.5", "nan"]
        lines.append(",".join([str(i), post, str(post)[::-1], f"2022-01-0{i % 9 + 1} 10:00:00+00:00", *counts, *rest]))
    return "\n".join(lines) + "\n"


@pytest.fixture
def server(here, monkeypatch):
    """A loopback Zenodo: `files[version]` maps a file name to (bytes, stated MD5), `log` lists requests.

    A file breaks off after `cut` bytes; `ranges` says whether the server goes on where a client asks it to.
    """
    shutil.rmtree(here / "twigma")

    class Zenodo(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            first = int(self.headers.get("Range", "bytes=0-")[6:-1]) if self.server.ranges else 0
            self.server.log.append((self.path, first))
            version, _, name = self.path.removeprefix("/api/records/").partition("/files/")
            files = self.server.files.get(version)
            if files is None or (name and name not in files):
                self.send_error(404)
                return
            body = files[name][0] if name else json.dumps({"files": [entry(version, *each) for each in files.items()]})
            self.send_response(206 if first else 200)
            self.end_headers()
            self.wfile.write(body[first:][: self.server.cut] if isinstance(body, bytes) else body.encode())

        def log_message(self, *_):
            pass

    def entry(version, name, content):
        url = f"http://127.0.0.1:{host.server_port}/api/records/{version}/files/{name}"
        return {"key": name, "size": len(content[0]), "checksum": f"md5:{content[1]}", "links": {"self": url}}

    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Zenodo)
    host.files, host.log, host.cut, host.ranges = {}, [], None, True
    thread = threading.Thread(target=host.serve_forever)
    thread.start()
    monkeypatch.setenv("TWIGMA_ZENODO_URL", f"http://127.0.0.1:{host.server_port}/")
    yield host
    host.shutdown()
    thread.join()
    host.server_close()


def offer(server, name, data, version="8031785", md5=None):
    data = data.encode() if isinstance(data, str) else data
    server.files.setdefault(version, {})[name] = (data, md5 or hashlib.md5(data).hexdigest())


def packed(text, suffix):
    if suffix == "csv":
        return text
    if suffix == "csv.gz":
        return gzip.compress(text.encode())
    buffer = io.BytesIO()
    if suffix == "parquet":
        pq.write_table(zenodo_table(), buffer)
    else:
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("readme.txt", "hello")
            archive.writestr("data/twigma.csv", text)
    return buffer.getvalue()


def zenodo_table():
    return zenodo.conform(zenodo._read_csv(io.BytesIO(published().encode())), "here")


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "zip", "parquet"])
def test_the_authors_table_is_the_last_resort(here, server, suffix):
    offer(server, "notes.csv", "a,b\n1,2\n")
    offer(server, f"twigma.{suffix}", packed(published(), suffix))
    rows = load()
    assert rows.features == columns.features(columns.PUBLISHED)
    assert rows["id"][:] == [str(releasing.FIRST + 3 * i) for i in range(80)]
    assert rows["like_count"][:4] == [None, 1, 2, None] and rows["possibly_sensitive"][:2] == [True, False]
    assert rows[9]["created_at"].isoformat() == "2022-01-01T10:00:00" and rows[1]["UMAP_dim_2"] is None
    assert rows[1]["all_captions"] == 'a painting, with "quotes"\nand 1'
    asked = len(server.log)
    assert len(list(load(streaming=True))) == 80 and len(server.log) == asked  # from the cache
    assert twigma.load_dataset(split="train")["id"][:] == rows["id"][:] and len(server.log) == asked
    with pytest.raises(FileNotFoundError, match="has no embeddings"):
        load("embeddings")


def test_a_local_release_comes_first(here, server, made):
    shutil.copytree(made / "twigma", here / "twigma")
    assert len(load()) == 26 and not server.log


def test_a_file_with_another_md5_is_refused(here, server):
    offer(server, "twigma.csv", published(), md5="0" * 32)
    with pytest.raises(ValueError, match=r"twigma\.csv: expected md5 0{32}, found"):
        load()
    assert not list(here.rglob("*.csv")) and not list(here.rglob("*.partial"))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([f"{1.49e18 + 512 * i:.0f}" for i in range(80)], r"80 of 80 ids \(100.0%\) are multiples of 256"),
        ([f"149{i:013d}000" for i in range(80)], "are multiples of 1000"),
        (["1.49E+18"] * 80, r"digits, found '1\.49E\+18'"),
        (["1490000000000000001.0"] * 3, "digits, found"),
        (["١٤٩"] * 3, "digits, found"),
    ],
)
def test_damaged_ids_are_refused_and_the_latest_version_is_tried(here, server, ids, message):
    offer(server, "twigma.csv", published(ids))
    with pytest.raises(ValueError, match=message):
        load()
    offer(server, "twigma.csv", published(), version="8031785/versions/latest")
    assert load()["id"][0] == str(releasing.FIRST)


def test_other_values_that_do_not_fit_are_named(here, server):
    offer(server, "twigma.csv", published().replace("2022-01-02 10", "yesterday 10"))
    with pytest.raises(ValueError, match="created_at is not timestamp"):
        load()
    table = zenodo_table()
    with pytest.raises(ValueError, match="expected post ids as text, found int64"):
        zenodo.conform(table.set_column(0, "id", table["id"].cast(pa.int64())), "here")


def test_a_server_that_does_not_answer_is_named(here, server, monkeypatch):
    with pytest.raises(OSError, match=r"no TWIGMA release here .*404.*`twigma release`"):
        load()
    offer(server, "twigma.p", b"\x80\x04")
    with pytest.raises(ValueError, match=r"holds no table with the columns .*found \['twigma.p'\]"):
        load()
    monkeypatch.setenv("TWIGMA_ZENODO_URL", "file:///etc")
    with pytest.raises(ValueError, match=r"expected an http\(s\) address, found 'file:"):
        load()


def test_a_download_that_breaks_off_goes_on(here, server):
    text = published()
    offer(server, "twigma.csv", text)
    server.cut = 4000
    for found in ("4,000", "8,000"):
        with pytest.raises(OSError, match=rf"twigma\.csv: the download broke off at {found} of {len(text):,} bytes"):
            zenodo.fetch_list()
    server.cut = None
    path = zenodo.fetch_list()
    assert path.read_text() == text and [first for name, first in server.log if "files" in name] == [0, 4000, 8000]
    server.log.clear()
    assert zenodo.fetch_list() == path and len(load()) == 80 and not server.log  # all of it from the cache


def test_a_server_that_only_sends_the_whole_is_asked_again(here, server):
    offer(server, "twigma.zip", packed(published(), "zip"))
    server.cut, server.ranges = 1000, False
    with pytest.raises(OSError, match="broke off at 1,000 of"):
        zenodo.fetch_list()
    server.cut = None
    ids, bad = read_ids(zenodo.fetch_list())
    assert (len(ids), bad) == (80, [])


def test_the_list_of_the_authors_is_a_list_of_ids(here, server):
    """By name in the commands; a published file with rounded ids is passed over for the latest version."""
    offer(server, "twigma.csv", published([f"{1.49e18 + 512 * i:.0f}" for i in range(80)]))
    said = CliRunner().invoke(main, ["ids", "zenodo"])
    assert said.exit_code == 1 and "80 of 80 ids (100.0%) are multiples of 256" in said.stderr
    offer(server, "other.zip", packed(published(), "zip"), version="8031785/versions/latest")
    said = CliRunner().invoke(main, ["ids", "zenodo"])
    assert "other.zip: 80 distinct ids on 80 rows, posts of 2022-01" in said.stdout
    said = CliRunner().invoke(main, ["rehydrate", "--ids", "zenodo", "--dry-run"])
    assert "80 ids, 0 known already, 80 to ask: 1 call, at most $0.40" in said.stdout


# ------------------------------------------------------------------ wheel


def test_the_wheel_holds_the_package_and_its_data_only(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=os.environ | {"SOURCE_DATE_EPOCH": "0"})
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    version = f"twigma-{twigma.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"twigma", version}
    package = ROOT / "src/twigma"
    for folder, _, files in os.walk(package, followlinks=True):
        if "__pycache__" not in folder:
            inside = pathlib.Path("twigma") / pathlib.Path(folder).relative_to(package)
            assert {str(inside / name) for name in files} <= names
    assert {"twigma/__init__.py", "twigma/loader.py", "twigma/dataset_card.md", "twigma/columns.py"} <= names
    entry = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).read(f"{version}/entry_points.txt").decode()
    assert "twigma = twigma.cli:main" in entry
