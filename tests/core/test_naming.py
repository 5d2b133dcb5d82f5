"""A write that the system refuses names the file: a full disk's own error does not."""

import errno
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twigma.core.files import atomic, naming
from twigma.core.safety.folder_replacement import replacing


def write_to_full_disk():
    with Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")


def test_the_system_itself_names_no_file():
    with pytest.raises(OSError, match="No space left") as found:
        write_to_full_disk()
    assert found.value.filename is None


@pytest.mark.parametrize("write", [naming, atomic, replacing])
def test_the_file_or_folder_that_is_written_is_named(write, tmp_path):
    path = tmp_path / "out"
    with pytest.raises(OSError, match="No space left") as found, write(path):
        write_to_full_disk()
    assert found.value.errno == errno.ENOSPC and found.value.filename == str(path)
    assert not list(tmp_path.iterdir())


def test_a_file_in_a_folder_that_goes_is_not_named(tmp_path):
    """The folder it was to be in is what the user knows."""
    path = tmp_path / "out"
    with (
        pytest.raises(OSError, match="No space left") as found,
        replacing(path) as new,
        atomic(new / "rows.parquet"),
    ):
        write_to_full_disk()
    assert found.value.filename == str(path)


@pytest.mark.parametrize("write", [naming, atomic, replacing])
def test_an_error_that_names_its_file_is_not_changed(write, tmp_path):
    missing = tmp_path / "missing"
    with pytest.raises(FileNotFoundError) as found, write(tmp_path / "out"):
        missing.read_text()
    assert found.value.filename == str(missing)


def test_a_command_names_what_it_could_not_write(tmp_path):
    """A limit on the size of files is the full disk that a test can have."""
    picture = tmp_path / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)
    Image.fromarray(pixels).save(picture)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [Path(sys.executable).with_name("twigma"), "add", str(picture), "--work", "w"],
        cwd=tmp_path, preexec_fn=limit, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "twigma: w/shards: file too large"
