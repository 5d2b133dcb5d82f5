"""Tables as other tools write them, through `twigma analyze`: the same numbers as of ours, or one sentence."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from twigma.analysis.tables.column_types import declared_types
from twigma.cli import main
from twigma.core import columns

N = 48
MONTH = pa.array(np.arange(N) // 12)
DATES = np.datetime64("2022-01-15T10:30:00", "ms") + (
    np.arange(N) // 12 * 31 * 86_400_000
).astype("m8[ms]")
TABLE = pa.table(
    {
        "id": [str(2**60 + i) for i in range(N)],
        "image_name": [str(2**61 + i) for i in range(N)],
        "created_at": pa.array(DATES),
        "like_count": pa.array(np.arange(N), pa.int64()),
        "all_captions": [f"a painting of a robot {i % 3}" for i in range(N)],
        "label_10_cluster": pa.array(np.arange(N) % 2 + 1, pa.int32()),
        "possibly_sensitive": [i % 5 == 0 for i in range(N)],
        "nsfw_score": pa.array(np.linspace(0, 1, N), pa.float32()),
    }
)


def cast(**types):
    def change(table):
        for name, kind in types.items():
            place = table.column_names.index(name)
            table = table.set_column(place, name, table[name].cast(kind))
        return table

    return change


def replaced(name, values):
    return lambda table: table.set_column(
        table.column_names.index(name), name, pa.array(values)
    )


def every_text_as(kind):
    names = ("id", "image_name", "all_captions")
    return cast(**dict.fromkeys(names, kind))


DICTIONARY = pa.dictionary(pa.int32(), pa.string())
ISO = [str(date) for date in DATES]
PLATFORM = [pd.Timestamp(d).strftime("%a %b %d %H:%M:%S +0000 %Y") for d in DATES]
MAIL = [f"{pd.Timestamp(d):%a, %d %b %Y %H:%M:%S} GMT" for d in DATES]
SECONDS = DATES.astype("m8[ms]").astype(int) // 1000
SEVERAL = [form[i] for i, form in enumerate([ISO, PLATFORM, MAIL] * (N // 3))]
TWO_ZONES = [
    str(pd.Timestamp(date, tz="UTC").tz_convert(zone))
    for date, zone in zip(DATES, ["Asia/Tokyo", "UTC"] * (N // 2), strict=True)
]
TOKYO = pa.array(DATES).cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp("us", "Asia/Tokyo"))  # fmt: skip
# The same data in other types.
SAME = {
    "ours": lambda table: table,
    "ids as integers": cast(id=pa.int64(), image_name=pa.uint64()),
    "ids as dictionary": every_text_as(DICTIONARY),
    "large_string": every_text_as(pa.large_string()),
    "string_view": every_text_as(pa.string_view()),
    "binary": every_text_as(pa.binary()),
    "nanoseconds": cast(created_at=pa.timestamp("ns")),
    "seconds": cast(created_at=pa.timestamp("s")),
    "time zone": replaced("created_at", TOKYO),
    "text dates": replaced("created_at", ISO),
    "text dates with a zone": replaced("created_at", [f"{d}Z" for d in ISO]),
    "text dates in two zones": replaced("created_at", TWO_ZONES),
    "dates of API v1.1": replaced("created_at", PLATFORM),
    "dates of mail": replaced("created_at", MAIL),
    "seconds since 1970": replaced("created_at", SECONDS),
    "seconds since 1970 as floats": replaced("created_at", SECONDS.astype(float)),
    "seconds since 1970 as text": replaced("created_at", SECONDS.astype(str)),
    "dates of several forms": replaced("created_at", SEVERAL),
    "int64 labels": cast(label_10_cluster=pa.int64()),
    "int8 labels": cast(label_10_cluster=pa.int8()),
    "float labels": cast(label_10_cluster=pa.float64()),
    "text labels": replaced("label_10_cluster", [str(i % 2 + 1) for i in range(N)]),
    "dictionary labels": replaced(
        "label_10_cluster",
        pa.array([i % 2 + 1 for i in range(N)]).dictionary_encode(),
    ),
    "float likes": cast(like_count=pa.float64()),
    "double scores": cast(nsfw_score=pa.float64()),
    "flags as numbers": cast(possibly_sensitive=pa.int8()),
    "flags as text": replaced(
        "possibly_sensitive", ["True" if i % 5 == 0 else "False" for i in range(N)]
    ),
    "flags in other words": replaced(
        "possibly_sensitive", ["yes" if i % 5 == 0 else " F" for i in range(N)]
    ),
}
# What cannot be read, and what its sentence says.
REFUSED = {
    "no image_name": (
        lambda table: table.drop_columns(["image_name"]),
        ["expected a column image_name", "found id, created_at", "rename or add it"],
    ),
    "ids as floats": (
        replaced("id", np.arange(N) * 1.5e18),
        ["column id", "expected string, found double", "write this column as text"],
    ),
    "dates as numbers": (
        replaced("created_at", np.arange(N)),
        ["column created_at", "found int64", "write dates as timestamps"],
    ),
    "dates in words": (
        replaced("created_at", ["last summer"] * N),
        ["column created_at", "found string", "last summer", "2022-08-31"],
    ),
    "one date in words": (
        replaced("created_at", [*ISO[1:], "last summer"]),
        ["column created_at", "'last summer'"],
    ),
    "halves of labels": (
        replaced("label_10_cluster", np.arange(N) / 2),
        ["column label_10_cluster", "expected int32, found double"],
    ),
    "labels in words": (
        replaced("label_10_cluster", ["portraits"] * N),
        ["column label_10_cluster", "found string", "portraits"],
    ),
    "flags in words": (
        replaced("possibly_sensitive", ["perhaps"] * N),
        ["column possibly_sensitive", "'perhaps'", "write true and false"],
    ),
}


def analyzed(table, folder):
    release = folder / "release"
    release.mkdir()
    pq.write_table(table, release / "metadata-00000.parquet")
    command = ["analyze", str(release), "--out", str(folder / "out")]
    return CliRunner().invoke(main, command)


def numbers(folder):
    results = json.loads((folder / "out" / "results.json").read_text("utf-8"))
    return results["values"], results["skipped"], list(results["figures"])


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ours")
    assert analyzed(TABLE, folder).exit_code == 0
    values, skipped, figures = numbers(folder)
    assert {"fig1b", "fig4b", "fig4c", "fig4d"} <= set(figures)
    return values, skipped, figures


# Through the command only where a type takes its own path; of the others the table is compared.
COMMANDS = ("ids as integers", "time zone", "text dates", "float labels")


@pytest.mark.parametrize("shape", SAME)
def test_other_types_are_the_same_table(shape):
    found = declared_types(SAME[shape](TABLE), "table")
    assert found.equals(TABLE)


@pytest.mark.parametrize("shape", COMMANDS)
def test_other_types_give_the_same_results(shape, tmp_path, ours):
    done = analyzed(SAME[shape](TABLE), tmp_path)
    assert done.exit_code == 0, done.output
    assert numbers(tmp_path) == ours


@pytest.mark.parametrize("shape", REFUSED)
def test_what_cannot_be_read_is_one_sentence_before_any_work(shape, tmp_path):
    change, words = REFUSED[shape]
    done = analyzed(change(TABLE), tmp_path)
    assert done.exit_code == 1
    assert len(done.output.strip().splitlines()) == 1
    for word in ("metadata-00000.parquet", *words):
        assert word in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("column", ["id", "created_at", "label_10_cluster"])
def test_a_missing_column_costs_its_own_figures_only(column, tmp_path, ours):
    done = analyzed(TABLE.drop_columns([column]), tmp_path)
    assert done.exit_code == 0, done.output
    _, skipped, figures = numbers(tmp_path)
    lost = set(ours[2]) - set(figures)
    assert (
        lost
        == {
            "id": {"fig1b"},
            "created_at": {"fig1b", "fig4b"},
            "label_10_cluster": {"fig4b", "fig4c", "cluster_images"},
        }[column]
    )
    reasons = {e["figure"]: e["missing"] for e in skipped}
    called = columns.LABELS if column == "label_10_cluster" else column
    assert all(f"column {called}" in reasons[figure] for figure in lost)


def test_nan_is_null_in_columns_of_integers():
    labels = np.where(np.arange(N) % 4, np.arange(N) % 2 + 1.0, np.nan)
    table = replaced("label_10_cluster", labels)(TABLE)
    found = declared_types(table, "table")["label_10_cluster"]
    assert found.null_count == N // 4
    assert pc.sum(found).as_py() == np.nansum(labels)


def test_files_of_one_release_may_differ_in_type(tmp_path):
    release = tmp_path / "release"
    release.mkdir()
    half = SAME["ids as integers"](TABLE.slice(0, N // 2))
    pq.write_table(half, release / "metadata-00000.parquet")
    other = SAME["float labels"](TABLE.slice(N // 2)).drop_columns(["nsfw_score"])
    pq.write_table(other, release / "metadata-00001.parquet")
    from twigma.analysis.inputs import load

    table = load.load(release, None, {}).images.table
    assert table["id"].to_pylist() == TABLE["id"].to_pylist()
    assert table["nsfw_score"].null_count == N // 2


def test_embeddings_without_their_column_are_refused(tmp_path):
    release = tmp_path / "release"
    release.mkdir()
    pq.write_table(TABLE, release / "metadata-00000.parquet")
    vectors = pa.table({"image_name": TABLE["image_name"], "clip": [[1.0]] * N})
    pq.write_table(vectors, release / "embeddings-00000.parquet")
    done = CliRunner().invoke(
        main, ["analyze", str(release), "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 1
    assert "expected columns image_name and embedding, found image_name, clip" in done.output  # fmt: skip
