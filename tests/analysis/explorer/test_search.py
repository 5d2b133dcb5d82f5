"""Search compares every image, by the model that made the embeddings, and says so where it cannot."""

import re

import numpy as np
import open_clip
import pyarrow as pa
import pytest
import torch
from PIL import Image
from support.mapped import write_release
from support.staging import pixels, tiny_clip, units

from twigma.analysis.explorer.search import closest, search
from twigma.builder.engine.vectors import as_column
from twigma.builder.models.clip_names import find_model
from twigma.builder.stages.clip_encoder import load_on
from twigma.dataset.opened_release import open_release
from twigma.dataset.selections import read_selection

NAMES = [f"{1480000000000000000 + i}" for i in range(12)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def searched(model, tmp_path_factory):
    """A release whose embeddings were made by the tiny model."""
    found = find_model(str(model), None)
    pictures = [Image.fromarray(pixels(i)) for i in range(len(NAMES))]
    rows = load_on(found, "cpu", "fp32").encode(pictures)
    table = pa.table(
        {"id": NAMES, "image_name": NAMES, "like_count": [None, *range(11)]}
    )
    vectors = pa.table({"image_name": NAMES, "embedding": as_column(rows)})
    return write_release(
        tmp_path_factory.mktemp("searched") / "twigma",
        table,
        embeddings=vectors,
        models={"embed": dict(found.provenance())},
    )


@pytest.mark.parametrize("chunks", [1, 3])
def test_the_closest_are_those_of_all_products(chunks):
    rng = np.random.default_rng(0)
    rows = units(rng, 500).astype(np.float16)
    missing = np.zeros(500, bool)
    missing[[3, 77]] = True
    parts = [
        as_column(rows[at], missing[at]) for at in np.array_split(range(500), chunks)
    ]
    query = units(rng, 1)[0].astype(np.float32)
    similarity, found = closest(pa.chunked_array(parts), query, 10)
    products = rows.astype(np.float64) @ query
    products[missing] = -np.inf
    assert found.tolist() == np.argsort(-products, kind="stable")[:10].tolist()
    assert np.allclose(similarity, products[found], atol=1e-6)
    assert len(closest(pa.chunked_array(parts), query, 1000)[1]) == 498


def test_words_are_compared_by_open_clips_own_text_half(searched, model):
    found = search(searched, "a castle at night", model=str(model), most=4)
    network, _, _ = open_clip.create_model_and_transforms(f"local-dir:{model}")
    tokens = open_clip.get_tokenizer(f"local-dir:{model}")(["a castle at night"])
    with torch.inference_mode():
        query = torch.nn.functional.normalize(network.encode_text(tokens))[0].numpy()
    opened = open_release(searched)
    rows = np.stack(opened.embeddings["embedding"].to_numpy(zero_copy_only=False))
    products = rows.astype(np.float32) @ query
    order = np.argsort(-products, kind="stable")[:4]
    names = opened.metadata["image_name"].to_pylist()
    assert found["image_name"].to_pylist() == [names[row] for row in order]
    assert np.allclose(found["similarity"], products[order], atol=2e-3)


def test_a_picture_finds_itself(searched, model, tmp_path):
    path = tmp_path / "mine.png"
    Image.fromarray(pixels(5)).save(path)
    out = tmp_path / "found.csv"
    found = search(searched, image=path, model=str(model), most=3, out=out)
    assert found["image_name"][0].as_py() == NAMES[5]
    assert found["similarity"][0].as_py() > 0.99
    chosen = read_selection(out, open_release(searched))
    assert chosen == set(found["image_name"].to_pylist())
    lines = out.read_text().splitlines()
    assert lines[0] == "similarity,id,image_name,like_count"
    assert re.fullmatch(rf"[\d.]+,{NAMES[5]},{NAMES[5]},4", lines[1])
    search(searched, image=path, model=str(model), most=12, out=out)
    assert len(out.read_text().splitlines()) == 13


def test_a_file_of_something_else_is_not_overwritten(searched, model, tmp_path):
    notes, other = tmp_path / "notes.md", tmp_path / "likes.csv"
    notes.write_text("years of work")
    other.write_text("image_name,like_count\n1,2\n")
    for path in (notes, other, tmp_path):
        with pytest.raises(ValueError, match="no table that `twigma search` wrote"):
            search(searched, "castle", model=str(model), out=path)
    assert notes.read_text() == "years of work"


def test_what_cannot_be_searched_is_said(searched, model, mapped, tmp_path):
    with pytest.raises(ValueError, match="one of the two"):
        search(searched)
    with pytest.raises(ValueError, match="one of the two"):
        search(searched, "castle", image="castle.png")
    with pytest.raises(ValueError, match="expected words, found none"):
        search(searched, "  ")
    with pytest.raises(ValueError, match=r"only the hash is known.*--model"):
        search(searched, "castle")
    other = tiny_clip(tmp_path / "other", seed=1)
    with pytest.raises(ValueError, match=r"embedded by .*name their model"):
        search(searched, "castle", model=str(other))
    note = tmp_path / "note.txt"
    note.write_text("no picture")
    with pytest.raises(ValueError, match=r"--image .*note\.txt"):
        search(searched, image=note, model=str(model))
    with pytest.raises(FileNotFoundError, match="no embeddings"):
        search(mapped, "castle", model=str(model))


def test_named_embeddings_are_searched_by_their_own_model(model, tmp_path):
    other = tiny_clip(tmp_path / "other", seed=1)
    pictures = [Image.fromarray(pixels(i)) for i in range(len(NAMES))]
    tables, models = {}, {}
    for name, folder in (("", model), ("-small", other)):
        found = find_model(str(folder), None)
        column = as_column(load_on(found, "cpu", "fp32").encode(pictures))
        called = "embedding" + name.replace("-", "_")
        tables[f"embeddings{name}"] = pa.table({"image_name": NAMES, called: column})
        models[f"embed{name}"] = dict(found.provenance())
    table = pa.table({"id": NAMES, "image_name": NAMES})
    folder = write_release(tmp_path / "twigma", table, models=models, **tables)
    path = tmp_path / "mine.png"
    pictures[3].save(path)
    for name, own, wrong in (("", model, other), ("small", other, model)):
        found = search(folder, image=path, model=str(own), embedding=name)
        assert found["image_name"][0].as_py() == NAMES[3]
        assert found["similarity"][0].as_py() > 0.99
        with pytest.raises(ValueError, match="embedded by"):
            search(folder, image=path, model=str(wrong), embedding=name)
