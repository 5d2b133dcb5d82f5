"""Weights that a model cannot be made of: one bounded sentence, which names the file."""

import re

import pytest
from click.testing import CliRunner
from safetensors.torch import load_file, save_file
from support.staging import encode, make_images, make_shard, pixels, tiny_clip

from twigma.builder.models import pinned_weights
from twigma.builder.stages.clip_encoder import load_encoder
from twigma.cli import main


def cut_off(weights):
    weights.write_bytes(weights.read_bytes()[:1000])


def of_another_shape(weights):
    tensors = load_file(weights)
    tensors["ln_final.weight"] = tensors["ln_final.weight"][:7].contiguous()
    save_file(tensors, weights)


def of_other_names(weights):
    tensors = load_file(weights)
    save_file({f"other.{name}": each for name, each in tensors.items()}, weights)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut_off, "header"),
        (of_another_shape, "size mismatch for "),
        (of_other_names, "Missing key"),
    ],
)
def test_weights_that_do_not_fit_are_named_in_one_sentence(tmp_path, damage, reason):
    folder = tiny_clip(tmp_path / "clip")
    weights = folder / "open_clip_model.safetensors"
    damage(weights)
    start = f"the weights in {weights} cannot be loaded: "
    with pytest.raises(ValueError, match=f"{re.escape(start)}.*{reason}") as refused:
        load_encoder(str(folder), device="cpu", precision="fp32")
    message = str(refused.value)
    assert "\n" not in message
    assert len(message) <= len(start) + pinned_weights.LONGEST_REASON + 1


def test_the_command_ends_in_a_sentence(tmp_path):
    work = tmp_path / "work"
    make_shard(work, "00000", {"1": encode(pixels(1))})
    make_images(work, [("11", "1", 1)])
    folder = tiny_clip(tmp_path / "clip")
    cut_off(folder / "open_clip_model.safetensors")
    words = ["embed", "--work", str(work), "--model", str(folder), "--device", "cpu"]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 1
    assert isinstance(refused.exception, SystemExit)
    assert "open_clip_model.safetensors cannot be loaded" in refused.stderr
