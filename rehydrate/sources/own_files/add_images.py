"""Take images that are already here into a working folder: `twigma add PATH …`.

WebDataset tars made by anyone are registered where they are, not copied; loose images and folders of images are
packed into a tar of the working folder. Nothing in a tar is unpacked, unpickled or run.
"""

import hashlib
import io
import json
import mmap
import re
import tarfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from twigma.core import columns
from twigma.core.files import (
    atomic,
    file_sha256,
    read_parquet,
    write_json,
    write_parquet,
)
from twigma.core.progress import progress_bar
from twigma.core.workspace import Workspace
from twigma.rehydrate.images import decode_memory, shards
from twigma.rehydrate.images.decode import BadImage, check
from twigma.rehydrate.images.shards import SIDECAR, Shard, is_finished, shard_at
from twigma.rehydrate.posts.removed_ids import read_removed

IMAGES = {".jpg", ".jpeg", ".png", ".webp", ".gif"}
BESIDE = {
    ".json",
    ".txt",
    ".cls",
}  # members that belong to an image; any other is skipped and counted
MAX_JSON = 1_000_000
MAX_IMAGE = 200_000_000  # bytes of an image, encoded
LINK = "links out of the folder, not followed"
REPORT = pa.schema([("path", pa.string()), ("shard", pa.string()), ("images", pa.int64()), ("failed", pa.int64()),
                    ("skipped", pa.int64()), ("links", pa.int64())])  # fmt: skip


def add_tars(
    work: Path, tars: Sequence[Path], group_key: str | None = None
) -> pa.Table:
    """Register WebDataset tars, and pack loose images or folders of them; one row per shard says what was taken.

    An image is named by its key where no other image of `work` has that name, otherwise `<tar stem>.<key>`. A row of
    `images.parquet` is made for each (source `local`, `id` = `image_name`; `group` from the field `group_key` of its
    JSON member). A tar that is already registered adds nothing. Links in a folder that lead out of it are not followed;
    the last row counts them (`links`); one that is given itself is. Raises ValueError for damaged or changed tars and
    for addresses such as `pipe:`.
    """
    files, loose, links = _sort_out(tars)
    with Workspace(work).lock_shards():
        known = {
            str(shards.read_manifest(shard)["sha256"]) for shard in _finished(work)
        }
        taken = _names(work)
        report = []
        for path in files:
            sha256 = file_sha256(path)
            _unchanged(work, path, sha256)
            if sha256 not in known:
                report.append(_register(work, path, path.stem, taken, group_key))
                known.add(sha256)
        packed = _pack(work, loose, known)
        if packed is not None:
            stem = loose[0].absolute().parent.name
            report.append(
                _register(work, packed, stem, taken, group_key, name=packed.stem)
            )
        _extend_images_table(work)
    if links:
        report.append(
            {
                "path": str(links[0]),
                "images": 0,
                "failed": 0,
                "skipped": 0,
                "links": len(links),
            }
        )
    return pa.Table.from_pylist(report, REPORT)


def _sort_out(paths: Iterable[Path]) -> tuple[list[Path], list[Path], list[Path]]:
    """Tars, loose images, and links not followed, from files and folders; in the order given, folders sorted."""
    tars: list[Path] = []
    loose: list[Path] = []
    links: list[Path] = []
    for path in paths:
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", str(path)):
            raise ValueError(
                f"{path} is an address or a command, not a file: only local tars and images are added"
            )
        if not path.exists():
            raise FileNotFoundError(f"no file or folder {path}")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            kind = file.suffix.lower()
            wanted = kind in IMAGES or kind == ".tar"
            if path.is_dir() and leads_out(file, path) and (wanted or file.is_dir()):
                links.append(file)
            elif kind == ".tar" and file.is_file():
                tars.append(file.resolve())
            elif kind in IMAGES and file.is_file():
                loose.append(file)
            elif not path.is_dir():
                raise ValueError(
                    f"{path} is neither an uncompressed .tar nor an image ({', '.join(sorted(IMAGES))})"
                )
    if not tars and not loose:
        left = f"; {len(links)} {LINK}" if links else ""
        raise ValueError(f"no tars or images in {', '.join(map(str, paths))}{left}")
    return tars, loose, links


def leads_out(file: Path, folder: Path) -> bool:
    """Whether a file below a folder is in truth elsewhere: by a link on the way to it, or as one itself."""
    try:
        return not file.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link to nothing, or in a circle
        return True


def _finished(work: Path) -> list[Shard]:
    return [shard for shard in shards.manifests(work) if is_finished(shard)]


def _names(work: Path) -> set[str]:
    """Every image name that is taken, in the images table and in the shards."""
    tables = [
        read_parquet(shard.sidecar, columns=["image_name"]) for shard in _finished(work)
    ]
    images = work / "images.parquet"
    if images.exists():
        tables.append(read_parquet(images, columns=["image_name"]))
    return {name for table in tables for name in table["image_name"].to_pylist()}


def _unchanged(work: Path, path: Path, sha256: str) -> None:
    """Refuse a tar that stands registered at this place with other bytes."""
    for shard in shards.manifests(work):
        manifest = shards.read_manifest(shard)
        if manifest["tar"] == str(path) and manifest["sha256"] != sha256:
            raise ValueError(
                f"{path} was changed since it was added as shard {shard.name}: give the new tar another name"
            )


def _next_name(work: Path) -> str:
    return f"{shards.next_number(work):05}"


# ------------------------------------------------------------------ one tar


@dataclass
class _Sample:
    """An image member of a tar and the JSON member beside it."""

    key: str
    image: tarfile.TarInfo
    json: tarfile.TarInfo | None = None


def _register(
    work: Path,
    tar: Path,
    stem: str,
    taken: set[str],
    group_key: str | None,
    *,
    name: str | None = None,
) -> dict[str, Any]:
    """Write sidecar and manifest of one tar; `stem` tells its images from others of the same key.

    `name` is that of the shard, the next one by default.
    """
    shard = shard_at(work, name or _next_name(work))
    samples, skipped = _scan(tar)
    if not samples:
        raise ValueError(
            f"{tar} holds no images: expected members ending in {', '.join(sorted(IMAGES))}"
        )
    removed = read_removed(work)
    names = [_unique(sample.key, stem, taken) for sample in samples]
    kept = [at for at, name in enumerate(names) if not removed.holds(name)]
    samples, names, skipped = (
        [samples[at] for at in kept],
        [names[at] for at in kept],
        skipped + len(names) - len(kept),
    )
    with shards.mapped(tar) as data, ThreadPoolExecutor() as threads:
        made = threads.map(
            lambda sample, name: _row(data, sample, name, group_key), samples, names
        )
        rows = list(
            progress_bar(
                made,
                desc=f"add {tar.name}",
                total=len(samples),
                unit="image",
            )
        )
    rows = [row | {"key": f"{at:09}"} for at, row in enumerate(rows)]
    write_parquet(shard.sidecar, pa.Table.from_pylist(rows, SIDECAR), private=True)
    inside = tar.parent == shard.manifest.parent.absolute()
    facts = shards.verify(tar, shard.sidecar)
    place = {
        "tar": tar.name if inside else str(tar),
        "made_from": {"kind": "add", "group_key": group_key},
    }
    write_json(shard.manifest, facts | place)
    failed = sum(row["status"] != "success" for row in rows)
    return {
        "path": str(tar),
        "shard": shard.name,
        "images": len(rows) - failed,
        "failed": failed,
        "skipped": skipped,
        "links": 0,
    }


def _scan(tar: Path) -> tuple[list[_Sample], int]:
    """The samples of a tar in its order, and how many members were passed over."""
    samples: dict[str, list[_Sample]] = {}
    texts: dict[str, tarfile.TarInfo] = {}
    skipped = 0
    for member in shards.tar_members(tar):
        path = PurePosixPath(member.name)
        kind = path.suffix.lower()
        key = str(path.parent / path.name.partition(".")[0])
        if path.is_absolute() or ".." in path.parts or kind not in IMAGES | BESIDE:
            skipped += 1
        elif kind in IMAGES:
            samples.setdefault(key, []).append(_Sample(key, member))
        elif kind == ".json":
            texts[key] = member
    for key, group in samples.items():
        for sample in group:
            sample.json = texts.get(key)
    found = [sample for group in samples.values() for sample in group]
    return sorted(found, key=lambda sample: sample.image.offset), skipped


def _unique(key: str, stem: str, taken: set[str]) -> str:
    """A name for an image that no other has: its key, else with the tar's stem, else with a number; now taken."""
    key = re.sub(r"[^A-Za-z0-9_-]+", "_", key).strip("_") or "image"
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", stem)
    names = [key, f"{stem}.{key}"]
    number = 2
    while names[0] in taken and names[-1] in taken:
        names.append(f"{stem}.{number}.{key}")
        number += 1
    name = names[0] if names[0] not in taken else names[-1]
    taken.add(name)
    return name


def _row(
    data: mmap.mmap | bytes, sample: _Sample, name: str, group_key: str | None
) -> dict[str, Any]:
    """The sidecar row of one image, checked to its last byte."""
    row = {
        "image_name": name,
        "member": sample.image.name,
        "group": _group(data, sample, group_key),
    }
    if sample.image.size > MAX_IMAGE:
        return row | {
            "status": "too_large",
            "error": f"{sample.image.size:,} bytes, at most {MAX_IMAGE:,} are read",
        }
    image = data[
        sample.image.offset_data : sample.image.offset_data + sample.image.size
    ]
    try:
        with decode_memory.room(image):
            header = check(image)
    except BadImage as error:
        return row | {"status": error.status, "error": str(error)}
    sha256 = hashlib.sha256(image).hexdigest()
    size = {"width": header.width, "height": header.height}
    return row | size | {"status": "success", "sha256": sha256, "note": header.warning}


def _group(
    data: mmap.mmap | bytes, sample: _Sample, group_key: str | None
) -> str | None:
    if group_key is None or sample.json is None or sample.json.size > MAX_JSON:
        return None
    try:
        text = json.loads(
            data[sample.json.offset_data : sample.json.offset_data + sample.json.size]
        )
        value = text.get(group_key)
        str(value).encode()
    except (ValueError, AttributeError, RecursionError):
        return None
    return None if value is None else str(value)


# ------------------------------------------------------------------ loose images


def _pack(work: Path, images: list[Path], known: set[str]) -> Path | None:
    """Pack loose images, each with the NAME.json beside it if there is one, into one tar; None if it is known."""
    if not images:
        return None
    packed = work.absolute() / "shards" / f"{_next_name(work)}.tar"
    taken: set[str] = set()
    with (
        atomic(packed) as partial,
        tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for image in images:
            name = _unique(image.stem, image.absolute().parent.name, taken).replace(
                ".", "_"
            )
            with image.open("rb") as file:
                _append(tar, f"{name}{image.suffix.lower()}", file.read(MAX_IMAGE + 1))
            text = image.with_suffix(".json")
            if (
                text.is_file()
                and not leads_out(text, image.parent)
                and text.stat().st_size <= MAX_JSON
            ):
                _append(tar, f"{name}.json", text.read_bytes())
    if file_sha256(packed) in known:
        packed.unlink()
        return None
    return packed


def _append(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o444
    tar.addfile(member, io.BytesIO(data))


# ------------------------------------------------------------------ the images table


def _extend_images_table(work: Path) -> None:
    """Give every image of the added shards its row in `images.parquet`, in the table's order."""
    path = work / "images.parquet"
    added = [shard for shard in _finished(work) if _made_by_add(shard)]
    new = pa.concat_tables(
        [
            read_parquet(shard.sidecar, columns=["image_name", "group"])
            for shard in added
        ]
    )
    if path.exists():
        table = read_parquet(path)
        known = set(table["image_name"].to_pylist())
        new = new.filter(
            pa.array(
                [name not in known for name in new["image_name"].to_pylist()],
                pa.bool_(),
            )
        )
        if not len(new):
            return
    else:
        table = columns.schema(
            ("id", "image_name", "created_at", "source", "url", "group")
        ).empty_table()
    rows = pa.table(
        {
            "id": new["image_name"],
            "image_name": new["image_name"],
            "group": new["group"],
        }
    )
    rows = columns.add(rows, source=["local"] * len(rows))
    merged = pa.concat_tables(
        [table, rows.replace_schema_metadata()], promote_options="default"
    )
    order = [
        (name, "ascending")
        for name in ("created_at", "id", "image_name")
        if name in merged.column_names
    ]
    write_parquet(path, merged.sort_by(order), private=True)


def _made_by_add(shard: Shard) -> bool:
    return bool(shards.read_manifest(shard).get("made_from", {}).get("kind") == "add")
