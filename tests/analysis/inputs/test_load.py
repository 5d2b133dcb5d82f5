"""What the analyses read of a release: all of it, or nothing."""

import shutil

import pytest

from twigma.analysis.inputs import load


@pytest.mark.parametrize("config", ["metadata", "embeddings"])
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_half_of_a_download_is_not_analysed(made, tmp_path, config, damage):
    release = shutil.copytree(made / "twigma", tmp_path / "twigma")
    path = next(release.glob(f"{config}-*"))
    # A second part, as a large release has; it is intact.
    shutil.copy(path, path.with_name(f"{config}-train-00001-of-00002.parquet"))
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9])
    sentence = {"missing": "incomplete: .* is missing", "cut": "is damaged"}[damage]
    with pytest.raises(ValueError, match=f"{sentence}.*download the release again"):
        load.load(release, None, {})


def test_a_file_that_the_manifest_does_not_list_is_not_counted(made, tmp_path):
    release = shutil.copytree(made / "twigma", tmp_path / "twigma")
    path = next(release.glob("metadata-*"))
    shutil.copy(path, path.with_name("metadata-copy.parquet"))
    assert len(load.load(release, None, {}).images.table) == 26
