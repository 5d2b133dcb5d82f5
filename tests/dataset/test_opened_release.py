"""A release opened as tables holds what its Parquet files hold, in the same order, and is checked as it is read."""

import pyarrow.parquet as pq
import pytest

import twigma


def test_the_tables_are_those_of_the_files(made):
    folder = made / "twigma"
    release = twigma.open_release(folder)
    files = sorted(folder.glob("metadata-*.parquet"))
    expected = [row for path in files for row in pq.read_table(path).to_pylist()]
    assert release.metadata.to_pylist() == expected
    assert len(release) == len(expected) == release.manifest["counts"]["released"]
    assert release.embeddings["image_name"].equals(release.metadata["image_name"])
    files = sorted(folder.glob("embeddings-*.parquet"))
    vectors = [row for path in files for row in pq.read_table(path).to_pylist()]
    assert release.embeddings.to_pylist() == vectors
    assert repr(release) == f"<release 1.0.0 in {folder}: {len(expected):,} images>"


def test_pandas_gets_ids_as_text_and_times_without_a_zone(made):
    frame = twigma.open_release(made / "twigma").to_pandas()
    assert frame["id"].map(type).eq(str).all()
    assert frame["created_at"].dtype.kind == "M" and frame["created_at"].dt.tz is None


@pytest.mark.usefixtures("here")
def test_the_local_release_is_the_default():
    assert twigma.open_release().folder.name == "twigma"


def test_a_damaged_file_is_refused_when_it_is_read(here):
    path = next((here / "twigma").glob("metadata-*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    release = twigma.open_release(here / "twigma")
    with pytest.raises(ValueError, match=r"differs from MANIFEST\.json"):
        release.to_pandas()


def test_what_is_no_release_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is not a TWIGMA release"):
        twigma.open_release(tmp_path)


def test_a_release_without_embeddings_says_so(here):
    import json

    path = here / "twigma" / "MANIFEST.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = {
        name: facts
        for name, facts in manifest["files"].items()
        if not name.startswith("embeddings-")
    }
    path.write_text(json.dumps(manifest))
    with pytest.raises(
        FileNotFoundError, match="has no embeddings, but metadata: `twigma embed`"
    ):
        _ = twigma.open_release(here / "twigma").embeddings
