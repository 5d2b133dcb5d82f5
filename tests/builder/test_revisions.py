"""A stage whose code gives another answer re-creates its parts, and says in one line which and why."""

import numpy as np
import pytest
from click.testing import CliRunner
from support.staging import (
    encode,
    make_images,
    make_shard,
    pixels,
    planted,
    tiny_blip,
    tiny_clip,
    write_embeddings,
)

from twigma.builder.clusters import assign
from twigma.builder.clusters.cluster import cluster
from twigma.builder.duplicates import near_duplicates
from twigma.builder.stages import caption, dedupe, embed, embed_texts
from twigma.builder.stages.nsfw import nsfw_parts
from twigma.cli import main
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.parts import read_provenance
from twigma.core.workspace import Workspace
from twigma.demo.demo import CLIP, NSFW


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return tiny_clip(folder / "clip"), tiny_blip(folder / "blip")


@pytest.fixture
def work(tmp_path):
    """Four stored images without columns."""
    names = [f"{i:02}" for i in range(4)]
    make_shard(tmp_path, "00000", {n: encode(pixels(int(n))) for n in names})
    table = make_images(tmp_path, [(f"9{n}", n, int(n)) for n in names])
    table = columns.add(table, text=[f"post number {n}" for n in names])
    write_parquet(tmp_path / "images.parquet", table)
    return Workspace(tmp_path)


@pytest.fixture
def embedded(tmp_path):
    """Sixty embedded images, deduplicated."""
    rows, _ = planted(np.random.default_rng(0), 60, groups=3)
    names = [str(i) for i in range(60)]
    write_embeddings(tmp_path, rows.astype(np.float32), names)
    make_images(tmp_path, [(name, name, i) for i, name in enumerate(names)])
    make_shard(tmp_path, "00000", {"0": encode(pixels(0))})
    dedupe.dedupe(tmp_path)
    return Workspace(tmp_path)


def stamps(work, stage):
    return [path.stat().st_mtime_ns for path in work.part_files(stage)]


def assert_made_again_on_purpose(run, work, stage, raise_revision, capsys):
    """Not by running again, once after the revision was raised, and not a second time."""
    run()
    before = stamps(work, stage)
    run()
    assert before and stamps(work, stage) == before
    capsys.readouterr()
    revision = raise_revision()
    run()
    again = stamps(work, stage)
    assert all(new > old for new, old in zip(again, before, strict=True))
    notices = [
        line for line in capsys.readouterr().err.splitlines() if "re-creating" in line
    ]
    assert len(notices) == 1
    assert notices[0].endswith(f"revision {revision - 1} → {revision}")
    run()
    assert stamps(work, stage) == again
    assert "re-creating" not in capsys.readouterr().err


def raising(monkeypatch, module):
    """Raises the revision of a module; the new one."""

    def raise_revision():
        monkeypatch.setattr(module, "REVISION", module.REVISION + 1)
        return module.REVISION

    return raise_revision


def test_embed(work, models, monkeypatch, capsys):
    assert_made_again_on_purpose(
        lambda: embed.embed_shards(work, str(models[0]), device="cpu"),
        work,
        "embed",
        raising(monkeypatch, embed),
        capsys,
    )
    assert read_provenance(work.part("embed", "00000"))["code_revision"] == 2


def test_caption(work, models, monkeypatch, capsys):
    assert_made_again_on_purpose(
        lambda: caption.caption_shards(work, str(models[1]), "cpu"),
        work,
        "caption",
        raising(monkeypatch, caption),
        capsys,
    )


def test_texts(work, models, monkeypatch, capsys):
    assert_made_again_on_purpose(
        lambda: embed_texts.embed_texts(work, str(models[0]), device="cpu"),
        work,
        "texts",
        raising(monkeypatch, embed_texts),
        capsys,
    )


def test_nsfw(work, monkeypatch, capsys):
    from twigma.builder.stages import nsfw

    embed.embed_shards(work, str(CLIP), device="cpu")
    assert_made_again_on_purpose(
        lambda: nsfw_parts(work, NSFW), work, "nsfw", raising(monkeypatch, nsfw), capsys
    )


@pytest.mark.parametrize("module", [dedupe, near_duplicates])
def test_dedupe(embedded, module, monkeypatch, capsys):
    assert_made_again_on_purpose(
        lambda: dedupe.dedupe(embedded),
        embedded,
        "dedupe",
        raising(monkeypatch, module),
        capsys,
    )


def test_dedupe_without_near_duplicates_does_not_depend_on_their_code(
    embedded, monkeypatch
):
    dedupe.dedupe(embedded, near=None)
    before = stamps(embedded, "dedupe")
    raising(monkeypatch, near_duplicates)()
    dedupe.dedupe(embedded, near=None)
    assert stamps(embedded, "dedupe") == before


def test_cluster(embedded, monkeypatch, capsys):
    from twigma.builder.clusters import cluster as module

    assert_made_again_on_purpose(
        lambda: cluster(embedded, 3),
        embedded,
        "cluster",
        raising(monkeypatch, module),
        capsys,
    )


def test_assigned_images(embedded, monkeypatch, capsys):
    cluster(embedded, 3)
    assign.assign_new_images(embedded)
    of_the_fit = stamps(embedded, "cluster")
    # The fit wrote these columns itself: they do not depend on the code that assigns.
    raising(monkeypatch, assign)()
    assign.assign_new_images(embedded)
    assert stamps(embedded, "cluster") == of_the_fit
    monkeypatch.setattr(assign, "REVISION", 1)
    dedupe.dedupe(embedded, near=0.9)
    assert_made_again_on_purpose(
        lambda: assign.assign_new_images(embedded),
        embedded,
        "cluster",
        raising(monkeypatch, assign),
        capsys,
    )


def test_all_that_depends_on_a_part_is_made_again_too(embedded, monkeypatch, capsys):
    """Another answer of dedupe is another input of cluster."""
    cluster(embedded, 3)
    capsys.readouterr()
    raising(monkeypatch, dedupe)()
    dedupe.dedupe(embedded)
    cluster(embedded, 3)
    lines = capsys.readouterr().err.splitlines()
    first, second = [line for line in lines if "re-creating" in line]
    assert first == "dedupe: re-creating 1 part, changed since: code revision 2 → 3"
    assert second == "cluster: re-creating 1 part, changed since: dedupe"


def test_the_command_says_what_has_changed(embedded):
    runner = CliRunner()
    for k, notice in (
        (3, ""),
        (4, "cluster: re-creating 1 part, changed since: k 3 → 4\n"),
    ):
        done = runner.invoke(
            main, ["cluster", "--work", str(embedded), "--clusters", str(k)]
        )
        assert done.exit_code == 0 and done.stderr == notice
