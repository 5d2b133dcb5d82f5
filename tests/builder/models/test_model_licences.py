"""Licences of models, as their own folders state them."""

import json
from pathlib import Path

import pytest
from support import staging

import twigma
from twigma.builder.models.model_licences import (
    detector_license,
    license_of,
    note_license,
    read_license,
)
from twigma.builder.stages.embed import embed_shards
from twigma.core.files import file_sha256
from twigma.core.workspace import Workspace

UNKNOWN = "unknown: {} comes without a licence"


def readme(folder: Path, header: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "README.md").write_text(f"---\n{header}\n---\n# A model\n")
    return folder


@pytest.mark.parametrize(
    ("header", "stated"),
    [
        ("license: mit", "mit"),
        ("license: other\nlicense_name: my terms", "my terms"),
        ("license: llama3\nextra_gated_prompt: agree", "llama3 (gated)"),
        ("license: [mit, apache-2.0]", "mit and apache-2.0"),
        ("tags: [x]", None),
        ("license: [", None),
        (f"license: {'x' * 900}", "x" * 100),
    ],
)
def test_the_header_of_the_readme_is_read(tmp_path, header, stated):
    assert read_license(readme(tmp_path / "model", header)) == stated


def test_without_a_readme_the_configuration_is_read(tmp_path):
    assert read_license(tmp_path) is None
    (tmp_path / "config.json").write_text('{"license": "bsd-3-clause"}')
    assert read_license(tmp_path) == "bsd-3-clause"


def test_a_local_model_is_noted_and_forgotten(tmp_path):
    model = {"model": "mine", "sha256": "0" * 64}
    assert license_of(tmp_path, model) == UNKNOWN.format("mine")
    folder = readme(tmp_path / "mine", "license: cc-by-nc-4.0")
    note_license(tmp_path, "mine", folder)
    assert license_of(tmp_path, model) == "cc-by-nc-4.0"
    readme(folder, "tags: [x]")
    note_license(tmp_path, "mine", folder)
    assert license_of(tmp_path, model) == UNKNOWN.format("mine")


def test_what_a_user_states_counts_first_and_stays(tmp_path):
    folder = readme(tmp_path / "mine", "license: mit")
    note_license(tmp_path, "mine", folder)
    table = Workspace(tmp_path).model_licenses
    stated = json.loads(table.read_text("utf-8"))
    stated |= {"mine": "cc-by-4.0", "ViT-L-14/openai": "my terms"}
    table.write_text(json.dumps(stated))
    for _ in range(2):
        model = {"model": "mine", "sha256": "0" * 64}
        assert license_of(tmp_path, model) == "cc-by-4.0"
        assert license_of(tmp_path, {"model": "ViT-L-14/openai"}) == "my terms"
        note_license(tmp_path, "mine", folder)
    note_license(tmp_path, "other", folder)
    assert license_of(tmp_path, {"model": "other"}) == "mit"
    assert license_of(tmp_path, {"model": "mine"}) == "cc-by-4.0"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{", "found Expecting"),
        ('["mit"]', "found a list"),
        ('{"mine": 7}', "found 7 of 'mine'"),
        ('{"mine": " "}', "found ' ' of 'mine'"),
        ('{"mine": {"license": "mit"}}', "found None of 'mine'"),
    ],
)
def test_a_table_that_is_none_is_refused_with_what_was_expected(tmp_path, text, found):
    table = Workspace(tmp_path).model_licenses
    table.parent.mkdir()
    table.write_text(text)
    with pytest.raises(ValueError, match=found) as refused:
        license_of(tmp_path, {"model": "mine"})
    assert str(refused.value).startswith(f"{table}: expected licences by model")


def test_embed_notes_the_licence_of_a_folder(tmp_path):
    folder = staging.tiny_clip(tmp_path / "model")
    readme(folder, "license: cc-by-nc-4.0")
    work = tmp_path / "work"
    image = staging.encode(staging.pixels(1))
    staging.make_shard(work, "00000", {"1": image})
    embed_shards(work, str(folder), device="cpu")
    assert license_of(work, Workspace(work).embedding_model()) == "cc-by-nc-4.0"


def test_the_default_models_are_known_but_not_a_folder_of_their_name(tmp_path):
    assert license_of(tmp_path, {"model": "ViT-L-14/openai"}) == "apache-2.0"
    folder = {"model": "ViT-L-14/openai", "sha256": "0" * 64}
    assert license_of(tmp_path, folder) == UNKNOWN.format("ViT-L-14/openai")


def test_the_detector_of_the_package_is_known_by_its_bytes():
    path = Path(twigma.__path__[0], "builder/stages/nsfw_detector.safetensors")
    assert detector_license(file_sha256(path)) == "mit"
    assert detector_license("f" * 64).startswith("unknown: the detector")


def test_a_readme_in_the_cache_of_the_hub_is_read(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    commit = "a" * 40
    snapshot = tmp_path / "models--acme--clip" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    readme(snapshot, "license: openrail")
    pinned = {"model": "x/y", "repo": "acme/clip", "revision": commit}
    assert license_of(tmp_path / "work", pinned) == "openrail"
    assert license_of(tmp_path / "work", {**pinned, "repo": "acme/other"}) == (
        UNKNOWN.format("x/y")
    )
