"""A write that the system refuses names the file: a full disk's own error does not."""

import errno
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from twigma.core.files import atomic, name_in_errors, read_parquet, write_parquet
from twigma.core.safety.folder_replacement import replacing


def write_to_full_disk():
    with Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")


def test_the_system_itself_names_no_file():
    with pytest.raises(OSError, match="No space left") as found:
        write_to_full_disk()
    assert found.value.filename is None


@pytest.mark.parametrize("write", [name_in_errors, atomic, replacing])
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


@pytest.mark.parametrize("write", [name_in_errors, atomic, replacing])
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


def test_a_table_that_the_system_does_not_give_is_not_called_damaged(tmp_path):
    """Nobody is to delete a file that is whole: here no more files may be open."""
    path = tmp_path / "images.parquet"
    write_parquet(path, pa.table({"id": ["1"]}))
    assert len(read_parquet(path)) == 1  # what it imports is imported
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError, match=r"images\.parquet") as found:
            read_parquet(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found.value.errno == errno.EMFILE and "damaged" not in str(found.value)
