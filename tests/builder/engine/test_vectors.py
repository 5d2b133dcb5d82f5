"""Embeddings stay where they are mapped, also beside images without one: what is read is what numpy would take."""

import numpy as np
import pyarrow as pa
import pytest

from twigma.builder.engine.vectors import Vectors, as_column, read_vectors
from twigma.builder.release.row_filter import _embedded
from twigma.core.parts import write_part
from twigma.core.workspace import Workspace

DIM = 64


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(100, DIM)).astype(np.float16)


def chunks(rows, without):
    """Two arrays, the second a slice of a longer one, with nulls at these rows."""
    missing = np.isin(np.arange(len(rows)), without)
    column = as_column(rows, missing)
    return [column.slice(0, 37), column.slice(37)]


@pytest.mark.parametrize("without", [[], [0, 36, 37, 99], list(range(37))])
def test_rows_are_those_that_have_an_embedding(rows, without):
    present = np.delete(rows, without, axis=0)
    names = pa.array([str(i) for i in range(len(present))])
    vectors = Vectors(chunks(rows, without), names)
    assert len(vectors) == len(present)
    assert vectors.dim == DIM
    some = np.array([len(present) - 1, 0, 5, 5])
    assert (vectors.take(some) == present[some]).all()
    blocks = list(vectors.blocks(8))
    starts = [start for start, _ in blocks]
    assert starts == sorted(starts)
    assert (np.concatenate([block for _, block in blocks]) == present).all()


def write_embeddings(work, rows, without):
    names = pa.array([f"{i:03}" for i in range(len(rows))])
    column = as_column(rows, np.isin(np.arange(len(rows)), without))
    table = pa.table({"image_name": names, "embedding": column})
    write_part(work.part("embed", "00000"), table, {"model": "m", "sha256": "0"})


@pytest.mark.parametrize("read", [read_vectors, lambda work: _embedded(work, "embed")])
def test_a_part_with_an_image_that_could_not_be_decoded_is_not_copied(tmp_path, read):
    work = Workspace(tmp_path)
    rows = np.ones((4_000, 768), np.float16)
    write_embeddings(work, rows, [7])
    usual = pa.default_memory_pool()
    counting = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(counting)
    try:
        read(work)
    finally:
        pa.set_memory_pool(usual)
    assert counting.max_memory() < rows.nbytes / 4


def test_names_are_those_of_the_rows(tmp_path, rows):
    work = Workspace(tmp_path)
    write_embeddings(work, rows, [1, 50])
    vectors, _ = read_vectors(work)
    assert len(vectors.names) == 98
    at = vectors.names.index(pa.scalar("051")).as_py()
    assert (vectors.take(np.array([at]))[0] == rows[51]).all()
