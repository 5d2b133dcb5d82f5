"""The next step names `twigma nsfw` only where there are embeddings that the detector reads."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from support.staging import encode, make_images, make_shard, pixels

from twigma.builder.engine.engine import map_parts, map_shards
from twigma.builder.engine.vectors import as_column
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.status.status import status
from twigma.cli import main
from twigma.core import columns

PAPER, OTHER = "ViT-L-14/openai", "ViT-B-32/openai"
IMAGES = [str(number) for number in range(1, 4)]
DIM = 768


@pytest.fixture
def work(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    make_shard(work, "00000", {name: encode(pixels(int(name))) for name in IMAGES})
    make_images(work, [(f"1{name}", name, int(name)) for name in IMAGES])
    return work


def embed(work: Path, model: str, stage: str = "embed", seed: int = 0) -> None:
    def random_rows(table: pa.Table) -> pa.Table:
        rows = np.random.default_rng(seed).standard_normal((len(table), DIM))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return columns.add(table, embedding=as_column(rows.astype(np.float16)))

    settings = {"model": model, "seed": seed}
    map_shards(work, stage, settings, lambda device: random_rows, desc=stage)


def finish(work: Path) -> None:
    """Every stage but nsfw; three images are too few for clusters."""

    def one_caption(table: pa.Table) -> pa.Table:
        return columns.add(table, all_captions=["a picture"] * len(table))

    map_shards(
        work, "caption", {"model": "blip"}, lambda device: one_caption, desc="caption"
    )
    dedupe(work)


def score(work: Path, model: str) -> None:
    def half(table: pa.Table) -> pa.Table:
        return columns.add(table, nsfw_score=[0.5] * len(table))

    map_parts(
        work, "nsfw", {"model": model}, lambda device: half, of="embed", desc="nsfw"
    )


def command(work: Path) -> str:
    named = status(work)["next"]["command"]
    assert named is not None
    return named.removesuffix(f" --work {work}")


def test_embeddings_that_the_detector_reads_are_scored(work: Path) -> None:
    embed(work, PAPER)
    finish(work)
    assert command(work) == "twigma nsfw"
    done = CliRunner().invoke(main, ["nsfw", "--work", str(work)])
    assert done.exit_code == 0, done.output
    assert command(work) == "twigma release --without cluster"


@pytest.mark.parametrize("scored_before", [False, True])
def test_embeddings_that_it_does_not_read_are_released_without_scores(
    work: Path, scored_before: bool
) -> None:
    if scored_before:
        embed(work, PAPER)
        score(work, PAPER)
    embed(work, OTHER)
    finish(work)
    assert command(work) == "twigma release --without nsfw --without cluster"
    assert CliRunner().invoke(main, ["nsfw", "--work", str(work)]).exit_code == 1
    words = ["release", "--work", str(work), "--out", str(work.parent / "twigma")]
    options = ["--without", "nsfw", "--without", "cluster"]
    done = CliRunner().invoke(main, [*words, *options])
    assert done.exit_code == 0, done.output


def test_embeddings_of_another_name_are_scored_where_the_detector_reads_them(
    work: Path,
) -> None:
    embed(work, OTHER)
    embed(work, PAPER, "embed-paper")
    finish(work)
    assert command(work) == "twigma nsfw --embedding paper"
    words = ["nsfw", "--embedding", "paper", "--work", str(work)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert command(work) == "twigma release --without cluster"


def test_a_detector_of_your_own_is_to_be_named(work: Path) -> None:
    embed(work, OTHER)
    finish(work)
    score(work, OTHER)
    embed(work, OTHER, seed=1)
    assert command(work) == "twigma nsfw --detector FILE"
