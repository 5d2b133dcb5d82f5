"""All columns in one go: what the stages would give one by one, again nothing, damage left out and named."""

import shutil

import pytest
from click.testing import CliRunner
from support.staging import (
    encode,
    make_images,
    make_shard,
    pixels,
    tiny_blip,
    tiny_clip,
)

from twigma.builder.build import build
from twigma.builder.clusters.cluster import cluster
from twigma.builder.stages.caption import caption_shards
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.stages.embed import embed_shards
from twigma.cli import main
from twigma.core.parts import read_parts, read_provenance
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.demo.demo import CLIP, NSFW


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        "model": str(tiny_clip(folder / "clip")),
        "captioner": str(tiny_blip(folder / "blip")),
        "device": "cpu",
    }


def populate(work):
    for shard in range(2):
        make_shard(
            work,
            f"{shard:05d}",
            {f"{shard}{i:02d}": encode(pixels(20 * shard + i)) for i in range(20)},
        )
    make_images(work, [(f"9{name}", name, n) for n, name in enumerate(_names())])
    return work


def _names():
    return [f"{shard}{i:02d}" for shard in range(2) for i in range(20)]


def contents(work):
    return {
        str(path.relative_to(work)): path.read_bytes()
        for path in sorted((work / "columns").rglob("*.arrow"))
    }


def test_the_same_as_one_stage_after_the_other(tmp_path, models):
    one = populate(tmp_path / "one")
    done = build(one, **models)
    assert done.treated == {"embed": 40, "caption": 40}
    assert done.left_out == {
        "nsfw": "the detector reads embeddings of ViT-L-14/openai, these are of tiny-clip"
    }
    work = populate(tmp_path / "two")
    embed_shards(work, models["model"], device="cpu")
    caption_shards(work, models["captioner"], "cpu")
    dedupe(work)
    cluster(work, 4, seed=2)
    before = contents(work)
    assert {
        name: data for name, data in before.items() if "cluster" not in name
    }.items() <= contents(one).items()
    assert build(work, **models).treated == {"embed": 0, "caption": 0}
    assert (
        contents(work) == before
        and read_provenance(work / "columns" / "cluster" / "all.arrow")["k"] == 4
    )


def test_detector_and_precision_reach_their_stages(tmp_path, models):
    work = populate(tmp_path)
    done = build(work, **models | {"model": str(CLIP)}, detector=NSFW)
    assert (
        done.treated == {"embed": 40, "caption": 40, "nsfw": 40} and done.left_out == {}
    )
    scores = read_parts(work / "columns" / "nsfw")["nsfw_score"]
    assert scores.null_count == 0
    with pytest.raises(ValueError, match="fp16"):  # which no CPU has
        build(work, **models | {"model": str(CLIP)}, precision="fp16")
    with pytest.raises(ValueError, match="`twigma embed --name NAME`"):
        build(work, **models)


@pytest.mark.slow
def test_a_ray_cluster_makes_every_column_with_the_same_bytes(tmp_path, models):
    models |= {"model": str(CLIP)}
    for engine in (LOCAL, Engine("ray")):
        work = populate(tmp_path / engine.name)
        done = build(work, **models, detector=NSFW, engine=engine)
        assert done.treated == {"embed": 40, "caption": 40, "nsfw": 40}
    there, here = contents(tmp_path / "ray"), contents(tmp_path / "local")
    assert there.keys() == here.keys()
    for name, data in here.items():
        assert there[name] == data, name
    nowhere = Engine("ray", "127.0.0.1:1")
    for stage in ("nsfw", "dedupe", "cluster"):
        work = tmp_path / "ray"
        shutil.rmtree(work / "columns" / stage)
        with pytest.raises(RuntimeError, match="no Ray cluster answers"):
            build(work, **models, detector=NSFW, engine=nowhere)
        build(work, **models, detector=NSFW)


def test_a_damaged_shard_is_left_out_and_the_rest_gets_its_columns(tmp_path, models):
    work = populate(tmp_path)
    tar = work / "shards" / "00001.tar"
    data = tar.read_bytes()
    tar.write_bytes(data[:700] + bytes([data[700] ^ 1]) + data[701:])
    command = [
        "build",
        "--work",
        str(work),
        *(word for name, value in models.items() for word in (f"--{name}", value)),
    ]
    done = CliRunner().invoke(main, command)
    assert (
        done.exit_code == 1
        and "1 of 2 shards could not be processed (00001: " in done.stderr
    )
    assert len(read_parts(work / "columns" / "cluster")) == 20
    tar.write_bytes(data)
    done = CliRunner().invoke(main, command)
    assert (
        done.exit_code == 0
        and "20  embed" in done.output
        and "20  caption" in done.output
    ), done.output
    assert len(read_parts(work / "columns" / "cluster")) == 40
