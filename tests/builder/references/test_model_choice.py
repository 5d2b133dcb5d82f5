"""The model of the studied images: its name loads it again, and no other is taken."""

import numpy as np
import pytest
from support.staging import tiny_clip, units, write_embeddings

from twigma.builder.models.clip_names import find_model
from twigma.builder.references.model_choice import (
    Choice,
    _choice_of,
    _parse_choice,
    choose_model,
    require_same_model,
    studied_model,
)
from twigma.core.files import write_json


def manifest(folder, **embed):
    write_json(folder / "MANIFEST.json", {"models": {"embed": embed}})
    return folder


def test_the_studied_images_are_a_working_folder_or_a_release(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert studied_model(None) == (None, {})
    manifest(tmp_path / "twigma", model="of the release")
    assert studied_model(None)[1] == {"model": "of the release"}
    write_embeddings(
        tmp_path / "work",
        units(np.random.default_rng(0), 2),
        ["a", "b"],
        model="of the work",
    )
    assert studied_model(None)[1]["model"] == "of the work"
    with pytest.raises(FileNotFoundError, match="no embeddings in"):
        studied_model(tmp_path / "nowhere")


def test_names_load_the_same_model_again():
    commit = "a" * 40
    paper = {
        "model": "ViT-L-14/openai",
        "repo": "timm/vit_large",
        "revision": commit,
        "precision": "fp16",
    }
    assert _choice_of(paper, None) == Choice("ViT-L-14", "openai", commit)
    assert _choice_of(
        {"model": "org/name", "repo": "org/name", "revision": commit}, None
    ) == Choice("hf-hub:org/name", None, commit)
    assert _choice_of({"model": "ViT-B-32/none", "seed": 0}, None) == Choice(
        "ViT-B-32", "none", None
    )
    assert _choice_of({}, None) == Choice()
    with pytest.raises(
        ValueError, match="from a local folder: name that folder with --model"
    ):
        _choice_of({"model": "tiny-clip", "sha256": "b" * 64}, None)
    assert _parse_choice("ViT-B-32/laion2b") == Choice("ViT-B-32", "laion2b")
    assert _parse_choice("hf-hub:a/b") == Choice("hf-hub:a/b", None)


def test_models_agree_as_far_as_both_say(tmp_path):
    require_same_model({"model": "m"}, {"model": "m", "revision": "a"}, tmp_path)
    require_same_model({"model": "m"}, {}, tmp_path)
    with pytest.raises(ValueError, match="two models cannot be compared"):
        require_same_model(
            {"model": "m", "revision": "b"}, {"model": "m", "revision": "a"}, tmp_path
        )


def test_a_folder_of_the_same_name_but_other_weights_is_another_model(tmp_path):
    one, two = tiny_clip(tmp_path / "one"), tiny_clip(tmp_path / "two", seed=1)
    release = manifest(tmp_path / "release", **find_model(str(one)).provenance())
    choice, made_from = choose_model(tmp_path / "refs/a", release, str(one))
    assert (
        choice == Choice(str(one), None)
        and made_from == find_model(str(one)).provenance()
    )
    with pytest.raises(ValueError, match="sha256"):
        choose_model(tmp_path / "refs/a", release, str(two))
