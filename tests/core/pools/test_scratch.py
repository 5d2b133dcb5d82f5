"""Folders of workers on a node: shared by a run, gone with the last of it, swept up after a kill."""

import os
from pathlib import Path

import pytest

from twigma.core.pools import scratch


def test_scratch_folders_outlive_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    root = tmp_path / f"twigma-{os.getuid()}"
    (root / "killed" / "half").mkdir(parents=True)
    one, two, other = (scratch.Scratch(run) for run in ("a", "a", "b"))
    assert one.shared == two.shared != other.shared and one.own != two.own
    assert {path.name for path in root.iterdir()} == {"a", "b"}
    one.close()
    assert two.own.is_dir() and not one.own.exists()
    two.close()
    assert [path.name for path in root.iterdir()] == ["b"]
    other.close()
    assert not list(root.iterdir())
