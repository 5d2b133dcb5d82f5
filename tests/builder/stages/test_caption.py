"""Captions: transformers' own words, the same at any place, null where decoding fails."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from support.model_hub import evil_code, serving
from support.staging import (
    encode,
    make_shard,
    pixels,
    tiny_blip,
    tiny_blip2,
    tiny_llava,
)
from transformers import (
    Blip2ForConditionalGeneration,
    Blip2Processor,
    BlipForConditionalGeneration,
    BlipProcessor,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from twigma.builder.stages import caption as stage
from twigma.core.parts import read_parts, read_provenance


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_blip(tmp_path_factory.mktemp("models") / "tiny-blip")


@pytest.fixture(scope="module")
def captioner(folder):
    return stage.load_captioner(str(folder), device="cpu")


def test_equals_transformers(folder, captioner):
    """The reference names BLIP's classes and generates one image at a time."""
    processor, model = (
        BlipProcessor.from_pretrained(folder),
        BlipForConditionalGeneration.from_pretrained(folder),
    )
    images, expected = [Image.fromarray(pixels(i)) for i in range(9)], []
    for image in images:
        tokens = model.eval().generate(
            **processor(images=image, return_tensors="pt"),
            num_beams=3,
            max_new_tokens=20,
            do_sample=False,
        )
        expected.append(processor.decode(tokens[0], skip_special_tokens=True).strip())
    found = captioner.caption(images)
    assert found == expected and captioner.name == "tiny-blip"
    assert any(found) and captioner.caption([]) == []
    assert captioner.caption(images[4:5]) == found[4:5]
    assert captioner.caption(images[::-1]) == found[::-1]


def test_stage_and_resume(tmp_path, folder):
    images = {str(i): encode(pixels(i)) for i in range(5)} | {
        "7": b"<html>not an image"
    }
    make_shard(tmp_path, "00000", images)
    assert stage.caption_shards(tmp_path, str(folder), device="cpu") == 6
    table = read_parts(tmp_path / "columns" / "caption")
    assert table.column_names == ["image_name", "all_captions"]
    assert table["all_captions"].is_valid().to_pylist() == [True] * 5 + [False]
    made_from = read_provenance(tmp_path / "columns" / "caption" / "00000.arrow")
    assert (made_from["model"], made_from["num_beams"]) == (
        "tiny-blip",
        stage.NUM_BEAMS,
    )
    assert stage.caption_shards(tmp_path, str(folder)) == 0


def test_only_undecodable_images(captioner):
    table = pa.table({"image_name": ["1"], "image": pa.array([b""], pa.binary())})
    assert stage.caption(table, captioner)["all_captions"].to_pylist() == [None]


def test_odd_images(captioner):
    thin = Image.fromarray(np.zeros((1, 400, 3), np.uint8))
    assert (
        len(captioner.caption([thin, thin.transpose(Image.Transpose.ROTATE_90)])) == 2
    )


def test_a_model_in_several_files(tmp_path):
    """BLIP-2, as large models are published: its weights in several safetensors files."""
    folder = tiny_blip2(tmp_path / "blip2")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    processor, model = (
        Blip2Processor.from_pretrained(folder),
        Blip2ForConditionalGeneration.from_pretrained(folder),
    )
    images = [Image.fromarray(pixels(i)) for i in range(3)]
    expected = []
    for image in images:
        tokens = model.eval().generate(
            **processor(images=image, return_tensors="pt"),
            num_beams=3,
            max_new_tokens=20,
        )
        expected.append(
            " ".join(processor.decode(tokens[0], skip_special_tokens=True).split())
        )
    assert stage.load_captioner(str(folder), device="cpu").caption(images) == expected
    make_shard(tmp_path / "work", "00000", {"1": encode(pixels(1))})
    assert stage.caption_shards(tmp_path / "work", str(folder), "cpu") == 1
    first = read_provenance(tmp_path / "work" / "columns" / "caption" / "00000.arrow")
    last = sorted(folder.glob("model-*.safetensors"))[-1]
    tensors = load_file(last)
    save_file(
        {name: value + 1 for name, value in tensors.items()}, last, {"format": "pt"}
    )
    with pytest.raises(ValueError, match="`twigma caption --replace`"):
        stage.caption_shards(tmp_path / "work", str(folder), "cpu")
    made = stage.caption_shards(tmp_path / "work", str(folder), "cpu", replace=True)
    assert made == 1
    assert (
        read_provenance(tmp_path / "work" / "columns" / "caption" / "00000.arrow")
        != first
    )


def test_a_model_for_chat_is_asked(tmp_path):
    folder = tiny_llava(tmp_path / "llava")
    captioner = stage.load_captioner(str(folder), device="cpu")
    images = [Image.fromarray(pixels(i)) for i in range(10)]
    found = captioner.caption(images)
    processor, model = (
        LlavaProcessor.from_pretrained(folder),
        LlavaForConditionalGeneration.from_pretrained(folder),
    )
    for image, words in zip(images, found, strict=True):
        inputs = processor(
            images=image, text=f"<image> {stage.QUESTION}", return_tensors="pt"
        )
        tokens = model.eval().generate(
            **inputs, num_beams=3, max_new_tokens=20, do_sample=False
        )
        said = processor.decode(
            tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        assert words == " ".join(said.split())
    assert any(found)
    assert captioner.caption(images[7:8]) == found[7:8]


def test_what_is_refused(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match="no model folder"):
        stage.load_captioner(str(tmp_path / "missing"))
    with pytest.raises(ValueError, match="safetensors"):
        stage.load_captioner(str(tmp_path))
    make_shard(tmp_path, "00000", {"1": encode(pixels(1))})
    with pytest.raises(ValueError, match="40 hex digits"):
        stage.caption_shards(tmp_path, "org/name", revision="main")
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer_config.json", "processor_config.json"]
)
@pytest.mark.parametrize("where", ["evil", "org/second--evil"])
@pytest.mark.parametrize("kind", ["known", "unknown"])
def test_no_model_runs_code_or_asks_another_repository(
    tmp_path, monkeypatch, name, where, kind
):
    """Whatever its files name; a kind of model that transformers knows is loaded by its own code."""
    canary, folder = tmp_path / "canary", tiny_blip(tmp_path / "evilblip")
    (folder / "evil.py").write_bytes(evil_code(canary))
    path = folder / name
    found = json.loads(path.read_text("utf-8"))
    classes = (
        "AutoConfig",
        "AutoModelForImageTextToText",
        "AutoProcessor",
        "AutoImageProcessor",
    )
    found["auto_map"] = dict.fromkeys(classes, f"{where}.Evil") | {
        "AutoTokenizer": [f"{where}.Evil", None]
    }
    found |= {"trust_remote_code": True}
    if kind == "unknown":
        found |= {
            key: "evil"
            for key in ("model_type", "tokenizer_class", "processor_class")
            if key in found
        }
    path.write_text(json.dumps(found), "utf-8")
    with serving(second={"evil.py": evil_code(canary)}) as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        try:
            stage.load_captioner(str(folder), device="cpu")
        except ValueError as error:
            assert "\n" not in str(error) and "cannot be loaded" in str(error)
    assert not canary.exists() and hub.asked == []


def test_an_adapter_is_no_whole_model(tmp_path):
    folder = tiny_blip(tmp_path / "adapter")
    (folder / "adapter_config.json").write_text(
        '{"peft_type": "LORA", "base_model_name_or_path": "org/second"}'
    )
    with pytest.raises(
        ValueError, match=r"adapter_config\.json takes the weights of another model"
    ):
        stage.load_captioner(str(folder), device="cpu")
