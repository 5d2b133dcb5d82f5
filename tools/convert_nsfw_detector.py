"""Convert LAION's CLIP-based NSFW detector from its Keras archive to `builder/stages/nsfw_detector.safetensors`.

The package ships the result, so this runs only to check or to re-create that file:

    curl -LO https://raw.githubusercontent.com/LAION-AI/CLIP-based-NSFW-Detector/main/clip_autokeras_binary_nsfw.zip
    python tools/convert_nsfw_detector.py clip_autokeras_binary_nsfw.zip builder/stages/nsfw_detector.safetensors

The archive's SHA-256 is checked before anything in it is read; equal archives give equal bytes. Three formats are read
as plain data, each only as far as this archive needs: protocol buffers (`saved_model.pb`, for the vocabulary
constants), a LevelDB table (`variables.index`, where each variable lies) and raw little-endian numbers
(`variables.data`). Nothing is executed: no TensorFlow, no Keras, no pickle.
"""

import argparse
import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

URL = "https://raw.githubusercontent.com/LAION-AI/CLIP-based-NSFW-Detector/main/clip_autokeras_binary_nsfw.zip"
SHA256 = "905520bb0336accc73ee282c605d926aef90cf14248889d44b9cee50eef71f8a"
METADATA = {
    "model": "ViT-L-14/openai",  # the embeddings that LAION trained it on
    "origin": URL,
    "origin_sha256": SHA256,
    "licence": "MIT",
    "copyright": "Copyright 2022, Christoph Schuhmann",
}

FOLDER = "clip_autokeras_binary_nsfw/"
# Embedding dimension: the constant of the graph that holds its texts, and how many there are.
VOCABULARIES = {
    180: ("Const_12", 10425),
    316: ("Const_14", 2266),
    413: ("Const_16", 2190),
    440: ("Const_18", 2293),
    644: ("Const_20", 2241),
}
LAYERS = 4
TABLE_MAGIC = 0xDB4775248B80FB57
DT_FLOAT = 1

Tensors = dict[str, npt.NDArray[np.generic]]


def convert(archive: Path, target: Path) -> None:
    """Write the tensors of LAION's archive to `target`; ValueError when it is another archive."""
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    if sha256 != SHA256:
        raise ValueError(
            f"{archive} is not LAION's NSFW detector: expected sha256 {SHA256}, "
            f"found {sha256}; download it again from {URL}"
        )
    target.write_bytes(_with_sorted_header(save(read_archive(archive), METADATA)))


def _with_sorted_header(data: bytes) -> bytes:
    """A safetensors file with its JSON header sorted: the library writes metadata in an order of chance."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # numbers begin at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text + data[start:]


def read_archive(path: Path) -> Tensors:
    """Tensors `vocab.<dimension>` (int32), `norm.mean`, `norm.var`, `dense.<i>.kernel` and `.bias` (float32).

    A vocabulary holds its values times 1e6, in the order of the original. ValueError when the archive is not the
    expected one.
    """
    with zipfile.ZipFile(path) as archive:
        graph = archive.read(FOLDER + "saved_model.pb")
        index = archive.read(FOLDER + "variables/variables.index")
        data = archive.read(FOLDER + "variables/variables.data-00000-of-00001")
    return {**_vocabularies(graph), **_variables(index, data)}


# ------------------------------------------------------------------ protocol buffers


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and the place after it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        shift += 7
        if byte < 128:  # the high bit says that more bytes follow
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of one protocol buffer message; messages and strings as bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        size = {1: 8, 5: 4}.get(kind, -1)
        if kind == 2:
            size, at = _varint(data, at)
        if size < 0 or at + size > len(data):
            raise ValueError(f"damaged protocol buffer: field kind {kind} at byte {at}")
        yield number, data[at : at + size]
        at += size


def _messages(data: bytes, *path: int) -> Iterator[bytes]:
    """Every sub-message reached by these field numbers."""
    for number, value in fields(data):
        if number != path[0] or isinstance(value, int):
            continue
        if len(path) > 1:
            yield from _messages(value, *path[1:])
        else:
            yield value


def _vocabularies(saved_model: bytes) -> Tensors:
    """SavedModel.meta_graphs(2).graph_def(2).node(1): name(1), attr(5) "value".tensor(8).string_val(8)."""
    texts_of: dict[bytes, list[bytes]] = {}
    wanted = {constant.encode() for constant, _ in VOCABULARIES.values()}
    for node in _messages(saved_model, 2, 2, 1):
        name = next(_messages(node, 1))
        if name in wanted:
            texts_of[name] = list(_messages(node, 5, 2, 8, 8))
    tensors: Tensors = {}
    for dimension, (constant, count) in VOCABULARIES.items():
        texts = texts_of.get(constant.encode(), [])
        if len(texts) != count:
            raise ValueError(
                f"vocabulary of dimension {dimension}: expected {count} texts, found {len(texts)}"
            )
        values = np.array([float(text) for text in texts])
        tensors[f"vocab.{dimension}"] = np.rint(values * 1e6).astype(np.int32)
    return tensors


# ------------------------------------------------------------------ variables


def _variables(index: bytes, data: bytes) -> Tensors:
    # Layer 1 of the original normalises, layers 2 to 5 are dense.
    names = {"norm.mean": "1/mean", "norm.var": "1/variance"}
    for layer in range(LAYERS):
        names[f"dense.{layer}.kernel"] = f"{layer + 2}/kernel"
        names[f"dense.{layer}.bias"] = f"{layer + 2}/bias"
    entries = dict(table(index))
    tensors: Tensors = {}
    for name, variable in names.items():
        key = f"layer_with_weights-{variable}/.ATTRIBUTES/VARIABLE_VALUE".encode()
        if key not in entries:
            raise ValueError(f"the NSFW archive has no variable {variable}")
        tensors[name] = _tensor(entries[key], data)
    return tensors


def _tensor(entry: bytes, data: bytes) -> npt.NDArray[np.float32]:
    """BundleEntryProto: dtype(1), shape(2).dim(2).size(1), offset(4), size(5)."""
    numbers: dict[int, int] = {}
    for number, value in fields(entry):
        if isinstance(value, int):
            numbers[number] = value
    shape = [int(dict(fields(dim)).get(1, 0)) for dim in _messages(entry, 2, 2)]
    start = numbers.get(4, 0)
    end = start + numbers[5]
    if numbers[1] != DT_FLOAT or end > len(data):
        raise ValueError(
            f"damaged NSFW archive: variable of type {numbers[1]}, bytes {start} to {end}"
        )
    return np.frombuffer(data[start:end], "<f4").reshape(shape)


def table(index: bytes) -> Iterator[tuple[bytes, bytes]]:
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path, help=f"from {URL}")
    parser.add_argument("target", type=Path, help="the .safetensors file to write")
    options = parser.parse_args()
    convert(options.archive, options.target)
