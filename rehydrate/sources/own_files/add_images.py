"""Take images that are already here into a working folder: `twigma add PATH …`.

WebDataset tars made by anyone are registered where they are, not copied; loose images and folders of images are
packed into a tar of the working folder. Nothing in a tar is unpacked, unpickled or run.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core import columns
from twigma.core.files import file_sha256, read_parquet, write_parquet
from twigma.core.progress import progress_bar
from twigma.core.safety.failures import Failures
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.shards import SIDECAR, Shard, is_finished, shard_at
from twigma.rehydrate.posts.removed_ids import read_removed
from twigma.rehydrate.sources.own_files.image_paths import (
    IMAGES,
    find_images,
)
from twigma.rehydrate.sources.own_files.pack_images import pack_images
from twigma.rehydrate.sources.own_files.tar_samples import (
    Sample,
    scan,
    sidecar_row,
    unique_name,
)

REPORT = pa.schema(
    [
        ("path", pa.string()),
        ("shard", pa.string()),
        ("images", pa.int64()),
        ("failed", pa.int64()),
        ("skipped", pa.int64()),
        ("links", pa.int64()),
    ]
)
ORDER = ("created_at", "id", "image_name")  # of the images table
NEW_TABLE = ("id", "image_name", "created_at", "source", "url", "group")


class Added(TypedDict):
    """What was added of one tar (a row of REPORT), or how many links were not followed (`shard` is None)."""

    path: str
    shard: str | None
    images: int
    failed: int
    skipped: int
    links: int


def add_tars(
    work: AnyWorkspace,
    tars: Sequence[Path],
    group_key: str | None = None,
    on_row: Callable[[Added], None] | None = None,
) -> pa.Table:
    """Register WebDataset tars, and pack loose images or folders of them; returns a table REPORT, a row a shard.

    An image is named by its key where no other image of `work` has that name, otherwise `<tar stem>.<key>`. A row of
    `images.parquet` is made for each (source `local`, `id` = `image_name`; `group` from the field `group_key` of its
    JSON member). A tar that is already registered adds nothing, nor does one without any member. Links in a folder that
    lead out of it are not followed; the last row counts them (`links`); one that is an argument itself is. `on_row` is
    called with each row of the report as it is there.

    A tar that is damaged, changed or no tar does not stop the others: once they are added and the table is written,
    ValueError or OSError names it. ValueError for addresses such as `pipe:` comes first.
    """
    work = Workspace(work)
    failures = Failures()
    paths = find_images(tars, failures)
    report: list[Added] = []

    def note(added: Added) -> None:
        report.append(added)
        if on_row is not None:
            on_row(added)

    with work.lock_shards():
        finished = _finished_shards(work)
        known = {shards.read_manifest(shard).sha256 for shard in finished}
        used = _used_names(work)
        try:
            for tar in paths.tars:
                with failures.collect():
                    sha256 = file_sha256(tar)
                    _refuse_changed(work, tar, sha256)
                    if sha256 in known:
                        continue
                    name = _next_name(work)
                    added = _register(
                        work, tar, name, stem=tar.stem, used=used, group_key=group_key
                    )
                    note(added)
                    known.add(sha256)
            if paths.images:
                # Absolute, as the paths in manifests are.
                name = _next_name(work)
                tar = shard_at(work.path.absolute(), name).tar
                stem = paths.images[0].absolute().parent.name
                if pack_images(tar, paths.images, known, failures):
                    added = _register(
                        work, tar, name, stem=stem, used=used, group_key=group_key
                    )
                    note(added)
        finally:
            # What is finished has its rows, also when the disk is full or the run is stopped.
            _extend_images_table(work)
    if paths.links:
        note(_row(paths.links[0], None, links=len(paths.links)))
    failures.raise_any()
    return pa.Table.from_pylist(report, REPORT)


def _row(path: Path, shard: str | None, **counts: int) -> Added:
    """A row of the report; a count that is not named is 0."""
    row: Added = {
        "path": str(path),
        "shard": shard,
        "images": counts.get("images", 0),
        "failed": counts.get("failed", 0),
        "skipped": counts.get("skipped", 0),
        "links": counts.get("links", 0),
    }
    return row


def _finished_shards(work: Workspace) -> list[Shard]:
    return [shard for shard in shards.manifests(work.path) if is_finished(shard)]


def _used_names(work: Workspace) -> set[str]:
    """Every image name in the images table and in the shards."""
    files = [shard.sidecar for shard in _finished_shards(work)]
    if work.images_file.exists():
        files.append(work.images_file)
    names: set[str] = set()
    for file in files:
        names.update(
            read_parquet(file, columns=["image_name"])["image_name"].to_pylist()
        )
    return names


def _refuse_changed(work: Workspace, tar: Path, sha256: str) -> None:
    """ValueError for a tar that is registered at this place with other bytes."""
    for shard in shards.manifests(work.path):
        manifest = shards.read_manifest(shard)
        if manifest.tar == str(tar) and manifest.sha256 != sha256:
            raise ValueError(
                f"{tar} was changed since it was added as shard {shard.name}: give the new tar another name"
            )


def _next_name(work: Workspace) -> str:
    return f"{shards.next_number(work.path):05}"


# ------------------------------------------------------------------ one tar


def _register(
    work: Workspace,
    tar: Path,
    name: str,
    *,
    stem: str,
    used: set[str],
    group_key: str | None,
) -> Added:
    """Write sidecar and manifest of one tar as shard `name`; `stem` tells its images from others of the same key."""
    shard = shard_at(work.path, name)
    samples, skipped = scan(tar)
    if not samples and not skipped:
        # As img2dataset writes one when every URL of a shard failed.
        return _row(tar, None)
    if not samples:
        raise ValueError(
            f"{tar} holds no images: expected members ending in {', '.join(sorted(IMAGES))}"
        )
    # An image that was removed on request does not come back with the tar it was in.
    removed = read_removed(work)
    names: list[str] = []
    wanted: list[Sample] = []
    for sample in samples:
        image_name = unique_name(sample.key, stem, used)
        if removed.holds(image_name):
            skipped += 1
        else:
            names.append(image_name)
            wanted.append(sample)
    rows = _sidecar(tar, wanted, names, group_key)
    write_parquet(shard.sidecar, rows, private=True)

    # A tar of the user's is named by its full path, one in the folder by its name: the folder may be moved.
    is_inside = tar.parent == shard.manifest.parent.absolute()
    made_from = {"kind": "add", "group_key": group_key}
    manifest = shards.verify(tar, shard.sidecar, made_from)
    if not is_inside:
        manifest = replace(manifest, tar=str(tar))
    shards.write_manifest(shard, manifest)
    stored = pc.sum(pc.equal(rows["status"], "success")).as_py() or 0
    return _row(
        tar, shard.name, images=stored, failed=len(rows) - stored, skipped=skipped
    )


def _sidecar(
    tar: Path, samples: list[Sample], names: list[str], group_key: str | None
) -> pa.Table:
    """The sidecar of a tar; images are decoded in threads."""
    with shards.mapped(tar) as data, ThreadPoolExecutor() as threads:

        def row(sample: Sample, name: str) -> dict[str, object]:
            return sidecar_row(data, sample, name, group_key)

        bar = progress_bar(
            threads.map(row, samples, names),
            desc=f"add {tar.name}",
            total=len(samples),
            unit="image",
        )
        rows = list(bar)
    for at, one in enumerate(rows):
        one["key"] = f"{at:09}"
    return pa.Table.from_pylist(rows, SIDECAR)


# ------------------------------------------------------------------ the images table


def _extend_images_table(work: Workspace) -> None:
    """Give every image of the added shards its row in `images.parquet`, in the table's order."""
    path = work.images_file
    new = _added_images(work)
    table = columns.schema(NEW_TABLE).empty_table()
    if path.exists():
        table = read_parquet(path)
        known = table["image_name"].combine_chunks()
        new = new.filter(pc.invert(pc.is_in(new["image_name"], value_set=known)))
    if not len(new):
        return
    # Images on no post are their own post, so that (id, image_name) stays a key.
    rows = pa.table(
        {
            "id": new["image_name"],
            "image_name": new["image_name"],
            "group": new["group"],
        }
    )
    rows = columns.add(rows, source=["local"] * len(rows)).replace_schema_metadata()
    merged = pa.concat_tables([table, rows], promote_options="default")
    order = [name for name in ORDER if name in merged.column_names]
    merged = merged.sort_by([(name, "ascending") for name in order])
    write_parquet(path, merged, private=True)


def _added_images(work: Workspace) -> pa.Table:
    """(image_name, group) of every image of the shards that were added."""
    tables: list[pa.Table] = []
    for shard in _finished_shards(work):
        if _is_added(shard):
            names = ["image_name", "group"]
            tables.append(read_parquet(shard.sidecar, columns=names))
    if not tables:
        return SIDECAR.empty_table().select(["image_name", "group"])
    return pa.concat_tables(tables)


def _is_added(shard: Shard) -> bool:
    made_from = shards.read_manifest(shard).made_from
    return bool(made_from.get("kind") == "add")
