"""The shipped NSFW detector against the original model's answers, other detectors, and the stage."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from support.staging import units, write_embeddings
from threadpoolctl import threadpool_limits

from twigma.builder.engine.slices import Slice
from twigma.builder.stages import nsfw as stage
from twigma.core.parts import read_parts
from twigma.core.pools.ray_pool import Engine
from twigma.core.workspace import Workspace

# `embedding` float16[128, 768] and `score` float32[128]: what the original TensorFlow model answers for them.
REFERENCE = Path(__file__).with_name("nsfw_reference_scores.npz")


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE) as file:
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


def test_equals_the_original_model(reference):
    detector = stage.load_detector()
    embeddings, scores = reference
    assert scores.min() < 0.05 and scores.max() > 0.95
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


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_score_is_the_same_to_the_bit_whatever_it_is_scored_with(threads):
    detector = stage.load_detector()
    embeddings = units(np.random.default_rng(3), 5000, 768)
    scores = detector(embeddings)
    with threadpool_limits(threads):
        np.testing.assert_array_equal(scores, detector(embeddings))
        for rows in (slice(0, 20), slice(20, 2500), slice(4999, 5000)):
            np.testing.assert_array_equal(scores[rows], detector(embeddings[rows]))


def test_the_reference_meets_known_and_unknown_words(reference):
    """Else the look-up would not be tested by the scores."""
    detector = stage.load_detector()
    for dimension, vocabulary in detector.vocabularies.items():
        values = reference[0][:, dimension].astype(np.float32)
        known = stage._lookup(values, vocabulary) > 0
        assert known.any() and not known.all()


def test_the_shipped_file_states_its_origin_and_licence():
    with safe_open(stage.DETECTOR, "np") as file:
        metadata = file.metadata()
        types = {file.get_tensor(name).dtype.name for name in file.keys()}  # noqa: SIM118
    assert metadata["model"] == stage.model_of() == "ViT-L-14/openai"
    assert metadata["licence"] == "MIT" and "LAION-AI" in metadata["origin"]
    assert len(metadata["origin_sha256"]) == 64 and types == {"int32", "float32"}
    licence = stage.DETECTOR.with_name("nsfw_detector.LICENSE.txt").read_text("utf-8")
    assert metadata["copyright"] in licence and "MIT license" in licence


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


def test_a_ray_cluster_and_slices_give_the_same_parts(tmp_path, tiny):
    rows = units(np.random.default_rng(2), 90, 8)
    made = {}
    for name in ("local", "ray", "slices"):
        work = Workspace(tmp_path / name)
        write_embeddings(work.path, rows, [str(i) for i in range(90)], parts=5)
        if name == "slices":
            counts = [stage.nsfw_parts(work, tiny, only=Slice(n, 2)) for n in (1, 2)]
            assert counts == [54, 36]
        else:
            assert stage.nsfw_parts(work, tiny, engine=Engine(name)) == 90
        made[name] = [path.read_bytes() for path in work.part_files("nsfw")]
    assert len(made["local"]) == 5 and made["local"] == made["ray"] == made["slices"]


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
    with pytest.raises(ValueError, match=r"has no tensor 'dense\.2\.bias'"):
        stage.load_detector(tmp_path / "short.safetensors")
    (tmp_path / "archive.zip").write_bytes(b"PK\x03\x04" * 100)
    with pytest.raises(ValueError, match=r"archive.zip is not a safetensors file"):
        stage.load_detector(tmp_path / "archive.zip")
    for load in (stage.load_detector, lambda path: stage.nsfw_parts(tmp_path, path)):
        with pytest.raises(FileNotFoundError, match="no NSFW detector"):
            load(tmp_path / "missing.safetensors")
