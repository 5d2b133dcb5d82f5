"""`twigma.Workspace` does what the commands do, on the same folder."""

import subprocess
import sys

import pytest
from support.staging import encode, make_images, make_shard, pixels, tiny_clip

import twigma
from twigma.builder.release.release import release
from twigma.builder.status.status import status


def test_status_images_and_tables_are_those_of_the_folder(work):
    opened = twigma.Workspace(work)
    facts, expected = opened.status(), status(work)
    # Of the whole disk, on which others write.
    assert facts["bytes"].pop("free") and expected["bytes"].pop("free")
    assert facts == expected
    assert set(opened.images()) == set(twigma.open_images(work))
    table = opened.table("caption")
    assert "all_captions" in table.column_names and len(table) == len(opened.table())
    assert repr(opened) == f"Workspace({str(work)!r})"


def test_a_stage_runs_once(tmp_path):
    make_shard(tmp_path, "00000", {"1": encode(pixels(1)), "2": encode(pixels(2))})
    make_images(tmp_path, [("10", "1", 0), ("20", "2", 1)])
    model = tiny_clip(tmp_path / "model")
    work = twigma.Workspace(tmp_path)
    assert work.embed(str(model), device="cpu") == 2
    assert work.embed(str(model), device="cpu") == 0
    assert work.embedding_model()["model"] == "tiny-clip"
    assert work.dedupe() == work.dedupe()
    assert work.has("dedupe") and not work.has("cluster")


def test_a_release_is_the_same_as_by_the_function(work, tmp_path):
    counts = twigma.Workspace(work).release(tmp_path / "a")
    assert counts == release(work, tmp_path / "b")
    assert len(twigma.open_release(tmp_path / "a")) == counts.released


def test_a_folder_without_images_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="twigma rehydrate"):
        twigma.Workspace(tmp_path).table()


def test_importing_it_costs_nothing():
    code = "import sys, twigma; twigma.Workspace('w'); print('pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
