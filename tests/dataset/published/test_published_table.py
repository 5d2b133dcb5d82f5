"""The authors' record as the last resort: fetched whole, checked, converted, or refused."""

import csv
import gzip
import hashlib
import http.server
import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support import loopback, releasing

import twigma
from tests.core.services.test_deadline import answering
from twigma.builder.release.identity import TWIGMA, Identity, init, load_identity
from twigma.cli import main
from twigma.core import columns
from twigma.core.services import download as downloads
from twigma.core.services.backoff import BackoffPolicy
from twigma.dataset.published import published_table
from twigma.dataset.published.published_columns import conform
from twigma.rehydrate.ids.post_ids import read_ids


def load(*arguments, **options):
    return datasets.load_dataset("twigma", *arguments, split="train", **options)


def published(ids=None, rows=80):
    """A table like the one the authors published, as CSV text; every third count is missing and every id is text."""
    ids = ids or [str(releasing.FIRST + 3 * i) for i in range(rows)]
    lines = [",".join(["", *columns.PUBLISHED])]
    for i, post in enumerate(ids):
        counts = ["" if i % 3 == 0 else f"{i}.0", "0", "1"]
        caption = f'"a painting, with ""quotes""\nand {i}"'
        rest = [caption, str(i % 10 + 1), str(i % 2 == 0), "0.25", "1.5", "nan"]
        lines.append(
            ",".join(
                [
                    str(i),
                    post,
                    str(post)[::-1],
                    f"2022-01-0{i % 9 + 1} 10:00:00+00:00",
                    *counts,
                    *rest,
                ]
            )
        )
    return "\n".join(lines) + "\n"


@pytest.fixture
def server(here, monkeypatch):
    """A loopback Zenodo: `files[version]` maps a file name to (bytes, stated MD5), `log` lists requests.

    A file breaks off after `cut` bytes; `ranges` says whether the server goes on where a client asks it to. Every
    call is answered by the status `refuse`, where there is one; `agents` are the names of the clients.
    """
    shutil.rmtree(here / "twigma")

    class Zenodo(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            first = (
                int(self.headers.get("Range", "bytes=0-")[6:-1])
                if self.server.ranges
                else 0
            )
            self.server.log.append((self.path, first))
            self.server.agents.add(self.headers["User-Agent"])
            if self.server.refuse:
                body = b'{"message": "no generic clients"}'
                self.send_response(self.server.refuse)
                self.send_header("Content-Type", "application/json")
                self.send_header("Retry-After", "7")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            version, _, name = self.path.removeprefix("/api/records/").partition(
                "/files/"
            )
            files = self.server.files.get(version)
            if files is None or (name and name not in files):
                self.send_error(404)
                return
            body = (
                files[name][0]
                if name
                else json.dumps(
                    {
                        "metadata": {"version": "1.0.1"},
                        "files": [entry(version, *each) for each in files.items()],
                    }
                )
            )
            self.send_response(206 if first else 200)
            self.end_headers()
            self.wfile.write(
                body[first:][: self.server.cut]
                if isinstance(body, bytes)
                else body.encode()
            )

        def log_message(self, *_):
            pass

    def entry(version, name, content):
        url = f"{host.url}/api/records/{version}/files/{name}"
        return {
            "key": name,
            "size": len(content[0]),
            "checksum": f"md5:{content[1]}",
            "links": {"self": url},
        }

    host = loopback.Server(Zenodo)
    host.files, host.log, host.cut, host.ranges = {}, [], None, True
    host.refuse, host.agents = 0, set()
    monkeypatch.setenv("TWIGMA_ZENODO_URL", f"{host.url}/")
    with host:
        yield host


def offer(server, name, data, version="8031785", md5=None):
    data = data.encode() if isinstance(data, str) else data
    server.files.setdefault(version, {})[name] = (
        data,
        md5 or hashlib.md5(data).hexdigest(),
    )


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
    rows = list(csv.reader(io.StringIO(published())))
    texts = dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))
    return conform(pa.table({name: texts[name] for name in columns.PUBLISHED}), "here")


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "zip", "parquet"])
def test_the_authors_table_is_the_last_resort(here, server, suffix):
    offer(server, "notes.csv", "a,b\n1,2\n")
    offer(server, f"twigma.{suffix}", packed(published(), suffix))
    rows = load()
    assert rows.features == columns.features(columns.PUBLISHED)
    assert rows["id"][:] == [str(releasing.FIRST + 3 * i) for i in range(80)]
    assert rows["like_count"][:4] == [None, 1, 2, None] and rows["possibly_sensitive"][
        :2
    ] == [True, False]
    assert (
        rows[9]["created_at"].isoformat() == "2022-01-01T10:00:00"
        and rows[1]["UMAP_dim_2"] is None
    )
    assert rows[1]["all_captions"] == 'a painting, with "quotes"\nand 1'
    asked = len(server.log)
    assert (
        len(list(load(streaming=True))) == 80 and len(server.log) == asked
    )  # from the cache
    assert (
        twigma.load_dataset(split="train")["id"][:] == rows["id"][:]
        and len(server.log) == asked
    )
    with pytest.raises(FileNotFoundError, match="has no embeddings"):
        load("embeddings")


def test_a_local_release_comes_first(here, server, made):
    shutil.copytree(made / "twigma", here / "twigma")
    assert len(load()) == 26 and not server.log


def test_a_file_with_another_md5_is_refused(here, server):
    offer(server, "twigma.csv", published(), md5="0" * 32)
    with pytest.raises(
        ValueError, match=r"twigma\.csv is damaged: expected md5:0{32}, received"
    ):
        load()
    assert not list(here.rglob("*.csv")) and not list(here.rglob("*.partial"))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (
            [f"{1.49e18 + 512 * i:.0f}" for i in range(80)],
            r"80 of 80 ids \(100.0%\) are multiples of 256",
        ),
        ([f"149{i:013d}000" for i in range(80)], "are multiples of 1,000"),
        (["1.49E+18"] * 80, r"digits, found '1\.49E\+18'"),
        (["1490000000000000001.0"] * 3, "digits, found"),
        (["١٤٩"] * 3, "digits, found"),
    ],
)
def test_damaged_ids_are_refused_and_the_latest_version_is_tried(
    here, server, ids, message
):
    offer(server, "twigma.csv", published(ids))
    with pytest.raises(ValueError, match=message):
        load()
    offer(server, "twigma.csv", published(), version="8031785/versions/latest")
    assert load()["id"][0] == str(releasing.FIRST)


def test_other_values_that_do_not_fit_are_named(here, server):
    offer(server, "twigma.csv", published().replace("2022-01-02 10", "yesterday 10"))
    with pytest.raises(
        ValueError,
        match=r"created_at: expected dates such as .*'yesterday 10.* on row 2",
    ):
        load()


def test_a_server_that_does_not_answer_is_named(here, server, monkeypatch):
    with pytest.raises(
        OSError, match=r"no TWIGMA release here .*404.*`twigma release`"
    ):
        load()
    offer(server, "twigma.p", b"\x80\x04")
    with pytest.raises(
        ValueError, match=r"holds no table with the columns .*found \['twigma.p'\]"
    ):
        load()
    offer(server, "notes.csv", "a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"found \[.*notes\.csv \(a, b\)"):
        load()
    monkeypatch.setenv("TWIGMA_ZENODO_URL", "file:///etc")
    with pytest.raises(
        ValueError, match=r"expected an http\(s\) address of Zenodo .*, found 'file:"
    ):
        load()


def test_one_line_says_that_it_is_the_authors_table(here, server, caplog):
    offer(server, "twigma.csv", published())
    for _ in range(2):  # downloaded, then from the cache
        caplog.clear()
        load()
        url = f"http://127.0.0.1:{server.server_port}/api/records/8031785"
        assert [record.getMessage() for record in caplog.records] == [
            "the table that the authors of TWIGMA published: "
            f"{url}, version 1.0.1, twigma.csv, 80 rows"
        ]
    caplog.clear()
    CliRunner().invoke(main, ["ids", "zenodo"])
    assert "that the authors of TWIGMA published" in caplog.text


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (403, r"records/8031785 refuses access \(HTTP 403: no generic clients\)"),
        (404, r"records/8031785 does not exist \(HTTP 404: no generic clients\)"),
        (
            429,
            r"records/8031785 limits the number of calls \(HTTP 429.*run again in 7 s",
        ),
        (503, r"records/8031785 is out of order \(HTTP 503.*run again later"),
    ],
)
def test_a_refusal_is_named_for_what_it_is(here, server, monkeypatch, status, sentence):
    waits = []
    real = published_table.ServiceClient
    monkeypatch.setattr(
        published_table,
        "ServiceClient",
        lambda *words, **options: real(*words, **options, sleep=waits.append),
    )
    server.refuse = status
    for read in (load, twigma.open_release):
        with pytest.raises(OSError, match=rf"no TWIGMA release here .*{sentence}"):
            read()
    assert all(wait >= 7 for wait in waits)  # as Retry-After asks
    assert bool(waits) is (status in (429, 503))
    answer = CliRunner().invoke(main, ["ids", "zenodo"])
    assert answer.exit_code == 1
    assert re.search(sentence, answer.stderr)


def test_zenodo_sees_our_name(here, server):
    offer(server, "twigma.csv", published())
    load()
    assert len(server.agents) == 1
    assert re.fullmatch(r"twigma/[0-9.]+ \(\+https://.*\)", server.agents.pop())


@pytest.mark.parametrize(
    "form", ["TSV", "semicolons", "BOM", "macOS zip", "two tables"]
)
def test_the_authors_table_in_other_forms(here, server, form):
    rows = list(csv.reader(io.StringIO(published())))
    text = io.StringIO()
    separator = {"TSV": "\t", "semicolons": ";"}.get(form, ",")
    csv.writer(text, delimiter=separator).writerows(rows)
    data = text.getvalue().encode("utf-8-sig" if form == "BOM" else "utf-8")
    name = {"TSV": "twigma.tsv"}.get(form, "twigma.csv")
    if "zip" in form or "two" in form:
        name, buffer = "twigma.zip", io.BytesIO()
        first = "__MACOSX/._a.csv" if "zip" in form else "columns.csv"
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(first, "a,b\n")
            archive.writestr("a.csv", data)
        data = buffer.getvalue()
    offer(server, name, data)
    expected = [str(releasing.FIRST + 3 * i) for i in range(80)]
    assert load()["id"][:] == expected
    answer = CliRunner().invoke(main, ["ids", "zenodo"])
    assert "80 distinct ids on 80 rows" in answer.stdout, answer.stderr


def test_a_damaged_archive_is_refused_without_a_traceback(here, server):
    offer(server, "twigma.zip", packed(published(), "zip")[:-40])
    answer = CliRunner().invoke(main, ["ids", "zenodo"])
    assert answer.exit_code == 1
    assert "twigma.zip: expected a complete table or archive, found" in answer.stderr


def test_a_table_of_an_earlier_revision_is_converted_again(here, server, monkeypatch):
    offer(server, "twigma.csv", published())
    load()
    asked = len(server.log)
    monkeypatch.setattr(published_table, "REVISION", published_table.REVISION + 1)
    folder = published_table.fetch()
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    assert manifest["revision"] == published_table.REVISION
    assert len(server.log) == asked


def test_an_interrupted_download_resumes(here, server):
    text = published()
    offer(server, "twigma.csv", text)
    server.cut = 4000
    path = published_table.fetch_list()
    assert read_ids(path)[0] == [str(releasing.FIRST + 3 * i) for i in range(80)]
    offsets = [first for name, first in server.log if "files" in name]
    assert offsets == list(range(0, len(text), 4000)) and len(offsets) > 1
    server.log.clear()
    assert published_table.fetch_list() == path
    assert len(load()) == 80 and not server.log  # all of it from the cache


def test_a_server_that_only_sends_the_whole_is_asked_again(here, server, monkeypatch):
    monkeypatch.setattr(downloads, "RETRY", BackoffPolicy(attempts=2))
    offer(server, "twigma.zip", packed(published(), "zip"))
    server.cut, server.ranges = 1000, False
    with pytest.raises(OSError, match="broke off at 1,000 of"):
        published_table.fetch_list()
    server.cut = None
    ids, bad = read_ids(published_table.fetch_list())
    assert (len(ids), bad) == (80, [])


def test_a_stored_table_is_looked_for_without_network(here, server):
    """Beside a folder first, then in the cache; not an earlier revision, and not one whose manifest is damaged."""
    assert published_table.stored(here / "mine") is None and not server.log
    offer(server, "twigma.csv", published())
    cached = published_table.fetch()
    asked = len(server.log)
    assert published_table.stored(here / "mine") == cached / published_table.TABLE
    shutil.copytree(cached, here / published_table.FOLDER)
    beside = here / published_table.FOLDER / published_table.TABLE
    assert published_table.stored(here / "mine") == beside
    (beside.parent / "MANIFEST.json").write_text("{", "utf-8")
    assert published_table.stored(here / "mine") == cached / published_table.TABLE
    (cached / "MANIFEST.json").write_text('{"revision": 0}', "utf-8")
    assert published_table.stored(here / "mine") is None
    assert len(server.log) == asked


def test_the_list_of_the_authors_is_a_list_of_ids(here, server):
    """By name in the commands; a published file with rounded ids is passed over for the latest version."""
    offer(
        server, "twigma.csv", published([f"{1.49e18 + 512 * i:.0f}" for i in range(80)])
    )
    said = CliRunner().invoke(main, ["ids", "zenodo"])
    assert (
        said.exit_code == 1
        and "80 of 80 ids (100.0%) are multiples of 256" in said.stderr
    )
    offer(
        server,
        "other.zip",
        packed(published(), "zip"),
        version="8031785/versions/latest",
    )
    said = CliRunner().invoke(main, ["ids", "zenodo"])
    assert ": 80 distinct ids on 80 rows, posts of 2022-01" in said.stdout
    said = CliRunner().invoke(main, ["rehydrate", "--ids", "zenodo", "--dry-run"])
    assert "80 ids, 0 known already, 80 to ask: 1 call, at most $0.40" in said.stdout


def test_a_folder_of_the_authors_list_is_called_twigma(here, server, monkeypatch):
    """Unless it says itself what it is; nothing can be bought without a token, and a dry run writes nothing."""
    monkeypatch.delenv("X_BEARER_TOKEN", raising=False)
    monkeypatch.setenv("TWIGMA_X_TOKEN_FILE", str(here / "none"))
    offer(server, "twigma.csv", published())
    words = ["rehydrate", "--ids", "zenodo", "--work", "new"]
    assert CliRunner().invoke(main, [*words, "--dry-run"]).exit_code == 0
    assert not Path("new").exists()
    assert CliRunner().invoke(main, words).exit_code == 1
    assert load_identity("new") == TWIGMA
    ours = Identity(title="A part of it", name="part")
    init("ours", ours)
    assert CliRunner().invoke(main, [*words[:-1], "ours"]).exit_code == 1
    assert load_identity("ours") == ours


@pytest.mark.parametrize("raw", [b"", b"H"], ids=["body", "head"])
def test_a_record_that_drips_is_given_up(raw, monkeypatch, tmp_path):
    real = published_table.ServiceClient
    monkeypatch.setattr(
        published_table,
        "ServiceClient",
        lambda *words, **options: real(*words, **options, deadline=0.5),
    )
    with answering(b"{", drip=b" ", raw=raw) as (url, _):
        monkeypatch.setenv("TWIGMA_ZENODO_URL", url)
        with pytest.raises(OSError, match="no complete answer"):
            published_table.fetch_list(tmp_path)


def test_a_record_larger_than_any_is_refused(monkeypatch, tmp_path):
    with answering(b" " * (17 << 20)) as (url, _):
        monkeypatch.setenv("TWIGMA_ZENODO_URL", url)
        with pytest.raises(OSError, match="over 16,777,216 bytes"):
            published_table.fetch_list(tmp_path)


def test_a_page_in_place_of_the_record_is_named(monkeypatch, tmp_path):
    with answering(b"<html>", head="Content-Type: text/html\r\n") as (url, _):
        monkeypatch.setenv("TWIGMA_ZENODO_URL", url)
        with pytest.raises(OSError, match="text/html instead of JSON"):
            published_table.fetch_list(tmp_path)
