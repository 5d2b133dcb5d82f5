"""`load_dataset("liked")`: its columns, filters and folder, beside the lists that `twigma liked` wrote."""

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from support import releasing

import twigma
from twigma.builder.finetuning.liked import liked

LIKES = 200


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A set of liked images in a folder of its own; not to be changed."""
    folder = tmp_path_factory.mktemp("written")
    releasing.make_work(folder / "work", posts=60)
    options = {"quantile": 0.0, "nsfw_threshold": 1.0, "acknowledge_x_terms": True}
    liked(folder / "work", folder / "liked", **options)
    return folder / "liked"


@pytest.fixture
def load(written, tmp_path):
    def load_liked(split="train", **options):
        options = {"liked": str(written), "cache_dir": str(tmp_path), **options}
        return twigma.load_dataset("liked", split=split, **options)

    return load_liked


@pytest.fixture
def lines(written):
    """The lines of the list of train."""
    return pq.read_table(written / "train/metadata.parquet").to_pylist()


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    "filters", [[("like_count", ">=", LIKES)], pc.field("like_count") >= LIKES]
)
def test_rows_that_pass_the_filters_with_their_pictures(
    load, lines, streaming, filters
):
    rows = list(load(filters=filters, streaming=streaming))
    expected = [line for line in lines if line["like_count"] >= LIKES]
    assert 0 < len(expected) < len(lines)
    for row, line in zip(rows, expected, strict=True):
        assert row["image"].filename.endswith(line["file_name"])
        for name in ("text", "image_name", "like_count"):
            assert row[name] == line[name]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("columns", ["text", ["text"], ("image", "text", "image_name")])
def test_the_columns_that_are_asked_for(load, lines, streaming, columns):
    rows = list(load(columns=columns, streaming=streaming))
    assert [row["text"] for row in rows] == [line["text"] for line in lines]
    assert set(rows[0]) == {"image", "text", "image_name"}


def test_a_split_of_which_no_row_passes_is_empty(load, lines):
    last = max(line["like_count"] for line in lines)
    splits = load(split=None, filters=[("like_count", ">", last)])
    assert len(splits["train"]) == 0
    assert splits["train"].features == load().features
    assert set(splits) == set(load(split=None))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"columns": ["likes"]}, "liked has no column likes; it has text, image_name,"),
        ({"filters": [("image_name", "=", 7)]}, "liked: expected text .*: write '7'"),
        ({"shards": "work"}, "twigma liked: expected options .* found shards='work'"),
        ({"data_files": "x"}, "twigma liked: expected no data_files, .* liked="),
    ],
)
def test_what_cannot_be_loaded_is_said(load, written, options, sentence):
    if "data_files" in options:
        options = {"data_files": str(written / "train/metadata.parquet")}
    with pytest.raises(ValueError, match=sentence):
        load(**options)


def test_the_folder_may_be_named_as_data_dir(load, written, lines, monkeypatch):
    monkeypatch.chdir(written.parent)
    for options in ({"data_dir": str(written)}, {}, {"data_dir": "liked"}):
        assert len(load(liked=None, **options)) == len(lines)
    assert len(load(data_dir=str(written))) == len(lines)
    with pytest.raises(ValueError, match="nowhere is not a set of liked images"):
        load(liked=None, data_dir="nowhere")
    with pytest.raises(
        ValueError, match=r"expected one folder, found liked=.* data_dir"
    ):
        load(data_dir="nowhere")
