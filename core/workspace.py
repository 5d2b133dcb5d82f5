"""A working folder as one object: the name of every path, column part and lock in it, spelt once.

    work/dataset.toml            what the dataset is: title, creators, licence, …
         pages/KIND.jsonl        raw pages of a source, append-only
         ledger.sqlite           every id asked for, and its outcome
         images.parquet          one row per photo on a post
         shards/00000.tar        images; with 00000.parquet (sidecar) and 00000.json (manifest)
         columns/STAGE/00000.arrow  what a stage adds; of another model, columns/STAGE-NAME
         models/                 pinned commits, the map of `twigma cluster`
         publications.json       records and DOIs of published versions
         .releases.json          folders that releases were written to

Functions take a `Workspace`, a `str` or a `Path`: `work = Workspace(work)` converts any of them. Importing this module
takes no time: a command can hold the lock of a folder before it imports what reads tables.
"""

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twigma.core import inventory, locks
from twigma.core.names import command_of, split_name, with_name

if TYPE_CHECKING:
    import pyarrow as pa

AnyWorkspace = str | os.PathLike[str]  # a `Workspace` is a PathLike too
ALL_IMAGES = (
    "all"  # the name of the only part of a stage that looks at all images together
)
PRIVATE = (
    0o700  # a working folder holds texts and user ids: it is nobody else's to read
)


class Workspace(os.PathLike[str]):
    """A working folder; it need not exist yet. ValueError for an address such as s3://bucket/work."""

    def __init__(self, path: AnyWorkspace = "work") -> None:
        # `Path` would make a local folder `s3:` of it.
        if "://" in os.fspath(path):
            raise ValueError(
                f"expected a folder of this machine, found the address {os.fspath(path)}: work in its mirror, "
                "`with twigma.core.storage.mirrors.mirrored(address) as work:`"
            )
        self.path = Path(path)

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Workspace) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def create(self) -> None:
        """Make the folder, readable by its owner only; the permissions of one that exists are the user's choice."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.mkdir(mode=PRIVATE, exist_ok=True)

    def require(self) -> None:
        """FileNotFoundError where there is no such folder."""
        if not self.path.exists():
            raise FileNotFoundError(
                f"no working folder {self}: `twigma rehydrate --ids` makes one from post ids, `twigma add` from tars"
            )

    @property
    def identity_file(self) -> Path:
        """What the dataset is, as its makers say; `twigma init` writes one to fill in."""
        return self.path / "dataset.toml"

    # ------------------------------------------------------------------ posts

    @property
    def pages(self) -> Path:
        """Folder of the raw pages."""
        return self.path / "pages"

    @property
    def parsed_pages(self) -> Path:
        """Folder of what was parsed from the pages; it can be deleted at any time."""
        return self.pages / "parsed"

    def page_file(self, kind: str) -> Path:
        """The pages of one kind, as `page_store.KINDS` lists them."""
        return self.pages / f"{kind}.jsonl"

    @property
    def ledger_file(self) -> Path:
        """The database of every id asked for; it is rebuilt from the pages when it is lost."""
        return self.path / "ledger.sqlite"

    @property
    def ids_file(self) -> Path:
        """The list of ids that the folder is for, with their sample weights."""
        return self.path / "ids.parquet"

    @property
    def images_file(self) -> Path:
        """The images table."""
        return self.path / "images.parquet"

    @property
    def images_record(self) -> Path:
        """Provenance of the images table; written whenever the table is brought up to the pages."""
        return self.parsed_pages / "made.json"

    @property
    def removed_file(self) -> Path:
        """Salted hashes of what was removed on request."""
        return self.path / "removed.json"

    @property
    def outcomes_file(self) -> Path:
        """One row per id, with what became of it."""
        return self.path / inventory.OUTCOMES

    @property
    def photos_unknown_file(self) -> Path:
        """Ids of posts in archives that do not say whether they have photos."""
        return self.path / inventory.PHOTOS_UNKNOWN

    @property
    def quarantine_file(self) -> Path:
        """Lines of input lists that held no usable id."""
        return self.path / inventory.QUARANTINE

    @property
    def receipts(self) -> Path:
        """Folder of the receipts of removals."""
        return self.path / "receipts"

    @property
    def publications_file(self) -> Path:
        """Records and DOIs of the versions that were published from this folder."""
        return self.path / "publications.json"

    @property
    def versions_file(self) -> Path:
        """Versions and counts of releases that a removal deleted, by the path of the release."""
        return self.path / "versions.json"

    @property
    def releases_file(self) -> Path:
        """The folders that releases of this folder were written to."""
        return self.path / ".releases.json"

    # ------------------------------------------------------------------ images

    @property
    def shards(self) -> Path:
        """Folder of the tars, their sidecars and manifests."""
        return self.path / "shards"

    @property
    def shard_lists(self) -> Path:
        """Folder of the lists of photos, one a planned shard."""
        return self.shards / "plan"

    def shard_list(self, name: str) -> Path:
        """The photos of one planned shard."""
        return self.shard_lists / f"{name}.parquet"

    @property
    def shard_attempts(self) -> Path:
        """Folder in which shards are written before they are verified and moved into place."""
        return self.shards / ".attempts"

    @property
    def image_index(self) -> Path:
        """Where every image stands in the tars; it can be deleted at any time."""
        return self.shards / "index.arrow"

    @property
    def sprite_sheet(self) -> Path:
        """The pictures that the explorer draws on its map; it can be deleted at any time."""
        return self.shards / "sprites.arrow"

    # ------------------------------------------------------------------ columns and models

    @property
    def columns(self) -> Path:
        """Folder of the columns, one folder a stage."""
        return self.path / "columns"

    def stage_folder(self, stage: str) -> Path:
        """Folder of the parts of a stage."""
        return self.columns / stage

    def part(self, stage: str, name: str = ALL_IMAGES) -> Path:
        """One part of a stage: of a shard, or the only one."""
        return self.stage_folder(stage) / f"{name}.arrow"

    def checkpoint_folder(self, stage: str, name: str) -> Path:
        """Folder of what is finished of a part that is being made."""
        return self.stage_folder(stage) / f".{name}.checkpoint"

    def part_files(self, stage: str) -> list[Path]:
        """The finished parts of a stage, in name order."""
        return sorted(self.stage_folder(stage).glob("*.arrow"))

    def with_named(self, stages: Iterable[str]) -> list[str]:
        """These stages, each followed by its columns of other names that there are: embed, embed-siglip2, caption."""
        there = [folder.name for folder in sorted(self.columns.glob("*-*"))]
        listed = []
        for stage in stages:
            named = [name for name in there if split_name(name)[0] == stage]
            listed += [stage, *filter(self.has, named)]
        return listed

    def has(self, stage: str) -> bool:
        """Whether a stage has written any part."""
        return any(self.stage_folder(stage).glob("*.arrow"))

    @property
    def models(self) -> Path:
        """Folder of what stages keep of models."""
        return self.path / "models"

    @property
    def model_pins(self) -> Path:
        """The commit and hashes of every model that was taken from the Hub."""
        return self.models / "pins.json"

    @property
    def model_licenses(self) -> Path:
        """What the folders of local models state of their licence."""
        return self.models / "licences.json"

    @property
    def cluster_fit(self) -> Path:
        """Folder of the fit of `twigma cluster`; without it, the next fit gives labels by falling size again."""
        return self.models / "cluster"

    @property
    def centroids_file(self) -> Path:
        """The fitted centroids by label, with the images and mean distance of each cluster."""
        return self.cluster_fit / "centroids.arrow"

    @property
    def map_file(self) -> Path:
        """The training images of the fitted map."""
        return self.cluster_fit / "map.arrow"

    @property
    def crosswalk_file(self) -> Path:
        """Images by their label in the fit before and in this one."""
        return self.cluster_fit / "crosswalk.csv"

    @property
    def choose_k_file(self) -> Path:
        """Scores of several numbers of clusters."""
        return self.cluster_fit / "choose_k.csv"

    def embedding_model(self, name: str = "") -> dict[str, Any]:
        """The provenance of the embeddings of a name: model, commit or hash, precision; empty where there are none.

        ValueError when they are of two models.
        """
        from twigma.core.parts import read_model

        stage = with_name("embed", name)
        return read_model(self.stage_folder(stage)) if self.has(stage) else {}

    # ------------------------------------------------------------------ reading

    def read(self, stage: str) -> "pa.Table":
        """All parts of a stage, one row per image, in name order; FileNotFoundError when it has not run.

        What several models make has one name whoever made it: `embedding` in `embed-siglip2` as in `embed`.
        """
        from twigma.core.parts import read_parts

        return read_parts(self.stage_folder(stage))

    def image_rows(self, *names: str) -> "pa.Table":
        """The images table, one row per photo on a post: these columns of it, or all.

        FileNotFoundError where there is none.
        """
        from twigma.core.files import read_parquet

        self._require_images()
        return read_parquet(self.images_file, columns=list(names) or None)

    def image_schema(self) -> "pa.Schema":
        """The schema of the images table; FileNotFoundError where there is none."""
        import pyarrow.parquet as pq

        self._require_images()
        return pq.read_schema(self.images_file)

    def _require_images(self) -> None:
        if not self.images_file.exists():
            raise FileNotFoundError(
                f"no images table at {self.images_file}: "
                "`twigma rehydrate --ids` makes one from post ids, `twigma add` from tars"
            )

    def table(self, *stages: str) -> "pa.Table":
        """The images table with the columns of these stages joined to it by their key.

        Columns of another name than the default bear it: `embedding_siglip2` of `embed-siglip2`.
        Rows keep the order of `images.parquet`; a row that a stage could not process has nulls. Raises
        FileNotFoundError when there is no images table, or a stage has not run, ValueError when stages are of different
        models.
        """
        from twigma.core.columns import join, named
        from twigma.core.parts import refuse_other_embeddings

        table = self.image_rows()
        refuse_other_embeddings(self.columns, stages)
        for stage in stages:
            table = join(table, named(self.read(stage), split_name(stage)[1]))
        return table

    # ------------------------------------------------------------------ locks

    @property
    def shards_lock_file(self) -> Path:
        """Locked by whoever writes shards."""
        return self.shards / ".lock"

    @property
    def ledger_lock_file(self) -> Path:
        """Locked by whoever writes pages and the ledger."""
        return self.path / ".ledger.lock"

    def lock_run(self) -> AbstractContextManager[None]:
        """Hold the folder from the list of ids to the last photo; RuntimeError when another run does."""
        self.create()
        busy = f"another run is at work in {self}: wait for it, or stop it first"
        return locks.alone(self.path / ".rehydrate.lock", busy)

    def lock_shards(self) -> AbstractContextManager[None]:
        """Hold the shards; RuntimeError when another process writes them."""
        self.create()
        self.shards.mkdir(exist_ok=True)
        busy = f"another process is writing shards in {self}: wait for it, or stop it first"
        return locks.alone(self.shards_lock_file, busy)

    def lock_publications(self) -> AbstractContextManager[None]:
        """Hold the list of publications; RuntimeError when another process publishes from this folder."""
        self.create()
        busy = (
            f"another process is publishing from {self}: wait for it, or stop it first"
        )
        return locks.alone(self.path / ".publications.lock", busy)

    def stage_lock_file(self, stage: str) -> Path:
        """Locked by whoever writes the columns of a stage."""
        return self.path / f".{stage}.lock"

    def slice_lock_file(self, stage: str, number: int, count: int) -> Path:
        """Locked by whoever writes one of several slices of the columns of a stage."""
        return self.path / f".{stage}.slices" / f"{number}-of-{count}.lock"

    def slice_lock_files(self, stage: str) -> list[Path]:
        """The lock files of all slices that have been written."""
        return sorted(self.path.glob(f".{stage}.slices/*.lock"))

    def lock_stage(
        self, stage: str, *, shared: bool = False
    ) -> AbstractContextManager[None]:
        """Hold the columns of a stage; RuntimeError when another process writes them.

        `shared`: with others that hold them so, each of which writes a slice of its own. FileNotFoundError where there
        is no such folder: a stage adds to one, and a name spelt wrong makes none.
        """
        self.require()
        busy = (
            f"another process is writing the columns of `{command_of(stage)}` in {self}: "
            "wait for it, or stop it first"
        )
        return locks.alone(self.stage_lock_file(stage), busy, shared=shared)

    def lock_models(self) -> AbstractContextManager[None]:
        """Hold the notes on models, after whoever holds them now."""
        self.create()
        self.models.mkdir(exist_ok=True)
        return locks.in_turn(self.models / ".lock")

    def lock_ledger(self) -> AbstractContextManager[None]:
        """Hold the pages and the ledger; RuntimeError when another run asks X for this folder."""
        busy = f"{self}: another run is asking the X API for this folder: wait for it, or stop it"
        return locks.alone(self.ledger_lock_file, busy)
