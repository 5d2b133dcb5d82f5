"""A handful of images: fewer clusters, or none, and no refusal that names what is refused as well."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from support.staging import (
    encode,
    make_images,
    make_shard,
    pixels,
    units,
    write_embeddings,
)
from support.worlds import photo

from twigma.builder.clusters.cluster import cluster, settings_before
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.status.status import status
from twigma.cli import main
from twigma.core.workspace import Workspace
from twigma.demo.demo import BLIP, CLIP, NSFW


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def embedded(work: Path, count: int) -> Path:
    """A working folder of so many distinct images, ready to be clustered."""
    names = [str(number) for number in range(1, count + 1)]
    write_embeddings(work, units(np.random.default_rng(0), count), names)
    make_images(work, [(name, name, int(name)) for name in names])
    make_shard(work, "00000", {name: encode(pixels(int(name))) for name in names})
    dedupe(work, near=None)
    return work


@pytest.mark.parametrize(("images", "clusters"), [(4, 2), (5, 2), (10, 5), (11, 10)])
def test_a_number_that_nobody_named_fits_the_images(
    tmp_path: Path, images: int, clusters: int
) -> None:
    work = embedded(tmp_path, images)
    done = run("cluster", "--work", work)
    assert done.exit_code == 0, done.output
    assert sum(cluster(work).sizes.values()) == images
    assert f"label_{clusters}_cluster" in Workspace(work).read("cluster").column_names
    said = f"{clusters} clusters, as there are only {images} distinct images"
    assert (said in done.stderr) == (images < 11)
    assert status(work)["stages"]["cluster"]["done"] == images


def test_once_there_are_more_images_there_are_more_clusters(tmp_path: Path) -> None:
    work = embedded(tmp_path, 5)
    cluster(work)
    assert "k" not in settings_before(work)
    cluster(work, 2)
    assert settings_before(work)["k"] == 2


def test_the_number_that_a_refusal_names_works(tmp_path: Path) -> None:
    work = embedded(tmp_path, 5)
    refused = run("cluster", "--work", work, "--clusters", 7)
    assert refused.exit_code == 1
    assert "`twigma cluster --clusters 2`" in refused.stderr
    assert run("cluster", "--work", work, "--clusters", 2).exit_code == 0


def test_three_pictures_come_through_every_command(tmp_path: Path) -> None:
    work, out = tmp_path / "work", tmp_path / "twigma"
    for number in range(1, 4):
        (tmp_path / f"{number}.jpg").write_bytes(photo(number))
    assert run("add", "--work", work, *tmp_path.glob("*.jpg")).exit_code == 0
    models = ["--model", CLIP, "--captioner", BLIP, "--detector", NSFW]
    built = run("build", "--work", work, *models, "--device", "cpu")
    assert built.exit_code == 0, built.output
    assert "next: twigma release --without cluster" in built.output
    assert "at least 4 distinct embedded images, found 3" in built.stderr
    step = status(work)["next"]["command"]
    assert step == f"twigma release --without cluster --work {work}"
    # What refuses names what does not.
    for words in (["cluster"], ["release", "--out", out]):
        refused = run(*words, "--work", work)
        assert refused.exit_code == 1
        assert "--without cluster" in refused.stderr
    released = run("release", "--work", work, "--out", out, "--without", "cluster")
    assert released.exit_code == 0, released.output
    step = status(work)["next"]["command"]
    assert step == f"twigma analyze {out} --work {work}"
    refused = run("explore", out, "--out", tmp_path / "map.html")
    assert "at least 4 distinct images, found 3" in refused.stderr
