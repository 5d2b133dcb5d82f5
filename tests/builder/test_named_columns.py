"""Embeddings and captions of several models in one folder: through clusters, release, load_dataset, analyses, removals.

The two CLIP models are local folders of one name, length and configuration: only the hash of their weights differs.
"""

import json
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import yaml
from datasets import load_dataset
from support import releasing
from support.staging import encode, make_images, make_shard, pixels, tiny_blip
from support.staging import tiny_clip as clip

import twigma
from twigma.analysis.analyze import analyze
from twigma.analysis.inputs.load import load
from twigma.builder.clusters.assign import assign_new_images
from twigma.builder.clusters.choose_k import choose_k
from twigma.builder.clusters.cluster import cluster
from twigma.builder.engine.vectors import as_matrix, read_vectors
from twigma.builder.release.release import release
from twigma.builder.removals.removals import removals
from twigma.builder.stages.caption import caption_shards
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.stages.embed import embed_shards
from twigma.builder.status.status import status
from twigma.core.names import with_name
from twigma.core.parts import (
    read_fingerprint,
    read_part,
    read_provenance,
    write_part,
)
from twigma.core.workspace import Workspace

SHARDS, IMAGES = 2, 12
OPTIONS = {"device": "cpu", "precision": "fp32"}
KILLED = """
import os, signal, sys
from twigma.builder.engine import engine
from twigma.builder.stages.embed import embed_shards
write = engine.write_part
def write_then_die(*args):
    write(*args)
    os.kill(os.getpid(), signal.SIGKILL)
engine.write_part = write_then_die
embed_shards(sys.argv[1], sys.argv[2], device="cpu", precision="fp32", name="other", replace=True)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return [clip(folder / "a", 0), clip(folder / "b", 1)], tiny_blip(folder / "blip")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, models):
    """Embedded by a and, as `other`, by b, on which the clusters are; captioned twice; released. Not to be changed."""
    folder = tmp_path_factory.mktemp("named")
    work = folder / "work"
    names = [str(1000 + n) for n in range(SHARDS * IMAGES)]
    for shard in range(SHARDS):
        of_shard = names[shard * IMAGES : (shard + 1) * IMAGES]
        images = {name: encode(pixels(int(name))) for name in of_shard}
        make_shard(work, f"{shard:05}", images)
    make_images(work, [(name, name, n) for n, name in enumerate(names)])
    (a, b), blip = models
    embed_shards(work, str(a), **OPTIONS)
    embed_shards(work, str(b), **OPTIONS, name="other")
    caption_shards(work, str(blip), "cpu")
    caption_shards(work, str(blip), "cpu", name="second")
    dedupe(work, None)
    cluster(work, 2, embedding="other")
    release(work, folder / "twigma", without=["nsfw"])
    return folder


@pytest.fixture
def mine(whole, tmp_path):
    """A copy to change."""
    shutil.copytree(whole, tmp_path / "copy")
    return tmp_path / "copy"


def vectors(work, name=""):
    return as_matrix(Workspace(work).read(with_name("embed", name))["embedding"])


def test_each_name_has_the_embeddings_of_its_model(whole, models):
    work = Workspace(whole / "work")
    for name, model in zip(("", "other"), models[0], strict=True):
        sha256 = work.embedding_model(name)["sha256"]
        alone = whole / f"alone-{name}"
        shutil.copytree(work.shards, alone / "shards")
        embed_shards(alone, str(model), **OPTIONS)
        assert Workspace(alone).embedding_model()["sha256"] == sha256
        np.testing.assert_array_equal(vectors(alone), vectors(work, name))
    assert not np.array_equal(vectors(work), vectors(work, "other"))
    table = work.table("embed", "embed-other", "caption-second")
    assert {"embedding", "embedding_other", "all_captions_second"} <= {
        *table.column_names
    }
    np.testing.assert_array_equal(
        as_matrix(table["embedding_other"]), vectors(work, "other")
    )


def test_clusters_are_of_the_embeddings_that_were_named(whole):
    """Each image is nearest to its centroid among the embeddings of that name, and of that name alone."""
    work = Workspace(whole / "work")
    made = read_provenance(work.part("cluster"))
    assert made["embedding_name"] == "other"
    assert made["embedding"]["sha256"] == work.embedding_model("other")["sha256"]
    assert made["embed"] == read_vectors(work, "embed-other")[1]
    assert assign_new_images(work).added == 0  # by the embeddings of the fit
    assert len(choose_k(work, [2], embedding="other")) == 1


def test_the_release_has_each_as_files_and_a_configuration(whole, tmp_path):
    folder = whole / "twigma"
    names = releasing.read(folder)["image_name"].to_pylist()
    order = {name: place for place, name in enumerate(names)}
    for config, name in (("embeddings", ""), ("embeddings-other", "other")):
        part = Workspace(whole / "work").read(with_name("embed", name))
        rows = [order[image] for image in part["image_name"].to_pylist()]
        plain = load_dataset(
            str(folder), config, split="train", cache_dir=str(tmp_path / "plain")
        )
        ours = twigma.load_dataset(
            config, data_dir=folder, split="train", cache_dir=str(tmp_path / "ours")
        )
        opened = twigma.open_release(folder).embeddings_of(name)
        for found in (plain.data.table, ours.data.table, opened):
            assert found["image_name"].to_pylist() == names
            values = np.stack(found["embedding"].to_numpy())
            np.testing.assert_array_equal(values[rows], vectors(whole / "work", name))
    metadata = load_dataset(
        str(folder), split="train", cache_dir=str(tmp_path / "plain")
    )
    at = metadata.column_names.index("all_captions")
    assert metadata.column_names[at + 1] == "all_captions_second"
    assert metadata["all_captions_second"] == metadata["all_captions"]
    with pytest.raises(FileNotFoundError, match="has no embeddings-third, but meta"):
        twigma.load_dataset("embeddings-third", data_dir=folder)


def test_its_texts_say_which_model_each_is_by(whole):
    folder = whole / "twigma"
    card = (folder / "README.md").read_text()
    header = yaml.safe_load(card.split("---")[1])
    paths = {
        each["config_name"]: each["data_files"][0]["path"] for each in header["configs"]
    }
    assert paths == {
        "metadata": "metadata-train-*.parquet",
        "embeddings": "embeddings-train-*.parquet",
        "embeddings-other": "embeddings-other-train-*.parquet",
    }
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    work = Workspace(whole / "work")
    for name in ("", "other"):
        sha256 = work.embedding_model(name)["sha256"]
        assert manifest["models"][with_name("embed", name)]["sha256"] == sha256
        for text in (card, (folder / "DATASHEET.md").read_text()):
            assert f"| {with_name('embed', name)} | " in text and sha256 in text
    assert "| `embedding` of `embeddings-other` | b (sha256" not in card
    assert re.search(r"`embedding` of `embeddings-other` \| tiny-clip \(sha256", card)
    assert "`twigma embed --name other` revision" in card
    assert "| `all_captions_second` | string |" in card
    described = json.loads((folder / "croissant.json").read_text())
    sets = {each["name"]: each["field"] for each in described["recordSet"]}
    assert list(sets) == list(paths)
    for config, name in (("embeddings", ""), ("embeddings-other", "other")):
        agent = sets[config][1]["prov:wasAttributedTo"]
        assert work.embedding_model(name)["sha256"] in agent["softwareVersion"]


def test_analyses_choose_by_name_and_refuse_a_reference_without_it(
    whole, mine, models, tmp_path
):
    folder, reference = whole / "twigma", mine / "work"
    found = load(folder, None, {"set": reference}, embedding="other")
    np.testing.assert_allclose(
        found.references["set"].embedding, vectors(reference, "other"), atol=2e-3
    )
    assert found.images.embedding.shape == (SHARDS * IMAGES, 32)
    plain = load(folder, None, {"set": reference})
    assert not np.allclose(plain.images.embedding, found.images.embedding, atol=0.1)
    results = analyze(folder, tmp_path / "report", embedding="other")
    files = set(results["made_from"]["files"])
    assert "release/embeddings-other-train-00000-of-00001.parquet" in files
    assert "release/embeddings-train-00000-of-00001.parquet" not in files
    with pytest.raises(FileNotFoundError, match="no embeddings of the name 'third'"):
        load(folder, None, {}, embedding="third")
    embed_shards(reference, str(models[0][0]), **OPTIONS, name="other", replace=True)
    with pytest.raises(ValueError, match="the reference set set was embedded by anot"):
        load(folder, None, {"set": reference}, embedding="other")
    shutil.rmtree(reference / "columns" / "embed-other")
    with pytest.raises(FileNotFoundError, match=r"reference set set .*, but embed: "):
        load(folder, None, {"set": reference}, embedding="other")


def test_status_lists_each_with_the_command_that_goes_on_with_it(mine):
    work = Workspace(mine / "work")
    stages = status(work)["stages"]
    assert list(stages)[:4] == ["embed", "embed-other", "caption", "caption-second"]
    assert {stages[name]["done"] for name in stages if name != "nsfw"} == {24}
    make_shard(work.path, "00002", {"2000": encode(pixels(2000))})
    stages = status(work)["stages"]
    command = "twigma embed --name other --model FOLDER"
    assert stages["embed-other"]["command"] == command
    assert stages["embed-other"]["to_do"] == 1
    assert stages["embed-other"]["models"] == ["tiny-clip"]
    assert stages["cluster"]["command"] == "twigma cluster --embedding other"


def test_a_removal_takes_the_rows_out_of_all(mine):
    work = Workspace(mine / "work")
    for path in work.part_files("embed-other"):  # scores that were made from these
        part = read_part(path)
        scores = [0.5] * len(part)
        table = pa.table({"image_name": part["image_name"], "nsfw_score": scores})
        made = {"part": read_fingerprint(path), "embedding_name": "other"}
        write_part(work.part("nsfw", path.stem), table, made)
    assert status(work)["stages"]["nsfw"]["done"] == SHARDS * IMAGES
    removals(work, ["1003"])
    stages = work.with_named(["embed", "caption", "dedupe", "cluster"])
    assert "embed-other" in stages and "caption-second" in stages
    for stage in stages:
        assert "1003" not in work.read(stage)["image_name"].to_pylist()
        assert len(work.read(stage)) == SHARDS * IMAGES - 1
    stages = status(work)["stages"]
    for stage in ("embed", "embed-other", "caption-second", "nsfw"):
        assert stages[stage]["done"] == SHARDS * IMAGES - 1


def test_no_reader_mixes_a_change_of_model_that_was_killed(mine, models):
    work = Workspace(mine / "work")
    command = [sys.executable, "-c", KILLED, str(work), str(models[0][0])]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr
    sentence = (
        r"columns/embed-other mixes two models: .* "
        r"run `twigma embed --name other` again with the one you want"
    )
    for read in (
        lambda: work.read("embed-other"),
        lambda: work.table("embed-other"),
        lambda: dedupe(work, None, embedding="other"),
        lambda: cluster(work, 2, embedding="other"),
        lambda: assign_new_images(work),
        lambda: choose_k(work, [2], embedding="other"),
        lambda: release(work, mine / "new", without=["nsfw"]),
        lambda: load(mine / "twigma", None, {"set": work.path}, embedding="other"),
    ):
        with pytest.raises(ValueError, match=sentence):
            read()
    # The others are as they were.
    assert len(work.read("embed")) == SHARDS * IMAGES
    assert dedupe(work, None)["distinct"] == SHARDS * IMAGES
    assert len(load(mine / "twigma", None, {"set": work.path}).images.rows) == 24
    # The rest of the change needs no --replace; clusters of the model before are refused then.
    assert embed_shards(work, str(models[0][0]), **OPTIONS, name="other") == IMAGES
    with pytest.raises(ValueError, match="run `twigma cluster --embedding other` aga"):
        release(work, mine / "new", without=["nsfw"])


def test_another_model_overwrites_no_name(mine, models):
    work = Workspace(mine / "work")
    before = {path: path.read_bytes() for path in work.columns.glob("*/*.arrow")}
    with pytest.raises(
        ValueError,
        match=r"columns/embed-other is by tiny-clip \(sha256 .*`twigma embed --name other --replace`",
    ):
        embed_shards(work, str(models[0][0]), **OPTIONS, name="other")
    blip = tiny_blip(mine / "blip")
    config = blip / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "x": 1}))
    with pytest.raises(ValueError, match="`twigma caption --name NAME`"):
        caption_shards(work, str(blip), "cpu")
    assert all(path.read_bytes() == data for path, data in before.items())


@pytest.mark.parametrize("name", ["../x", "a b", "2b", "train", "train-x", "a/b", "é"])
def test_names_are_safe_in_the_names_of_files(tmp_path, name):
    with pytest.raises(ValueError, match="expected up to 32 letters, digits, - and _"):
        with_name("embed", name)
    with pytest.raises(ValueError, match="expected up to 32 letters"):
        embed_shards(tmp_path, "none", name=name)
    assert not (tmp_path / "columns").exists()


def test_a_name_that_is_not_there_is_answered_with_those_that_are(whole):
    work = whole / "work"
    with pytest.raises(
        FileNotFoundError,
        match=r"`twigma embed --name third` .*; there are those of another name: the default, other",
    ):
        dedupe(work, None, embedding="third")


def test_a_folder_without_the_default_embeddings_can_be_released(mine):
    work = Workspace(mine / "work")
    shutil.rmtree(work.columns / "embed")
    dedupe(work, None, embedding="other")
    cluster(work, 2, embedding="other")
    release(work, mine / "new", without=["embed", "nsfw"])
    with pytest.raises(FileNotFoundError, match="has no embeddings, but metadata, emb"):
        _ = twigma.open_release(mine / "new").embeddings
    table = twigma.open_release(mine / "new").embeddings_of("other")
    assert isinstance(table, pa.Table) and len(table) == SHARDS * IMAGES
