"""Finished shards of a working folder: a WebDataset tar, its sidecar table, and the manifest written last.

Reading is strict: a shard whose bytes, members or count differ from its manifest is refused by name. Written by
`twigma rehydrate` and `twigma add`; read by every stage with pixels.
"""

import contextlib
import hashlib
import itertools
import json
import mmap
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core import columns
from twigma.core.files import file_sha256, fsync, read_parquet, write_json
from twigma.core.safety import untrusted_names

_FIELDS = ("image_name", "url", "status", "error", "width", "height", "sha256", "group")
_OURS = [
    ("member", pa.string()),
    ("note", pa.string()),
]  # a note where the bytes are not simply the host's
SIDECAR = pa.schema(
    [("key", pa.string()), *columns.schema(_FIELDS).remove_metadata(), *_OURS]
)
_OCTAL = re.compile(rb"[0-7]+")
BLOCK_BYTES = 256 << 20  # of encoded images held at once
_BLOCK, _EMPTY = tarfile.BLOCKSIZE, bytes(tarfile.BLOCKSIZE)


@dataclass(frozen=True)
class Shard:
    """One finished shard: where its tar, its sidecar and its manifest are."""

    name: str
    tar: Path
    sidecar: Path
    manifest: Path


def shard_at(work: Path, name: str) -> Shard:
    """The shard of that name, finished or not, with its tar inside the working folder."""
    folder = work / "shards"
    return Shard(
        name,
        folder / f"{name}.tar",
        folder / f"{name}.parquet",
        folder / f"{name}.json",
    )


def read_manifest(shard: Shard) -> dict[str, Any]:
    """What the manifest says; ValueError when it is damaged."""
    try:
        manifest = json.loads(shard.manifest.read_bytes())
    except ValueError:
        manifest = None
    if isinstance(manifest, dict) and {
        "sha256",
        "bytes",
        "rows",
        "samples",
        "tar",
        "sidecar",
    } <= set(manifest):
        _refuse_place(shard, manifest)
        return manifest
    raise ValueError(
        f"the manifest {shard.manifest} is damaged: delete it and run the command that made it again"
    )


def _refuse_place(shard: Shard, manifest: dict[str, Any]) -> None:
    """ValueError unless the tar is beside the manifest, or one of the user's own that `twigma add` registered."""
    tar = manifest["tar"]
    own = (
        isinstance(tar, str)
        and Path(tar).is_absolute()
        and manifest.get("made_from", {}).get("kind") == "add"
    )
    if own and ".." not in Path(tar).parts:
        return
    untrusted_names.refuse_paths([tar], str(shard.manifest))
    if "/" in tar:
        raise ValueError(
            f"{shard.manifest} names the tar {tar!r}: expected one beside it, or one you added yourself"
        )


def list_shards(work: Path) -> list[Shard]:
    """The finished shards by name; FileNotFoundError when there is none."""
    shards = []
    for shard in manifests(work):
        tar = (
            shard.manifest.parent / read_manifest(shard)["tar"]
        )  # joined to an absolute path, that path wins
        shards.append(Shard(shard.name, tar, shard.sidecar, shard.manifest))
    if not shards:
        raise FileNotFoundError(
            f"no finished shards in {work / 'shards'}: run `twigma rehydrate` or `twigma add`"
        )
    return shards


def manifests(work: Path) -> list[Shard]:
    """Every shard that has a manifest, sound or not, by name."""
    return [
        shard_at(work, path.stem)
        for path in sorted((work / "shards").glob("[0-9]*.json"))
    ]


def next_number(work: Path) -> int:
    """The number of the next new shard: above every shard, every list of one, and every numbered tar.

    A tar may be the user's, who put it there before it was added: a shard of its name would be written over it.
    """
    folder = work / "shards"
    names = [
        path.stem
        for pattern in ("*.tar", "plan/*.parquet")
        for path in folder.glob(pattern)
    ]
    names += [shard.name for shard in manifests(work)]
    return 1 + max((int(name) for name in names if name.isdecimal()), default=-1)


def is_finished(shard: Shard) -> bool:
    """Whether a sound manifest stands beside the sidecar and a tar of the size it names."""
    try:
        manifest = read_manifest(shard)
        tar = shard.manifest.parent / manifest["tar"]
        intact = file_sha256(shard.sidecar) == manifest["sidecar"]
        return bool(intact and tar.stat().st_size == int(manifest["bytes"]))
    except (OSError, ValueError):
        return False


def read_sidecars(work: Path) -> pa.Table:
    """One row per requested photo over all finished shards; a failure that a later shard tried again is left out."""
    tables = [
        read_parquet(shard.sidecar, schema=SIDECAR) for shard in list_shards(work)
    ]
    table = pa.concat_tables(tables).combine_chunks()
    if pc.count_distinct(table["image_name"]).as_py() == len(table):
        return table
    order = pa.array(range(len(table)))
    last = (
        table.select(["image_name"])
        .append_column("at", order)
        .group_by("image_name")
        .aggregate([("at", "max")])
    )
    latest = pc.is_in(order, value_set=last["at_max"].combine_chunks())
    return table.filter(pc.or_(latest, pc.equal(table["status"], "success")))


def read_images(shard: Shard, rows: int = 256) -> Iterator[pa.Table]:
    """Blocks of (image_name: string, image: binary), successes only, in sidecar order.

    The whole tar is hashed first, so a flipped byte or a cut anywhere raises ValueError naming the shard.
    """
    manifest = read_manifest(shard)
    if not shard.tar.exists():
        raise FileNotFoundError(
            f"shard {shard.name}: its tar {shard.tar} is gone; put it back or make the shard again"
        )
    with mapped(shard.tar) as data, memoryview(data) as view:
        found = hashlib.sha256(data).hexdigest()
        if found != manifest["sha256"]:
            raise ValueError(
                f"shard {shard.name}: {shard.tar} is damaged or was changed: expected sha256 {manifest['sha256']}, "
                f"found {found}; restore it, or delete {shard.manifest} and run the command that made it again"
            )
        wanted = _stored(shard, manifest)
        places = _places(shard.tar, data, sound=True) if len(wanted) else {}
        spans_of_all = [places[name] for name in wanted["member"].to_pylist()]
        for start, end in _blocks([size for _, size in spans_of_all], rows):
            block, spans = wanted.slice(start, end - start), spans_of_all[start:end]
            yield pa.table(
                {
                    "image_name": block["image_name"].combine_chunks(),
                    "image": _images(view, spans),
                }
            )


def _blocks(sizes: list[int], rows: int) -> Iterator[tuple[int, int]]:
    """First row and end of blocks of so many rows, fewer where they would take more than BLOCK_BYTES."""
    start = held = 0
    for at, size in enumerate(sizes):
        if at > start and (at - start == rows or held + size > BLOCK_BYTES):
            yield start, at
            start, held = at, 0
        held += size
    if sizes:
        yield start, len(sizes)


def _images(view: memoryview, spans: list[tuple[int, int]]) -> pa.Array:
    """The bytes at these places as a column, copied once."""
    ends = [0, *itertools.accumulate(size for _, size in spans)]
    if ends[-1] >= 2**31:  # more than the offsets of one array can say
        return pa.array(
            [bytes(view[at : at + size]) for at, size in spans],
            columns.COLUMNS["image"].type,
        )
    offsets = pa.array(ends, pa.int32()).buffers()[1]
    values = pa.py_buffer(b"".join([view[at : at + size] for at, size in spans]))
    return pa.Array.from_buffers(
        columns.COLUMNS["image"].type, len(spans), [None, offsets, values]
    )


def _stored(shard: Shard, manifest: dict[str, Any]) -> pa.Table:
    """Name and member of every image in the tar."""
    if file_sha256(shard.sidecar) != manifest["sidecar"]:
        raise ValueError(
            f"shard {shard.name}: {shard.sidecar} is damaged or was changed: delete {shard.manifest} and run the "
            "command that made it again"
        )
    table = pq.read_table(shard.sidecar, columns=["image_name", "member", "status"])
    return table.filter(pc.equal(table["status"], "success"))


def tar_members(path: Path) -> Iterator[tarfile.TarInfo]:
    """The regular files of an uncompressed tar; ValueError where damage would make tarfile stop in silence."""
    try:
        with tarfile.open(path, "r:") as tar:
            size = path.stat().st_size
            for member in tar:
                if member.offset_data + member.size > size:
                    raise ValueError(f"{path} is cut short inside {member.name!r}")
                if member.isreg() and not member.issparse():
                    yield member
            end = tar.offset
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{path} is not a readable tar: {error}") from error
    with path.open("rb") as file:
        file.seek(end)
        if file.read(2 * _BLOCK) != bytes(2 * _BLOCK):
            raise ValueError(
                f"{path} is damaged or cut short: no end-of-archive mark at byte {end:,}"
            )


def tar_places(path: Path) -> dict[str, tuple[int, int]]:
    """First byte and size of every regular file of an uncompressed tar, by name; ValueError as `tar_members`.

    Plain headers, as our own shards have, are read here in a fifth of tarfile's time, others by tarfile.
    """
    with mapped(path) as data:
        return _places(path, data, sound=False)


def _places(
    path: Path, data: mmap.mmap | bytes, *, sound: bool
) -> dict[str, tuple[int, int]]:
    """`tar_places` of a tar that is mapped; of one known to be `sound` the checksums of headers are not looked at."""
    found, at = dict[str, tuple[int, int]](), 0
    while (header := data[at : at + _BLOCK]) != _EMPTY:
        if (plain := _plain_file(header)) is None or not (
            sound or _checksum_is_right(header)
        ):
            break
        name, size = plain
        found[name] = (at + _BLOCK, size)
        at += _BLOCK + size + -size % _BLOCK
    if data[at : at + 2 * _BLOCK] == 2 * _EMPTY:
        return found
    return {
        member.name: (member.offset_data, member.size) for member in tar_members(path)
    }


def _plain_file(header: bytes) -> tuple[str, int] | None:
    """Name and size in the header of a regular file; None where it takes more to read it."""
    name, size = header[:100].rstrip(b"\0"), header[124:136].strip(b"\0 ")
    if (
        header[156:157] != tarfile.REGTYPE
        or header[345]
        or not name.isascii()
        or _OCTAL.fullmatch(size) is None
    ):
        return None
    return name.decode("ascii"), int(size, 8)


def _checksum_is_right(header: bytes) -> bool:
    stated = header[148:156].strip(b"\0 ")
    total = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    return _OCTAL.fullmatch(stated) is not None and int(stated, 8) == total


@contextlib.contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    """A file as memory, read-only."""
    if not path.stat().st_size:  # which cannot be mapped
        yield b""
        return
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        yield data


def verify(tar: Path, sidecar: Path) -> dict[str, Any]:
    """Compare a tar with its sidecar sample by sample; give the manifest's facts, or ValueError saying what differs."""
    table = pq.read_table(sidecar, columns=["member", "sha256", "status"])
    done = table.filter(pc.equal(table["status"], "success"))
    wanted = dict(
        zip(done["member"].to_pylist(), done["sha256"].to_pylist(), strict=True)
    )
    with mapped(tar) as data, memoryview(data) as view:
        found = {
            name: hashlib.sha256(view[start : start + size]).hexdigest()
            for name, (start, size) in tar_places(tar).items()
            if name in wanted
        }
        whole = hashlib.sha256(view)
    samples = len(done)
    if len(wanted) != samples or found != wanted:
        differ = sorted(name for name in wanted if found.get(name) != wanted[name])[:3]
        raise ValueError(
            f"{tar}: {samples} samples expected, {len(found)} found, differing: {differ}"
        )
    facts = {
        "sha256": whole.hexdigest(),
        "bytes": tar.stat().st_size,
        "rows": len(table),
        "samples": samples,
    }
    return facts | {"sidecar": file_sha256(sidecar)}


def publish(attempt: Path, shard: Shard, made_from: dict[str, Any]) -> dict[str, Any]:
    """Verify a shard in its private folder, move it into place and write its manifest last."""
    tar, sidecar = attempt / shard.tar.name, attempt / shard.sidecar.name
    manifest = {**verify(tar, sidecar), "tar": shard.tar.name, "made_from": made_from}
    shard.manifest.unlink(missing_ok=True)
    for source, target in ((tar, shard.tar), (sidecar, shard.sidecar)):
        fsync(source)
        source.replace(target)
    write_json(shard.manifest, manifest)
    return manifest
