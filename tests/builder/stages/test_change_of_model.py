"""A change of model that is killed in the middle: every reader refuses the mixture, and the next run finishes it.

The two models are local folders of one name, length and configuration: only the hash of their weights differs.
"""

import re
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from support.staging import encode, make_images, make_shard, pixels, tiny_clip

from twigma.analysis.inputs import load
from twigma.builder.clusters.assign import assign_new_images
from twigma.builder.clusters.choose_k import choose_k
from twigma.builder.clusters.cluster import cluster
from twigma.builder.finetuning import liked
from twigma.builder.finetuning.settings import Settings
from twigma.builder.references.model_choice import studied_model
from twigma.builder.release.release import release
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.stages.embed import embed_shards
from twigma.builder.stages.embed_texts import embed_texts
from twigma.builder.stages.nsfw import nsfw_parts
from twigma.builder.status.stage_progress import stage_progress
from twigma.core.parts import read_provenance, write_part
from twigma.core.tables.scratch import Scratch
from twigma.core.workspace import Workspace
from twigma.rehydrate.accounting import read_finished_shards

SHARDS, IMAGES = 4, 6  # images of a shard
KILLED = """
import os, signal, sys
from twigma.builder.engine import engine
from twigma.builder.stages.embed import embed_shards
write, written = engine.write_part, []
def write_then_die(*args):
    write(*args)
    written.append(args)
    if len(written) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
engine.write_part = write_then_die
embed_shards(sys.argv[1], sys.argv[2], device="cpu", precision="fp32", replace=True)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return [tiny_clip(folder / "a", seed=0), tiny_clip(folder / "b", seed=1)]


def embed(work, model, **options):
    return embed_shards(work, str(model), device="cpu", precision="fp32", **options)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, models):
    """Embedded by a, then by b until the first part of it was written."""
    work = tmp_path_factory.mktemp("mixed") / "work"
    names = [str(n) for n in range(SHARDS * IMAGES)]
    for shard in range(SHARDS):
        of_shard = names[shard * IMAGES : (shard + 1) * IMAGES]
        images = {name: encode(pixels(int(name))) for name in of_shard}
        make_shard(work, f"{shard:05}", images)
    make_images(work, [(name, name, n) for n, name in enumerate(names)])
    assert embed(work, models[0]) == SHARDS * IMAGES
    dedupe(work, None)
    cluster(work, 2)
    command = [sys.executable, "-c", KILLED, str(work), str(models[1])]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr
    return work


READERS = {
    "read": lambda work: Workspace(work).read("embed"),
    "table": lambda work: Workspace(work).table("embed"),
    "dedupe": dedupe,
    "nsfw": nsfw_parts,
    "cluster": lambda work: cluster(work, 2),
    "assign": assign_new_images,
    "choose-k": lambda work: choose_k(work, [2]),
    "release": lambda work: release(
        work, work.parent / "release", without=["caption", "nsfw"]
    ),
    "liked": lambda work: liked.choose_images(Workspace(work), Settings(), False),
    "texts": lambda work: embed_texts(work, "ViT-S-32-alt", None),
    "reference set": lambda work: load._reference("set", work, "", Scratch()),
    "reference add": studied_model,
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_half_of_a_change_of_model(mixed, reader):
    sentence = (
        rf"{re.escape(str(mixed / 'columns' / 'embed'))} mixes two models: "
        r"tiny-clip \(sha256 [0-9a-f]{12}\) in 0000\d.arrow, tiny-clip \(sha256 [0-9a-f]{12}\) in 0000\d.arrow: "
        r"run `twigma embed` again with the one you want, which finishes it"
    )
    with pytest.raises(ValueError, match=sentence):
        READERS[reader](mixed)


def test_status_counts_as_done_only_the_images_of_the_new_model(mixed):
    damaged = []
    progress = stage_progress(mixed, read_finished_shards(mixed), 24, damaged)
    embed = progress["embed"]
    assert (embed["done"], embed["out_of_date"], embed["to_do"]) == (IMAGES, 18, 0)


def test_the_next_run_finishes_and_other_columns_of_the_old_model_are_refused(
    mixed, models, tmp_path
):
    import shutil

    work = tmp_path / "work"
    shutil.copytree(mixed, work)
    assert embed(work, models[1]) == 18
    old = (
        rf"columns/dedupe was computed from embeddings by tiny-clip \(sha256 {sha(work, 'dedupe')}\), "
        rf"\S*columns/embed from those by tiny-clip \(sha256 {sha(work, 'embed')}\): run `twigma dedupe` again"
    )
    options = {"without": ["caption", "nsfw"]}
    for reader in (
        lambda: release(work, tmp_path / "release", **options),
        lambda: cluster(work, 2),
        lambda: Workspace(work).table("embed", "dedupe"),
    ):
        with pytest.raises(ValueError, match=old):
            reader()
    dedupe(work, None)
    with pytest.raises(ValueError, match="columns/cluster was computed from"):
        release(work, tmp_path / "release", **options)
    with pytest.raises(ValueError, match="the clusters are of embeddings by tiny-clip"):
        assign_new_images(work)
    cluster(work, 2)
    assert release(work, tmp_path / "release", **options).released == 24


def sha(work, stage):
    provenance = read_provenance(Workspace(work).part_files(stage)[0])
    return provenance.get("embedding", provenance)["sha256"][:12]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("sha256", "a (sha256 1) in 0.arrow, a (sha256 2) in 1.arrow"),
        ("config", "a (config 1) in 0.arrow"),
        ("precision", "a (precision 1) in 0.arrow"),
        ("resize", "a (resize 1) in 0.arrow"),
        ("code_revision", "a (code revision 1) in 0.arrow"),
        ("num_beams", "a (num beams 1) in 0.arrow"),
    ],
)
def test_whatever_decides_the_values_tells_parts_apart(tmp_path, entry, words):
    alike = {"model": "a", "sha256": "0", "config": "0", "shard": "x"}
    for number, value in enumerate("12"):
        table = pa.table({"image_name": [value]})
        path = tmp_path / "columns/embed" / f"{number}.arrow"
        write_part(path, table, {**alike, "shard": value, entry: value})
    with pytest.raises(ValueError, match=re.escape(words)):
        Workspace(tmp_path).read("embed")


def test_parts_of_another_width_are_refused_in_a_sentence(tmp_path):
    for number, width in enumerate((32, 48)):
        rows = pa.array(
            np.zeros((1, width), np.float16).tolist(), pa.list_(pa.float16(), width)
        )
        table = pa.table({"image_name": ["1"], "embedding": rows})
        path = tmp_path / "columns/embed" / f"{number}.arrow"
        write_part(path, table, {"model": "a", "shard": number})
    with pytest.raises(
        ValueError, match=r"1.arrow has other columns than 0.arrow: run `twigma embed`"
    ):
        Workspace(tmp_path).read("embed")


def test_two_commits_of_one_repository_are_two_models(tmp_path):
    for number, commit in enumerate("ab"):
        path = tmp_path / "columns/caption" / f"{number}.arrow"
        provenance = {"model": "o/n", "revision": commit * 40, "sha256": "0"}
        write_part(path, pa.table({"image_name": [commit]}), provenance)
    with pytest.raises(ValueError, match=r"o/n \(revision aaaaaaaaaaaa\) in 0.arrow"):
        Workspace(tmp_path).read("caption")
