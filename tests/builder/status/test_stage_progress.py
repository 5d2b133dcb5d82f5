import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from support.staging import DIM, encode, make_images, make_shard, pixels

from twigma.builder.clusters.cluster import cluster
from twigma.builder.clusters.distinct_images import read_embedded
from twigma.builder.engine.engine import map_parts, map_shards
from twigma.builder.engine.vectors import as_column
from twigma.builder.models.clip_names import Model
from twigma.builder.models.pinned_weights import Pin
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.status.stage_progress import (
    not_embedded,
    out_of_date,
    stage_progress,
)
from twigma.builder.status.status import status
from twigma.cli import main
from twigma.core import columns
from twigma.core.parts import Provenance, last_settings, write_part
from twigma.core.workspace import Workspace
from twigma.rehydrate.accounting import read_finished_shards

from ...cli.looks import arrives

MODEL = {"model": "one", "revision": "a"}


def embed(table: pa.Table) -> pa.Table:
    """Unit vectors made from the bytes; the engine around it is the real one."""
    rows = [
        np.random.default_rng(len(data)).standard_normal(DIM)
        for data in table["image"].to_pylist()
    ]
    units = [row / np.linalg.norm(row) for row in rows]
    return columns.add(
        table, embedding=as_column(np.array(units, np.float16).reshape(-1, DIM))
    )


def run_embed(work: Path, settings: dict[str, str] = MODEL) -> None:
    map_shards(work, "embed", settings, lambda device: embed, desc="embed")


def run_nsfw(work: Path) -> None:
    def start(device: str | None) -> Any:
        return lambda table: columns.add(table, nsfw_score=[0.5] * len(table))

    map_parts(work, "nsfw", {"model": "one"}, start, of="embed", desc="nsfw")


def states(work: Path, rows: int = 5) -> dict[str, tuple[int, int, int]]:
    damaged: list[str] = []
    found = stage_progress(work, read_finished_shards(work), rows, damaged)
    assert not damaged
    return {
        name: (one["done"], one["out_of_date"], one["to_do"])
        for name, one in found.items()
    }


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Two shards of three and two images; each has a row that failed."""
    names = [f"{number}" for number in range(1, 6)]
    images = {
        name: encode(pixels(int(name)), quality=60 + 5 * int(name)) for name in names
    }
    make_shard(tmp_path, "00000", {name: images[name] for name in names[:3]})
    make_shard(tmp_path, "00001", {name: images[name] for name in names[3:]})
    make_images(tmp_path, [(f"1{name}", name, int(name)) for name in names])
    return tmp_path


def test_a_stage_is_to_do_then_done_then_out_of_date_as_its_inputs_change(
    work: Path,
) -> None:
    assert set(states(work).values()) == {(0, 0, 5)}
    run_embed(work)
    assert states(work)["embed"] == (5, 0, 0) and states(work)["nsfw"] == (0, 0, 5)
    run_nsfw(work)
    assert dedupe(work)["distinct"] == 5
    assert states(work) == dict.fromkeys(
        ("embed", "nsfw", "dedupe"), (5, 0, 0)
    ) | dict.fromkeys(("caption", "cluster"), (0, 0, 5))

    (work / "shards" / "00001.json").unlink()
    make_shard(
        work / "again", "00001", {"4": encode(pixels(44)), "5": encode(pixels(55))}
    )
    for file in (work / "again" / "shards").iterdir():
        file.rename(work / "shards" / file.name)
    assert states(work)["embed"] == (3, 2, 0)
    assert states(work)["nsfw"] == (5, 0, 0)  # until its embeddings are made again
    run_embed(work)
    found = states(work)
    assert (found["embed"], found["nsfw"], found["dedupe"]) == (
        (5, 0, 0),
        (3, 2, 0),
        (0, 5, 0),
    )


def test_clusters_are_out_of_date_after_the_next_dedupe(work: Path) -> None:
    run_embed(work)
    dedupe(work)
    cluster(work, 2)
    assert states(work)["cluster"] == (5, 0, 0) and not out_of_date(work, 5)
    dedupe(work, 0.5)
    assert states(work)["cluster"] == (0, 5, 0) and out_of_date(work, 5) == ["cluster"]
    assert out_of_date(work, 6) == ["dedupe", "cluster"]


def test_assign_names_images_that_are_not_embedded(work: Path) -> None:
    run_embed(work)
    dedupe(work)
    cluster(work, 2)
    assert not_embedded(work)[0] == 0
    make_shard(work, "00002", {"6": encode(pixels(6)), "7": encode(pixels(7))})
    answer = CliRunner().invoke(main, ["assign", "--work", str(work)])
    assert answer.exit_code == 0, answer.output
    assert "2 images of" in answer.stderr and "have no embedding yet" in answer.stderr
    run_embed(work)
    assert not_embedded(work)[0] == 0


def test_a_release_names_what_is_out_of_date(
    work: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("releases")
    run_embed(work)
    dedupe(work)
    cluster(work, 2)
    words = [
        "release",
        "--work",
        str(work),
        "--without",
        "caption",
        "--without",
        "nsfw",
    ]
    current = CliRunner().invoke(main, [*words, "--out", str(out / "current")])
    assert current.exit_code == 0, current.output
    assert "out of date" not in current.stderr
    dedupe(work, 0.5)
    older = CliRunner().invoke(main, [*words, "--out", str(out / "older")])
    assert "cluster is out of date, and released as it is" in older.stderr
    assert "dedupe is out" not in older.stderr
    words += ["--without", "cluster", "--out", str(out / "without")]
    assert "out of date" not in CliRunner().invoke(main, words).stderr


def test_new_shards_and_new_rows_are_to_do(work: Path) -> None:
    run_embed(work)
    dedupe(work)
    make_shard(work, "00002", {"6": encode(pixels(6))})
    assert states(work, rows=6)["embed"] == (5, 0, 1)
    assert states(work, rows=6)["dedupe"] == (0, 6, 0)


def test_parts_of_another_model_are_out_of_date(work: Path) -> None:
    run_embed(work)
    folder = work / "columns" / "embed"
    kept = (folder / "00000.arrow").read_bytes()
    run_embed(work, MODEL | {"revision": "b"})
    (folder / "00000.arrow").write_bytes(kept)
    os.utime(folder / "00000.arrow", (1, 1))
    assert states(work)["embed"] == (2, 3, 0)


PIN = Pin("timm/vit", "0" * 40, {"model.safetensors": "2" * 64})
MODELS = [
    (Model("ViT-L-14/openai", pin=PIN), "twigma embed"),
    (Model("ViT-B-32/laion2b", pin=PIN), "twigma embed --model ViT-B-32/laion2b"),
    (Model("timm/vit", pin=PIN), "twigma embed --model hf-hub:timm/vit"),
    (Model("ViT-B-32/none", "ViT-B-32"), "twigma embed --model ViT-B-32/none"),
    (
        Model("mine", folder=Path("mine"), sha256="1" * 64),
        "twigma embed --model FOLDER",
    ),
]


@pytest.mark.parametrize(("model", "command"), MODELS)
def test_the_next_command_names_the_model_that_the_folder_has(
    work: Path, model: Model, command: str
) -> None:
    assert status(work)["next"]["command"] == f"twigma embed --work {work}"
    run_embed(work, dict(model.provenance()))
    make_shard(work, "00002", {"6": encode(pixels(6))})
    facts = status(work)
    assert facts["stages"]["embed"]["command"] == command
    assert facts["next"]["command"] == f"{command} --work {work}"


def test_images_without_an_embedding_have_no_cluster(work: Path) -> None:
    """The part that `twigma cluster` writes has the images that have an embedding."""

    def embed_but_one(table: pa.Table) -> pa.Table:
        empty = np.array(
            [name == "2" for name in table["image_name"].to_pylist()], bool
        )
        rows = np.full((len(table), DIM), 0.1, np.float16)
        return columns.add(embed(table), embedding=as_column(rows, empty))

    map_shards(work, "embed", MODEL, lambda device: embed_but_one, desc="embed")
    assert states(work)["cluster"] == (0, 0, 4)
    dedupe(work)
    images = read_embedded(work)
    names = pa.table({"image_name": images.vectors.names})
    write_part(Workspace(work).part("cluster"), names, Provenance(k=2, **images.inputs))
    assert states(work)["cluster"] == (4, 0, 0)


@pytest.mark.parametrize(
    ("command", "first", "name"),
    [
        ("cluster", "--clusters 2 --seed 5", "cluster"),
        ("dedupe", "--near 0.5", "dedupe"),
    ],
)
def test_a_command_remembers_the_settings_of_its_last_run(
    work: Path, monkeypatch: pytest.MonkeyPatch, command: str, first: str, name: str
) -> None:
    settings = {"cluster": {"k": 2, "seed": 5}, "dedupe": {"near": 0.5}}[name]
    part = Workspace(work).part(name)
    run_embed(work)
    if name == "dedupe":
        CliRunner().invoke(main, [command, "--work", str(work), *first.split()])
    else:
        table = pa.table({"image_name": ["1"]})
        write_part(part, table, Provenance(**settings))
    assert last_settings(part, *settings) == settings
    arrived = arrives(
        f"twigma.builder.{ROOMS[name]}.{name}.{name}", next(iter(settings))
    )
    again = arrived(
        lambda *words: CliRunner().invoke(main, words), [command, "--work", str(work)]
    )
    assert again == next(iter(settings.values()))


ROOMS = {"cluster": "clusters", "dedupe": "stages"}


def test_images_without_a_value_are_counted_among_those_done(work: Path) -> None:
    """An image that was stored and that a stage cannot decode."""

    def embed_but_one(table: pa.Table) -> pa.Table:
        found = embed(table)
        empty = np.array(
            [name == "2" for name in table["image_name"].to_pylist()], bool
        )
        rows = np.full((len(table), DIM), 0.1, np.float16)
        return columns.add(found, embedding=as_column(rows, empty))

    map_shards(work, "embed", MODEL, lambda device: embed_but_one, desc="embed")
    found = stage_progress(work, read_finished_shards(work), 5, [])["embed"]
    assert (found["done"], found["not_decodable"]) == (5, 1)
    run_embed(work, MODEL | {"revision": "b"})
    assert (
        stage_progress(work, read_finished_shards(work), 5, [])["embed"][
            "not_decodable"
        ]
        == 0
    )


def test_a_damaged_part_is_named_and_out_of_date(work: Path) -> None:
    run_embed(work)
    part = work / "columns" / "embed" / "00000.arrow"
    part.write_bytes(part.read_bytes()[:100])
    damaged: list[str] = []
    found = stage_progress(work, read_finished_shards(work), 5, damaged)
    assert (found["embed"]["done"], found["embed"]["out_of_date"]) == (2, 3)
    assert (
        len(damaged) == 1
        and "00000.arrow is damaged" in damaged[0]
        and "`twigma embed`" in damaged[0]
    )
