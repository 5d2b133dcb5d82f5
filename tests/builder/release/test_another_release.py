"""A folder that holds a release of something else: it is not replaced, reported on, or joined to one's pictures."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import releasing

import twigma
from twigma.builder.release.identity import init
from twigma.builder.release.identity.dataset_identity import Identity
from twigma.builder.release.release import release
from twigma.builder.status.status import status
from twigma.cli import main


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """The release of another working folder, in `./twigma`."""
    other = releasing.make_work(tmp_path / "other", local=True)
    (other / "dataset.toml").unlink(missing_ok=True)
    release(other, tmp_path / "twigma")
    return tmp_path / "twigma"


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    work = releasing.make_work(tmp_path / "ours", local=True)
    (work / "dataset.toml").unlink(missing_ok=True)
    return work


def test_it_is_not_replaced(theirs: Path, ours: Path) -> None:
    before = releasing.contents(theirs)
    result = CliRunner().invoke(
        main, ["release", "--work", str(ours), "--out", str(theirs)]
    )
    assert result.exit_code != 0
    assert "holds a release of another dataset, 'other'" in result.output
    assert "--out" in result.output
    assert releasing.contents(theirs) == before


def test_it_is_not_the_release_that_status_tells_of(theirs: Path, ours: Path) -> None:
    assert status(ours)["release"] is None


def test_status_finds_a_release_wherever_it_was_written(
    theirs: Path, ours: Path, tmp_path: Path
) -> None:
    out = tmp_path / "dist" / "first"
    release(ours, out)
    found = status(ours)["release"]
    assert found is not None and found["folder"] == str(out)
    shutil.rmtree(out)
    assert status(ours)["release"] is None


def test_a_dataset_that_gets_a_name_replaces_its_own_release(
    ours: Path, tmp_path: Path
) -> None:
    """`twigma release`, then `twigma init`, is how many begin."""
    out = tmp_path / "twigma"
    release(ours, out)
    init(ours, Identity(title="Castles", name="castles"))
    assert release(ours, out, version="1.1.0").written
    manifest = json.loads((out / "MANIFEST.json").read_text())
    assert [entry["version"] for entry in manifest["history"]] == ["1.1.0", "1.0.0"]


def test_a_working_folder_made_again_replaces_the_release_of_its_name(
    ours: Path, tmp_path: Path
) -> None:
    release(ours, tmp_path / "twigma")
    (ours / ".releases.json").unlink()
    assert release(ours, tmp_path / "twigma", version="1.1.0").written


def test_it_is_not_joined_to_pictures_of_ones_own(
    theirs: Path, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of files repeat: those of another folder say nothing of these."""
    monkeypatch.chdir(tmp_path)
    # A release has no authors.
    assert len(list(twigma.stream_images(ours, columns=["author_id"]))) > 20
    monkeypatch.setenv("TWIGMA_DATA_DIR", str(theirs))
    with pytest.raises(ValueError, match="no column author_id"):
        twigma.stream_images(ours, columns=["author_id"])
