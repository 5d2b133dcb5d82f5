"""The finished shards of a working folder with every try of a photo, and which of them are damaged.

Reads only and takes no lock, so that it can be asked while a fetch is running.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core import columns
from twigma.core.progress import progress_bar
from twigma.core.storage import mirrors
from twigma.core.tables import compact, united
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.accounting.sums import first_line
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.shards import Manifest, Shard

# Of the status, of which there are few, numbers are held: ten million texts would take 0.1 GB.
STATUS = pa.dictionary(pa.int32(), pa.string())
TRIES = pa.schema(
    [
        ("image_name", pa.string()),
        ("status", STATUS),
    ]
)


@dataclass(frozen=True)
class FinishedShards:
    """The finished shards of a working folder.

    Attributes
    ----------
    manifests : manifest by name of the shard.
    tries : table TRIES, a row per photo and try, in order; names are numbers where all of them are (`compact`).
    unfinished : planned shards that are not finished.
    damaged : a sentence for every damaged shard, with what to do.
    """

    manifests: Mapping[str, Manifest]
    tries: pa.Table
    unfinished: int
    damaged: list[str]


def read_finished_shards(work: AnyWorkspace) -> FinishedShards:
    """The finished shards, each compared with its manifest in size and counts; hashes are left to `twigma embed`."""
    work = Workspace(work)
    manifests: dict[str, Manifest] = {}
    empty = TRIES.empty_table()
    names = [compact(empty["image_name"])]
    status = empty["status"].chunks
    damaged: list[str] = []
    listed = shards.manifests(work.path)
    bar = progress_bar(listed, desc="read shards", unit="shard", leave=False)
    for shard in bar:
        try:
            manifest, table = _read_shard(work, shard)
        except FileNotFoundError:
            continue  # a fetch has just deleted its manifest, to write the shard once more
        except ValueError as error:
            damaged.append(str(error))
            continue
        manifests[shard.name] = manifest
        names.append(compact(table["image_name"]))
        status += table["status"].chunks
    planned = {path.stem for path in work.shard_lists.glob("*.parquet")}
    unfinished = len(planned - set(manifests))
    statuses = pa.chunked_array(status, STATUS)
    tries = pa.table({"image_name": united(names), "status": statuses})
    return FinishedShards(manifests, tries, unfinished, damaged)


def _read_shard(work: Workspace, shard: Shard) -> tuple[Manifest, pa.Table]:
    """Manifest and tries of a shard; ValueError when the files are not those of the manifest."""
    # Cheap checks first: no byte of a tar is read here.
    manifest = shards.read_manifest(shard)
    remedy = _remedy(work, shard)
    if not manifest.freed:
        _check_size(shard, manifest, remedy)
    try:
        table = pq.ParquetFile(shard.sidecar).read(TRIES.names, use_threads=False)
        columns.require(table, TRIES.names, str(shard.sidecar))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"the sidecar {shard.sidecar} is damaged ({first_line(error)}): {remedy}"
        ) from None
    rows = len(table)
    images = pc.sum(pc.equal(table["status"], "success")).as_py() or 0
    if (rows, images) != (manifest.rows, manifest.samples):
        raise ValueError(
            f"{shard.sidecar} should have {manifest.rows:,} rows with {manifest.samples:,} images, "
            f"found {rows:,} with {images:,}: {remedy}"
        )
    return manifest, table.cast(TRIES)


def _check_size(shard: Shard, manifest: Manifest, remedy: str) -> None:
    tar = manifest.tar_path(shard.manifest.parent)
    expected = manifest.bytes
    try:
        size = mirrors.size_of(tar)
    except FileNotFoundError:
        raise ValueError(
            f"{tar} should have {expected:,} bytes, but it is missing: {remedy}"
        ) from None
    if size != expected:
        raise ValueError(
            f"{tar} should have {expected:,} bytes, found {size:,}: {remedy}"
        )


def _remedy(work: Workspace, shard: Shard) -> str:
    """What re-creates a shard: a planned one is fetched, another was added from files."""
    is_planned = (work.shard_lists / shard.sidecar.name).exists()
    command = "twigma rehydrate" if is_planned else "twigma add"
    return f"delete {shard.manifest} and run `{command}` again"
