"""Take images that are already here into a working folder: `twigma add PATH …`.

WebDataset tars made by anyone are registered where they are, not copied. Pictures in folders, zips, `.tar.gz`, Parquet
and datasets on disk are packed into tars of the working folder. Nothing in a tar is unpacked, unpickled or run.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from twigma.core.files import file_sha256, write_parquet
from twigma.core.progress import progress_bar
from twigma.core.safety import owned_folders
from twigma.core.safety.failures import Failures
from twigma.core.storage import mirrors
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.image_headers import max_pixels
from twigma.rehydrate.images.shards import SIDECAR, Manifest, Shard, shard_at
from twigma.rehydrate.sources.own_files.images_rows import extend_images_table
from twigma.rehydrate.sources.own_files.known import (
    finished_shards,
    hashes_of,
    read_holdings,
)
from twigma.rehydrate.sources.own_files.new_metadata import Stated, fill_metadata
from twigma.rehydrate.sources.own_files.pack_images import (
    Packed,
    pack_images,
)
from twigma.rehydrate.sources.own_files.report import (
    REPORT,
    Added,
    counted,
    described,
)
from twigma.rehydrate.sources.own_files.tar_rows import tar_rows
from twigma.rehydrate.sources.own_files.tar_samples import (
    Scan,
    scan,
)
from twigma.rehydrate.sources.pictures.contents import Picture
from twigma.rehydrate.sources.pictures.inputs import (
    Input,
    find_inputs,
    members_of,
    pictures_of,
)
from twigma.rehydrate.sources.pictures.trees import LeftOut


def add_tars(
    work: AnyWorkspace,
    paths: Sequence[Path],
    group_key: str | None = None,
    on_row: Callable[[Added], None] | None = None,
    column: str | None = None,
    *,
    per_shard: int | None = None,
) -> pa.Table:
    """Register WebDataset tars, and pack the pictures of anything else; returns a table REPORT.

    A picture is named by its key where no other image of `work` has that name, otherwise `<folder or tar>.<key>`. A row
    of `images.parquet` is made for each (source `local`, `id` = `image_name`): where it was (`path`), and what stands
    beside it in JSON, text or the columns of a table (url, text, author_id, like_count, created_at; `group` from the
    field `group_key`). Bytes that the folder had before are skipped, and counted as `known`; what stands beside them
    now is filled into their rows (`new_metadata`). `column` names the images of a table with several such columns;
    `per_shard` is how many a packed shard has (1,000). `on_row` is called with each row of the report as it is there.

    Every file is an image, a failure, known, beside an image, or left out for a reason. One that is damaged, changed or
    of no known kind does not stop the others: once they are added and the table is written, ValueError or OSError names
    it. ValueError for addresses such as `pipe:`, and for a release as `work`, comes first.
    """
    work = Workspace(work)
    owned_folders.refuse_as_work(work.path)
    max_pixels()  # a value that is no number stops the run here
    failures = Failures()
    inputs = find_inputs(paths, failures)
    with _batch(work, group_key, on_row, failures) as batch:
        batch.per_shard = per_shard
        for input in inputs:
            with failures.collect():
                batch.add(input, column)
    failures.raise_any()
    return pa.Table.from_pylist(batch.report, REPORT)


def add_stream(
    work: AnyWorkspace,
    where: Path,
    pictures: Iterable[Picture],
    group_key: str | None = None,
    on_row: Callable[[Added], None] | None = None,
) -> pa.Table:
    """Pack pictures that come one after the other from the file `where`; otherwise as `add_tars`."""
    with _batch(Workspace(work), group_key, on_row, Failures()) as batch:
        batch.pack(where, pictures, None, {})
    return pa.Table.from_pylist(batch.report, REPORT)


@contextmanager
def _batch(
    work: Workspace,
    group_key: str | None,
    on_row: Callable[[Added], None] | None,
    failures: Failures,
) -> Iterator["_Batch"]:
    """One run, which has the folder for itself; what is finished has its rows in the table at the end."""
    with work.lock_shards():
        # Those of a run that was killed: we hold the lock, so no other is at work.
        shutil.rmtree(work.shard_attempts, ignore_errors=True)
        batch = _Batch(work, group_key, failures, on_row)
        try:
            yield batch
        finally:
            # Also when the disk is full or the run is stopped.
            batch.finish_restoring()
            extend_images_table(work)
            batch.fill_metadata()
            shutil.rmtree(work.shard_attempts, ignore_errors=True)


class _Batch:
    """One run: what the folder had before it, and the report so far."""

    def __init__(
        self,
        work: Workspace,
        group_key: str | None,
        failures: Failures,
        on_row: Callable[[Added], None] | None,
    ) -> None:
        self.work = work
        self.group_key = group_key
        self.per_shard: int | None = None
        self.report: list[Added] = []
        self._failures = failures
        self._on_row = on_row
        self._held = read_holdings(work)
        # What stands beside images that are known, by the place of the input in the report.
        self._stated: dict[int, list[Stated]] = {}
        self._registered: dict[str, Shard] = {}
        for shard in finished_shards(work):
            self._registered[shards.read_manifest(shard).sha256] = shard

    def add(self, input: Input, column: str | None) -> None:
        """Add one input; ValueError or OSError where it cannot be read."""
        if input.kind == "tar":
            self._add_tar(input.path)
            return
        pictures = pictures_of(
            input,
            self._failures,
            self.work.shard_attempts,
            column,
            self.group_key,
        )
        total = len(input.contents.pictures) or None
        self.pack(input.path, pictures, total, input.left_out)

    def fill_metadata(self) -> None:
        """Fill what stands beside images that were here already into their rows, and count them in the report."""
        counts = fill_metadata(self.work, list(self._stated.values()))
        for place, count in zip(self._stated, counts, strict=True):
            self.report[place]["updated"] = count

    def finish_restoring(self) -> None:
        """Write what was given of shards that had lost their tar, and count it in the last row of the report."""
        restored = self._held.restore.finish()
        if self.report:
            self.report[-1]["restored"] += restored

    def _note(self, path: Path, added: Packed) -> None:
        if added.stated:
            self._stated[len(self.report)] = added.stated
        row: Added = {
            "path": str(path),
            "shard": added.shard,
            "images": added.images,
            "failed": added.failed,
            "known": added.known,
            "restored": added.restored,
            "updated": 0,
            "unread": added.unread.rows(),
            "left_out": counted(added.left_out),
        }
        self.report.append(row)
        if self._on_row is not None:
            self._on_row(row)

    # -------------------------------------------------------------- pictures

    def pack(
        self,
        path: Path,
        pictures: Iterable[Picture],
        total: int | None,
        left_out: LeftOut,
    ) -> None:
        """Pack pictures; a row for each shard, the last of which has what was left out and could not be read."""
        bar = progress_bar(pictures, desc=f"add {path.name}", total=total, unit="image")
        packed = pack_images(
            self.work,
            bar,
            self._held,
            self.group_key,
            per_shard=self.per_shard,
        )
        last = None
        for shard in packed:
            if last is not None:
                shard.take_unread(last)
                self._note(path, last)
            last = shard
        if last is None:
            return
        # Filled by now, as all pictures were read.
        last.left_out = {**left_out, **last.left_out}
        has_any = last.shard or last.left_out or last.known
        # A folder may hold archives only, which have rows of their own.
        if has_any or path.is_file():
            self._note(path, last)

    # -------------------------------------------------------------- tars

    def _add_tar(self, tar: Path) -> None:
        sha256 = file_sha256(tar)
        self._refuse_changed(tar, sha256)
        with shards.mapped(tar) as data:
            found = scan(tar, data, self._failures)
            if found.is_foreign():
                raise ValueError(
                    f"{tar} holds no images: expected members that are pictures, found {described(found.left_out)}"
                )
            restored = 0
            moved = self._held.restore.adopt(tar, sha256)
            if moved is not None:
                restored = self._write_manifest(tar, moved).samples
                self._registered[sha256] = moved
            if sha256 in self._registered:
                hashes = list(hashes_of(self._registered[sha256]))
                for each in hashes:
                    self._held.known.take(each)
                added = Packed(
                    known=len(hashes), restored=restored, left_out=found.left_out
                )
                self._note(tar, added)
            else:
                self._register(tar, sha256, data, found)
        # A run that was stopped may have registered the tar and not have come to these.
        if found.converted:
            left_out: LeftOut = {}
            pictures = members_of(tar, found.converted, self._failures, left_out)
            self.pack(tar, pictures, len(found.converted), left_out)

    def _register(self, tar: Path, sha256: str, data: Any, found: Scan) -> None:
        """Write sidecar and manifest of a tar whose samples are stored where it is."""
        rows, added = tar_rows(
            tar,
            data,
            found,
            self._held,
            group_key=self.group_key,
        )
        if not rows:
            self._note(tar, added)
            return
        name = f"{shards.next_number(self.work.path):05}"
        shard = shard_at(self.work.path, name)
        table = pa.Table.from_pylist(rows, SIDECAR)
        write_parquet(shard.sidecar, table, private=True)
        manifest = self._write_manifest(tar, shard)
        self._registered[sha256] = shard
        added.shard = name
        added.images = manifest.samples
        added.failed = len(rows) - manifest.samples
        self._note(tar, added)

    def _write_manifest(self, tar: Path, shard: Shard) -> Manifest:
        """Write the manifest of a shard whose sidecar is there, and whose images are in a tar of the user's."""
        if mirrors.is_mirrored(self.work):
            # Other machines cannot read a tar that stays where it is.
            tar = Path(shutil.copyfile(tar, shard.tar))
        made_from = {"kind": "add", "group_key": self.group_key}
        manifest = shards.verify(tar, shard.sidecar, made_from)
        # A tar of the user's is named by its full path, one in the folder by its name: the folder may be moved.
        if tar.parent != shard.manifest.parent.absolute():
            manifest = replace(manifest, tar=str(tar))
        shards.write_manifest(shard, manifest)
        return manifest

    def _refuse_changed(self, tar: Path, sha256: str) -> None:
        """ValueError for a tar that is registered at this place with other bytes."""
        for shard in shards.manifests(self.work.path):
            manifest = shards.read_manifest(shard)
            if manifest.tar == str(tar) and manifest.sha256 != sha256:
                raise ValueError(
                    f"{tar} was changed since it was added as shard {shard.name}: give the new tar another name"
                )
