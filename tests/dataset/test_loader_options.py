"""The options of `load_dataset`: none is ignored, what is wrong with one is said at once, and no rows are no error."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import releasing

import twigma

NONE = {"filters": [("like_count", ">", 10**6)]}


def load(name, split="train", **options):
    return twigma.load_dataset(name, split=split, **options)


# ------------------------------------------------------------------ what is asked for


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", ["metadata", "images"])
def test_columns_may_be_one_name_and_conditions_tuples_or_lists(here, name, streaming):
    asked = {"columns": "like_count", "filters": (["like_count", ">=", 200],)}
    rows = list(load(name, streaming=streaming, **asked))
    released = releasing.read(here / "twigma")["like_count"].to_pylist()
    expected = [likes for likes in released if likes is not None and likes >= 200]
    assert expected and sorted(row["like_count"] for row in rows) == sorted(expected)
    beside = {"image", "image_name"} if name == "images" else set()
    assert set(rows[0]) == {"like_count"} | beside


def test_images_without_a_column_of_the_metadata(here):
    assert load("images", columns=[]).column_names == ["image", "image_name"]
    with pytest.raises(ValueError, match=r"columns among id, .*, found none: leave"):
        load("metadata", columns=[])


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", ["metadata", "embeddings", "images"])
@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"filters": [("image_name", "=", 7)]}, "twigma: .* found 7 .*: write '7'"),
        ({"filters": ("image_name", "=", "7")}, "twigma: expected filters as a list"),
        ({"columns": 5}, "twigma: expected columns as a list of names"),
        ({"likes": 5}, "twigma .*: expected options among .*, found likes=5"),
        ({"liked": "mine"}, "twigma .*: expected options among .*, found liked='mi"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_read(
    here, name, streaming, asked, sentence
):
    with pytest.raises(ValueError, match=sentence):
        load(name, streaming=streaming, **asked)


def test_images_are_of_no_data_files(here):
    with pytest.raises(ValueError, match=r"images: expected no data_files, .* shards="):
        load("images", data_files=[str(path) for path in here.glob("twigma/*.parquet")])


def test_where_no_images_are_the_option_that_names_their_folder_is_said(here):
    (here / "work").rename(here / "mine")
    expected = r"no finished shards in .*/work/shards, where the images .* shards="
    with pytest.raises(FileNotFoundError, match=rf"{expected}, or make them with `twi"):
        load("images")
    with pytest.raises(
        FileNotFoundError, match=rf"{expected} \(data_dir='twigma' is the release"
    ):
        load("images", data_dir="twigma")
    assert len(load("images", data_dir="twigma", shards="mine")) == 26


# ------------------------------------------------------------------ no rows


@pytest.mark.parametrize("name", ["metadata", "embeddings", "images"])
def test_filters_that_no_row_passes_give_an_empty_dataset(here, name):
    filters = [("image_name", "=", "nobody")]
    every = load(name)
    for split in ("train", "train[:10]", "train"):  # the last from the cache
        rows = load(name, split=split, filters=filters)
        assert len(rows) == 0 and rows.features == every.features
        assert str(rows.split) == split
    assert list(load(name, filters=filters, streaming=True)) == []
    splits = twigma.load_dataset(name, filters=filters)
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 0}


def test_an_empty_dataset_is_one_of_datasets(here):
    rows = load("images", **NONE, columns=["like_count"])
    assert rows.filter(lambda likes: likes > 1, input_columns="like_count")[:] == {
        "image": [],
        "image_name": [],
        "like_count": [],
    }
    with pytest.raises(ValueError, match='Unknown split "test"'):
        load("metadata", **NONE, split="test")


@pytest.mark.parametrize("streaming", [False, True], ids=["loaded", "stream"])
def test_images_that_are_of_another_release_are_an_error(here, streaming):
    """Without filters nothing was left out, so that no rows are a mistake."""
    shutil.rmtree(here / "twigma")
    table = pq.read_table(here / "work/images.parquet")
    others = pa.array([str(1700000000000000000 + row) for row in range(len(table))])
    at = table.column_names.index("image_name")
    pq.write_table(
        table.set_column(at, "image_name", others), here / "work/images.parquet"
    )
    with pytest.raises(ValueError, match=r"images: expected rows in train, .* shards="):
        load("images", streaming=streaming)
