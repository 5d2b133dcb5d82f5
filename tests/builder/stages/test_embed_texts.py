"""Embedded texts: the model's own vectors, different texts once, tokens as the tokenizer counts, nothing said twice."""

import numpy as np
import open_clip
import pyarrow as pa
import pytest
from support.staging import tiny_clip

from twigma.builder.engine.vectors import as_matrix
from twigma.builder.stages import embed_texts as stage
from twigma.builder.stages.clip_encoder import load_encoder
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.parts import read_part, write_part

POSTS = [
    "New &amp; old https://t.co/x #aiart",
    "New & old",
    "#aiart https://t.co/y",
    None,
    "a cat " * 40,
]
CAPTIONS = ["a cat", "a  cat", None, "the sea", "a painting"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture
def work(tmp_path):
    names = [str(i) for i in range(5)]
    table = columns.add(
        pa.table({"image_name": names}), id=[f"9{name}" for name in names], text=POSTS
    )
    write_parquet(tmp_path / "images.parquet", table)
    captions = columns.add(pa.table({"image_name": names}), all_captions=CAPTIONS)
    write_part(
        tmp_path / "columns" / "caption" / "00000.arrow", captions, {"model": "blip"}
    )
    return tmp_path


def test_different_texts_are_embedded_once_as_the_model_does(work, clip):
    assert stage.embed_texts(work, str(clip), device="cpu") == {
        "text": 2,
        "all_captions": 3,
    }
    encoder = load_encoder(str(clip), device="cpu")
    found = read_part(stage.part_of(work, "text"))
    assert found["image_name"].to_pylist() == ["0", "4"] and found[
        "id"
    ].to_pylist() == ["90", "94"]
    expected = encoder.encode_text(["New & old", POSTS[4].strip()])
    np.testing.assert_allclose(as_matrix(found["embedding"]), expected, atol=1e-3)
    assert found["words"].to_pylist() == [3, 80]
    captions = read_part(stage.part_of(work, "all_captions"))
    assert captions["image_name"].to_pylist() == ["0", "3", "4"]
    assert (
        "text" not in found.column_names and "all_captions" not in captions.column_names
    )


def test_tokens_are_the_tokenizers_with_nothing_cut_off(work, clip):
    stage.embed_texts(work, str(clip), device="cpu")
    long = open_clip.get_tokenizer("ViT-B-32")(
        ["a cat " * 40, "New & old"], context_length=300
    )
    counted = (long != 0).sum(dim=1).tolist()
    found = read_part(stage.part_of(work, "text"))["tokens"].to_pylist()
    assert found == [counted[1], counted[0]] == [5, 82]


def test_a_second_run_does_nothing_and_other_texts_are_embedded_anew(work, clip):
    stage.embed_texts(work, str(clip), device="cpu")
    assert stage.embed_texts(work, str(clip), device="cpu") == {
        "text": 0,
        "all_captions": 0,
    }
    assert stage.embed_texts(work, str(clip), device="cpu", most=2, seed=1) == {
        "text": 0,
        "all_captions": 2,
    }
    assert stage.embed_texts(work, str(clip), device="cpu", most=2, seed=1) == {
        "text": 0,
        "all_captions": 0,
    }


def test_prompts_of_a_reference_set(tmp_path, clip):
    table = columns.add(
        pa.table({"image_name": ["1", "2", "3"]}),
        group=["a red house", "a red house", "the moon"],
    )
    write_parquet(tmp_path / "images.parquet", table)
    assert stage.embed_texts(tmp_path, str(clip), device="cpu") == {"group": 2}
    # `twigma removals` finds rows by their image.
    part = read_part(stage.part_of(tmp_path, "group"))
    assert "3" in part["image_name"].to_pylist()


def test_another_model_than_the_images_is_refused(work, clip, tmp_path):
    part = pa.table({"image_name": ["0"]})
    write_part(
        work / "columns" / "embed" / "00000.arrow",
        part,
        {"model": "ViT-L-14/openai", "revision": "x"},
    )
    with pytest.raises(ValueError, match=r"embedded by ViT-L-14/openai .*--model"):
        stage.embed_texts(work, str(clip), device="cpu")


def test_a_folder_without_texts_says_where_they_come_from(tmp_path, clip):
    write_parquet(
        tmp_path / "images.parquet", pa.table({"image_name": ["1"], "id": ["1"]})
    )
    with pytest.raises(FileNotFoundError, match="twigma caption"):
        stage.embed_texts(tmp_path, str(clip), device="cpu")
