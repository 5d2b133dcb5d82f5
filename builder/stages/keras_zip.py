"""Read the weights of LAION's NSFW detector from its Keras SavedModel archive as plain data. Used by `twigma nsfw`.

Three formats, each read only as far as this archive needs: protocol buffers (`saved_model.pb`, for the vocabulary
constants), a LevelDB table (`variables.index`, where each variable lies), and raw little-endian numbers
(`variables.data`). Nothing is executed: no TensorFlow, no Keras, no pickle.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

FOLDER = "clip_autokeras_binary_nsfw/"
VOCABULARIES = {  # embedding dimension: the constant of the graph that holds its texts, and how many
    180: ("Const_12", 10425),
    316: ("Const_14", 2266),
    413: ("Const_16", 2190),
    440: ("Const_18", 2293),
    644: ("Const_20", 2241),
}
VARIABLES = {"norm.mean": "1/mean", "norm.var": "1/variance"} | {
    f"dense.{i}.{name}": f"{i + 2}/{name}"
    for i in range(4)
    for name in ("kernel", "bias")
}
TABLE_MAGIC = 0xDB4775248B80FB57
DT_FLOAT = 1

Tensors = dict[str, npt.NDArray[np.generic]]


def read_keras_zip(path: Path) -> Tensors:
    """Tensors `vocab.<dimension>` (int64, value x 1e6, in vocabulary order), `norm.*` and `dense.<i>.*` (float32).

    ValueError when the archive is not the expected one.
    """
    with zipfile.ZipFile(path) as archive:
        graph = archive.read(FOLDER + "saved_model.pb")
        index = archive.read(FOLDER + "variables/variables.index")
        data = archive.read(FOLDER + "variables/variables.data-00000-of-00001")
    return _vocabularies(graph) | _variables(index, data)


# ------------------------------------------------------------------ protocol buffers


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of one protocol buffer message; messages and strings as bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        value: int | bytes
        if kind == 0:
            value, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(kind, -1)
            if kind == 2:
                size, at = _varint(data, at)
            if size < 0 or at + size > len(data):
                raise ValueError(
                    f"damaged protocol buffer: field kind {kind} at byte {at}"
                )
            value, at = data[at : at + size], at + size
        yield key >> 3, value


def _all(data: bytes, *path: int) -> Iterator[bytes]:
    """Every sub-message reached by these field numbers."""
    for number, value in _fields(data):
        if number == path[0] and isinstance(value, bytes):
            yield from _all(value, *path[1:]) if path[1:] else [value]


def _vocabularies(saved_model: bytes) -> Tensors:
    """SavedModel.meta_graphs(2).graph_def(2).node(1): name(1), attr(5) "value".tensor(8).string_val(8)."""
    wanted = {
        constant.encode(): (dimension, count)
        for dimension, (constant, count) in VOCABULARIES.items()
    }
    found: Tensors = {}
    for node in _all(saved_model, 2, 2, 1):
        name = next(_all(node, 1))
        if name in wanted:
            dimension, count = wanted[name]
            texts = list(_all(node, 5, 2, 8, 8))
            if len(texts) != count:
                raise ValueError(
                    f"vocabulary of dimension {dimension}: expected {count} texts, found {len(texts)}"
                )
            found[f"vocab.{dimension}"] = np.rint(
                np.array([float(text) for text in texts]) * 1e6
            ).astype(np.int64)
    if len(found) != len(wanted):
        raise ValueError(
            f"expected the vocabularies of {sorted(VOCABULARIES)}, found {sorted(found)}"
        )
    return found


# ------------------------------------------------------------------ variables


def _variables(index: bytes, data: bytes) -> Tensors:
    entries = dict(_table(index))
    found: Tensors = {}
    for name, variable in VARIABLES.items():
        entry = entries.get(
            f"layer_with_weights-{variable}/.ATTRIBUTES/VARIABLE_VALUE".encode()
        )
        if entry is None:
            raise ValueError(f"the NSFW archive lacks the variable {variable}")
        found[name] = _tensor(entry, data)
    return found


def _tensor(entry: bytes, data: bytes) -> npt.NDArray[np.float32]:
    """BundleEntryProto: dtype(1), shape(2).dim(2).size(1), offset(4), size(5)."""
    numbers = {
        number: value for number, value in _fields(entry) if isinstance(value, int)
    }
    shape = [dict(_fields(dim)).get(1, 0) for dim in _all(entry, 2, 2)]
    offset, size = numbers.get(4, 0), numbers[5]
    if numbers[1] != DT_FLOAT or offset + size > len(data):
        raise ValueError(
            f"damaged NSFW archive: variable of type {numbers[1]}, bytes {offset} to {offset + size}"
        )
    return np.frombuffer(data[offset : offset + size], "<f4").reshape(
        [int(n) for n in shape]
    )


def _table(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a LevelDB table: a 48-byte footer leads to the index block, that to the data blocks."""
    footer = index[-48:]
    if len(footer) < 48 or int.from_bytes(footer[-8:], "little") != TABLE_MAGIC:
        raise ValueError("variables.index is not a LevelDB table: wrong magic number")
    _, at = _varint(footer, 0)
    _, at = _varint(footer, at)
    for _, handle in _block(index, footer[at:]):
        yield from _block(index, handle)


def _block(index: bytes, handle: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Entries of one block: each key shares a prefix with the one before; restart offsets close the block."""
    offset, at = _varint(handle, 0)
    size, _ = _varint(handle, at)
    block = index[offset : offset + size]
    if index[offset + size] != 0:
        raise ValueError(
            "variables.index is compressed: not the published NSFW archive"
        )
    end = size - 4 * (1 + int.from_bytes(block[-4:], "little"))
    key, at = b"", 0
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + length]
        at += length
