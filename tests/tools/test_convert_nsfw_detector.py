"""The converter of LAION's archive: the shipped file to the byte where the archive is here, and what it refuses."""

import importlib.util
from pathlib import Path

import pytest

from twigma.builder.stages.nsfw import DETECTOR

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE = ROOT.parent / "shared" / "data" / "nsfw" / "clip_autokeras_binary_nsfw.zip"
needs_archive = pytest.mark.skipif(
    not ARCHIVE.exists(), reason="the original detector's archive is not here"
)


@pytest.fixture(scope="module")
def tool():
    path = ROOT / "tools" / "convert_nsfw_detector.py"
    spec = importlib.util.spec_from_file_location("convert_nsfw_detector", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_archive
def test_the_archive_gives_the_shipped_file(tool, tmp_path):
    tool.convert(ARCHIVE, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == DETECTOR.read_bytes()


def test_another_archive_is_refused(tool, tmp_path):
    (tmp_path / "other.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="expected sha256 905520bb"):
        tool.convert(tmp_path / "other.zip", tmp_path / "never.safetensors")
    assert not (tmp_path / "never.safetensors").exists()


@pytest.mark.parametrize("data", [b"", b"\0" * 60])
def test_a_foreign_table_is_refused(tool, data):
    with pytest.raises(ValueError, match="magic number"):
        dict(tool.table(data))


def test_a_damaged_protocol_buffer_is_refused(tool):
    with pytest.raises(ValueError, match="damaged protocol buffer"):
        list(tool.fields(b"\x0a\x7fshort"))
