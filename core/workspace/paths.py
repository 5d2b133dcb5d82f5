"""The name of every path, column part and lock file in a working folder, spelt once.

work/dataset.toml            what the dataset is: title, creators, licence, …
     pages/KIND.jsonl        raw pages of a source, append-only
     ledger.sqlite           every id asked for, and its outcome
     images.parquet          one row per photo on a post
     shards/00000.tar        images; with 00000.parquet (sidecar) and 00000.json (manifest)
     columns/STAGE/00000.arrow  what a stage adds; of another model, columns/STAGE-NAME
     models/                 pinned commits, the map of `twigma cluster`
     publications.json       records and DOIs of published versions
     .releases.json          folders that releases were written to
"""

import os
from pathlib import Path

from twigma.core.workspace import inventory

AnyWorkspace = str | os.PathLike[str]  # a `Workspace` is a PathLike too
ALL_IMAGES = (
    "all"  # the name of the only part of a stage that looks at all images together
)


class WorkspacePaths(os.PathLike[str]):
    """The paths of a working folder, which need not exist yet. ValueError for an address such as s3://bucket/work."""

    def __init__(self, path: AnyWorkspace = "work") -> None:
        # `Path` would make a local folder `s3:` of it.
        if "://" in os.fspath(path):
            raise ValueError(
                f"expected a folder of this machine, found the address {os.fspath(path)}: work in its mirror, "
                "`with twigma.core.storage.mirrors.mirrored(address) as work:`"
            )
        self.path = Path(path).expanduser()

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WorkspacePaths) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

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
    def kept_places_file(self) -> Path:
        """Places of images on the map, while these are computed (`builder/maps/kept_places.py`)."""
        return self.columns / "cluster" / ".places"

    @property
    def crosswalk_file(self) -> Path:
        """Images by their label in the fit before and in this one."""
        return self.cluster_fit / "crosswalk.csv"

    @property
    def choose_k_file(self) -> Path:
        """Scores of several numbers of clusters."""
        return self.cluster_fit / "choose_k.csv"

    # ------------------------------------------------------------------ locks

    @property
    def shards_lock_file(self) -> Path:
        """Locked by whoever writes shards."""
        return self.shards / ".lock"

    @property
    def ledger_lock_file(self) -> Path:
        """Locked by whoever writes pages and the ledger."""
        return self.path / ".ledger.lock"

    @property
    def columns_lock_file(self) -> Path:
        """Locked by all who write columns together, or alone by whoever takes columns or pictures away."""
        return self.path / ".columns.lock"

    def stage_lock_file(self, stage: str) -> Path:
        """Locked by whoever writes the columns of a stage."""
        return self.path / f".{stage}.lock"

    def slice_lock_file(self, stage: str, number: int, count: int) -> Path:
        """Locked by whoever writes one of several slices of the columns of a stage."""
        return self.path / f".{stage}.slices" / f"{number}-of-{count}.lock"

    def slice_lock_files(self, stage: str) -> list[Path]:
        """The lock files of all slices that have been written."""
        return sorted(self.path.glob(f".{stage}.slices/*.lock"))
