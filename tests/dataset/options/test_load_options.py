"""`columns`, and the options that a configuration takes."""

import pyarrow as pa
import pytest

from twigma.dataset.options.load_options import check_columns, check_options

SCHEMA = pa.schema([("id", pa.string()), ("like_count", pa.int64())])
KNOWN = ("columns", "filters", "shards", "liked", "batch_size", "features", "cache_dir")


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ("id", ["id"]),
        (("like_count", "id"), ["like_count", "id"]),
        (["id", "id"], ["id"]),
        (["image", "id"], ["image", "id"]),
        ([], []),
    ],
)
def test_columns_become_a_list_of_names(columns, names):
    assert check_columns(columns, SCHEMA, "rows", also=("image",)) == names


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (5, "rows: expected columns as a list of names, .*, found 5"),
        ([3], r"rows: expected columns as a list of names, .*, found \[3\]"),
        ({"id": 1}, r"rows: expected columns as a list of names, .*, found {'id': 1}"),
        ("likes", "rows has no column likes; it has id, like_count"),
    ],
)
def test_what_are_no_columns_is_said(columns, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_columns(columns, SCHEMA, "rows")


@pytest.mark.parametrize(
    ("config", "options"),
    [
        ("metadata", {"batch_size": 10, "features": None, "shards": None}),
        ("embeddings-siglip2", {"batch_size": 1, "columns": "id"}),
        ("images", {"shards": "work", "cache_dir": "cache", "features": None}),
        ("liked", {"liked": "mine", "filters": [("id", "=", "1")]}),
    ],
)
def test_options_that_a_configuration_takes(config, options):
    check_options(config, options, KNOWN)


@pytest.mark.parametrize(
    ("config", "options", "sentence"),
    [
        ("metadata", {"shards": "work"}, "found shards='work': leave it out"),
        ("embeddings", {"liked": "mine"}, "found liked='mine': leave it out"),
        ("images", {"liked": "mine"}, "data_dir, shards, found liked='mine': leave it"),
        ("images", {"batch_size": 4}, "data_dir, shards, found batch_size=4: leave it"),
        ("liked", {"shards": "work"}, "data_dir, liked, found shards='work': leave it"),
        ("liked", {"features": {}}, "data_dir, liked, found features={}: leave it out"),
        ("metadata", {"likes": 3}, "metadata: expected options among .*found likes=3"),
        ("metadata", {"batch_size": 0}, "batch_size as a number .* 1, found 0"),
        ("metadata", {"batch_size": "a"}, "batch_size as a number .* 1, found 'a'"),
    ],
)
def test_an_option_that_would_be_ignored_is_named(config, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_options(config, options, KNOWN)
