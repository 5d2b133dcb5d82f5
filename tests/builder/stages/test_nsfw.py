"""The NSFW detector against the original model's answers, its two file forms, its download, and the stage."""

import hashlib
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save_file
from support.staging import units, write_embeddings

from twigma.builder.stages import keras_zip
from twigma.builder.stages import nsfw as stage
from twigma.core.parts import read_parts

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "nsfw"
ZIP = SHARED / "clip_autokeras_binary_nsfw.zip"
needs_original = pytest.mark.skipif(
    not ZIP.exists(), reason="the original detector's archive is not here"
)


@pytest.fixture(scope="module")
def reference():
    with np.load(SHARED / "reference_scores.npz") as file:
        return file["embedding"], file["score"]


def tiny_tensors(dim=8):
    rng = np.random.default_rng(0)
    sizes = [dim, 6, 7, 5, 1]
    tensors = {
        "norm.mean": rng.normal(size=dim).astype("f4"),
        "norm.var": 400 * rng.random(dim).astype("f4"),
    }
    for i in range(4):
        tensors[f"dense.{i}.kernel"] = rng.normal(size=sizes[i : i + 2]).astype("f4")
        tensors[f"dense.{i}.bias"] = rng.normal(size=sizes[i + 1]).astype("f4")
    known = rng.permutation(units(np.random.default_rng(9), 40, dim)[:, 3])
    texts = list(dict.fromkeys(f"{np.float32(value):f}" for value in known))
    tensors["vocab.3"] = np.array(
        [round(float(text) * 1e6) for text in texts], np.int64
    )
    return tensors, texts


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("nsfw") / "nsfw.safetensors"
    save_file(tiny_tensors()[0], path, {"model": "tiny"})
    return path


@needs_original
def test_equals_the_original_model(reference):
    detector = stage.load_detector(ZIP)
    embeddings, scores = reference
    assert np.abs(detector(embeddings) - scores).max() <= 1e-5
    assert np.abs(detector(embeddings.astype(np.float32)) - scores).max() <= 1e-5
    sizes = {dim: len(words) for dim, words in detector.vocabularies.items()}
    assert sizes == {180: 10425, 316: 2266, 413: 2190, 440: 2293, 644: 2241}
    assert [kernel.shape for kernel, _ in detector.layers] == [
        (768, 64),
        (64, 512),
        (512, 256),
        (256, 1),
    ]


@needs_original
def test_both_forms_score_alike(tmp_path, reference):
    save_file(
        keras_zip.read_keras_zip(ZIP),
        tmp_path / "a.safetensors",
        {"model": stage.DETECTOR_MODEL},
    )
    one, two = stage.load_detector(ZIP), stage.load_detector(tmp_path / "a.safetensors")
    assert (
        one(reference[0]).tobytes() == two(reference[0]).tobytes()
        and one.model == two.model
    )


@needs_original
def test_a_damaged_archive_is_refused(tmp_path):
    data = bytearray(ZIP.read_bytes())
    data[500_000] ^= 1
    (tmp_path / "bad.zip").write_bytes(data)
    with pytest.raises(ValueError, match="expected sha256 905520bb"):
        stage.load_detector(tmp_path / "bad.zip")


def test_arithmetic_by_hand(tiny):
    """Row by row in float64, with the vocabulary looked up as printed text, as the original does."""
    tensors, texts = tiny_tensors()
    rows = units(np.random.default_rng(9), 60, 8)
    expected = []
    for row in rows:
        x = row.astype(np.float64)
        text = f"{np.float32(row[3]):f}"
        x[3] = texts.index(text) + 1 if text in texts else 0
        x = (x - tensors["norm.mean"]) / np.sqrt(tensors["norm.var"].astype(np.float64))
        for i in range(4):
            x = x @ tensors[f"dense.{i}.kernel"] + tensors[f"dense.{i}.bias"]
            x = np.maximum(x, 0) if i < 3 else 1 / (1 + np.exp(-x))
        expected.append(x[0])
    known = [f"{np.float32(row[3]):f}" in texts for row in rows]
    assert 0 < sum(known) < len(known)
    np.testing.assert_allclose(stage.load_detector(tiny)(rows), expected, atol=1e-5)


def test_lookup_equals_printed_text():
    rng = np.random.default_rng(1)
    values = np.concatenate(
        [
            rng.normal(0, 0.1, 5000).astype(np.float16),
            np.float16([0, 2**-7, 3 * 2**-7, -(2**-7)]),
        ]
    )
    texts = list(dict.fromkeys(f"{np.float32(value):f}" for value in values[::3]))
    vocabulary = np.array([round(float(text) * 1e6) for text in texts])
    place = {text: i + 1 for i, text in enumerate(texts)}
    expected = [place.get(f"{np.float32(value):f}", 0) for value in values]
    np.testing.assert_array_equal(
        stage._lookup(values.astype(np.float32), vocabulary), expected
    )


def test_parts_and_resume(tmp_path, tiny):
    rng = np.random.default_rng(2)
    rows = units(rng, 30, 8).astype(np.float32)
    rows[4] = np.nan
    write_embeddings(tmp_path, rows, [str(i) for i in range(30)])
    assert stage.nsfw_parts(tmp_path, tiny) == 30
    table = read_parts(tmp_path / "columns" / "nsfw")
    assert (
        table.column_names == ["image_name", "nsfw_score"]
        and table["nsfw_score"].type == pa.float32()
    )
    assert table["nsfw_score"].is_valid().to_pylist() == [i != 4 for i in range(30)]
    expected = stage.load_detector(tiny)(np.delete(rows, 4, axis=0).astype(np.float16))
    np.testing.assert_allclose(table["nsfw_score"].drop_null(), expected, atol=1e-6)
    assert stage.nsfw_parts(tmp_path, tiny) == 0


def test_embeddings_of_another_model_are_refused(tmp_path, tiny):
    write_embeddings(
        tmp_path, units(np.random.default_rng(0), 4, 8), list("abcd"), model="other"
    )
    with pytest.raises(
        ValueError,
        match="embeddings of other, but this NSFW detector reads those of tiny",
    ):
        stage.nsfw_parts(tmp_path, tiny)
    with pytest.raises(ValueError, match="reads those of ViT-L-14/openai"):
        stage.nsfw_parts(tmp_path)
    with pytest.raises(ValueError, match=r"embeddings of 8, found \(2, 9\)"):
        stage.load_detector(tiny)(np.zeros((2, 9)))


def test_unusable_files(tmp_path):
    tensors, _ = tiny_tensors()
    save_file(tensors, tmp_path / "nameless.safetensors")
    with pytest.raises(ValueError, match="which CLIP model"):
        stage.load_detector(tmp_path / "nameless.safetensors")
    del tensors["dense.2.bias"]
    save_file(tensors, tmp_path / "short.safetensors", {"model": "tiny"})
    with pytest.raises(ValueError, match=r"lacks the tensor 'dense\.2\.bias'"):
        stage.load_detector(tmp_path / "short.safetensors")
    for load in (stage.load_detector, lambda path: stage.nsfw_parts(tmp_path, path)):
        with pytest.raises(FileNotFoundError, match="no NSFW detector"):
            load(tmp_path / "missing.zip")


@pytest.mark.parametrize("cut", [b"", b"\0" * 60])
def test_a_foreign_table_is_refused(cut):
    with pytest.raises(ValueError, match="magic number"):
        dict(keras_zip._table(cut))


def test_a_damaged_protocol_buffer_is_refused():
    with pytest.raises(ValueError, match="damaged protocol buffer"):
        list(keras_zip._fields(b"\x0a\x7fshort"))


@pytest.fixture
def server(tmp_path):
    """A loopback web server of tmp_path/www."""
    www = tmp_path / "www"
    www.mkdir()
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(www))

        def log_message(self, *_):
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield www, f"http://127.0.0.1:{web.server_port}", asked
        web.shutdown()
        thread.join()


def test_download_once_and_checked(tmp_path, server, monkeypatch):
    www, url, asked = server
    (www / "a.zip").write_bytes(b"weights" * 1000)
    sha256 = hashlib.sha256(b"weights" * 1000).hexdigest()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = stage.download_detector(f"{url}/a.zip", sha256)
    assert (
        path.parent == tmp_path / "cache" / "twigma"
        and path.read_bytes() == b"weights" * 1000
    )
    assert stage.download_detector(f"{url}/a.zip", sha256) == path and len(asked) == 1
    path.write_bytes(b"changed")
    with pytest.raises(ValueError, match="delete it"):
        stage.download_detector(f"{url}/a.zip", sha256)


def test_a_wrong_download_leaves_nothing(tmp_path, server, monkeypatch):
    www, url, _ = server
    (www / "a.zip").write_bytes(b"<html>")
    with pytest.raises(ValueError, match="expected sha256"):
        stage.download_detector(f"{url}/a.zip", cache=tmp_path / "cache")
    with pytest.raises(OSError, match="cannot fetch the NSFW detector"):
        stage.download_detector(f"{url}/missing.zip", cache=tmp_path / "cache")
    monkeypatch.setattr(stage, "MAX_BYTES", 3)
    with pytest.raises(ValueError, match="more than 3 bytes"):
        stage.download_detector(f"{url}/a.zip", cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@needs_original
def test_the_cached_archive_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "twigma").mkdir()
    shutil.copy(ZIP, tmp_path / "twigma")
    assert stage.load_detector().model == "ViT-L-14/openai"
