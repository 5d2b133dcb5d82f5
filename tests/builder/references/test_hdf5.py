"""HDF5 of strangers: only numbers that lie in the file are read, and no more than it holds."""

import tracemalloc
import zlib

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twigma.builder.references import file_readers, hdf5, text_files
from twigma.rehydrate.sources.pictures.tables import parquet_pictures

MB = 1 << 20


def external(file):
    file.create_dataset("emb", (10, 3), "f4", external=[("/etc/passwd", 0, 120)])


def virtual(file):
    with h5py.File(f"{file.filename}.other", "w") as other:
        other["emb"] = np.ones((10, 3), "f4")
    layout = h5py.VirtualLayout((10, 3), "f4")
    layout[:] = h5py.VirtualSource(f"{file.filename}.other", "emb", (10, 3))
    file.create_virtual_dataset("emb", layout)


def link(file):
    with h5py.File(f"{file.filename}.other", "w") as other:
        other["emb"] = np.ones((10, 3), "f4")
    file["emb"] = h5py.ExternalLink(f"{file.filename}.other", "emb")


def soft_link(file):
    link(file)
    file["soft"] = h5py.SoftLink("/emb")
    del file["emb"]


def filled(file):
    file.create_dataset("emb", (1 << 21, 1024), "f4", chunks=(1, 1024), fillvalue=1)


def sparse(file):
    file.create_dataset("emb", (1 << 21, 1024), "f4", chunks=(1, 1024), fillvalue=1)[
        0
    ] = 1


def wide(file):
    file.create_dataset("emb", (1, 1 << 31), "f4", chunks=(1, 1024), fillvalue=1)[
        0, :9
    ] = 1


def one_chunk(file):
    file.create_dataset(
        "emb", (1 << 17, 1024), "f4", chunks=(1 << 17, 1024), compression="gzip"
    )


def lying_chunk(file):
    data = file.create_dataset("emb", (4, 8), "f4", chunks=(4, 8), compression="gzip")
    data.id.write_direct_chunk((0, 0), zlib.compress(bytes(64 * MB), 9))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (external, "takes its numbers from other files"),
        (virtual, "takes its numbers from other files"),
        (link, r"found \[\]; \['emb'\] are links"),
        (soft_link, r"found \[\]; \['soft'\] are links"),
        (filled, "states 8,589,934,592 bytes, 0 are stored"),
        (sparse, "states 8,589,934,592 bytes, 4,096 are stored"),
        (wide, "expected vectors of 1 to 65,536 numbers"),
        (one_chunk, "states 536,870,912 bytes, 0 are stored"),
        (lying_chunk, "a damaged chunk that unpacks to over 128 bytes"),
    ],
)
def test_what_is_elsewhere_or_nowhere_is_refused(make, said, tmp_path):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        make(file)
    tracemalloc.start()
    with pytest.raises(ValueError, match=said):
        list(file_readers.vectors(tmp_path / "v.h5"))
    assert tracemalloc.get_traced_memory()[1] < 20 * MB
    tracemalloc.stop()


@pytest.mark.parametrize(
    "options", [{}, {"compression": "gzip"}, {"compression": "lzf", "shuffle": True}]
)
def test_usual_files_are_read(options, tmp_path):
    rows = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("emb", data=rows, fletcher32=bool(options), **options)
    np.testing.assert_array_equal(
        np.concatenate([block for _, block in file_readers.vectors(tmp_path / "v.h5")]),
        rows,
    )


def test_long_rows_come_in_small_blocks():
    rows = np.zeros((10, 1000), np.float32)
    assert [len(block) for block in hdf5.blocks(rows, 4, 1 << 20)] == [4, 4, 2]
    assert [len(block) for block in hdf5.blocks(rows, 4, 9000)] == [2] * 5
    assert [len(block) for block in hdf5.blocks(rows, 4, 100)] == [1] * 10


def test_arrays_of_endless_rows_are_refused(tmp_path):
    header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 60, 0)}
    with (tmp_path / "v.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(8))
    with pytest.raises(
        ValueError, match=r"vectors of 1 to 65,536 numbers|not a readable"
    ):
        list(file_readers.vectors(tmp_path / "v.npy"))
    header["shape"] = (1 << 31, 768)
    with (tmp_path / "v.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(8))
    with pytest.raises(ValueError, match=r"not a readable \.npy"):
        list(file_readers.vectors(tmp_path / "v.npy"))


def test_parquet_that_unpacks_to_far_more_is_refused(tmp_path):
    path = tmp_path / "v.parquet"
    zeros = pa.FixedSizeListArray.from_arrays(
        pa.array(np.zeros(10_240_000, np.float32)), 1024
    )
    pq.write_table(pa.table({"embedding": zeros}), path)
    assert path.stat().st_size < 1 * MB
    with pytest.raises(ValueError, match="bytes of Parquet that unpack to"):
        list(file_readers.vectors(path))


def test_one_image_on_many_rows_is_in_memory_once(tmp_path):
    path = tmp_path / "i.parquet"
    image = pa.DictionaryArray.from_arrays(
        pa.array([0] * 599 + [None], pa.int32()), pa.array([bytes(5 * MB)])
    )
    struct = pa.StructArray.from_arrays(
        [image, pa.array(["a"] * 600)], ["bytes", "path"]
    )
    pq.write_table(pa.table({"image": struct}), path)
    before = pa.total_allocated_bytes()
    most, count = 0, 0
    without: list[str] = []
    for _ in parquet_pictures(path, None, None, without.append):
        most = max(most, pa.total_allocated_bytes() - before)
        count += 1
    assert count == 599 and without == ["i_000599"]
    assert most < 100 * MB


def test_a_long_text_on_many_rows_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    long = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(100_000, np.int32)), pa.array(["x" * (2 * MB)])
    )
    pq.write_table(pa.table({"text": long}), path, store_schema=False)
    with pytest.raises(ValueError, match="a cell of 2,097,152 bytes"):
        text_files.texts(path)


def test_only_the_column_of_texts_is_kept(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "text,"
        + ",".join(f"c{n}" for n in range(20_000))
        + "\na,"
        + "," * 19_999
        + "\n"
    )
    assert text_files.texts(path) == ["a"]
