"""A working folder: its paths, what is read from it, and its locks.

Imports what reads tables where it is used: a command can hold the lock of a folder first.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from twigma.core import locks
from twigma.core.names import command_of, split_name, with_name
from twigma.core.workspace.paths import WorkspacePaths

if TYPE_CHECKING:
    import pyarrow as pa

PRIVATE = (
    0o700  # a working folder holds texts and user ids: it is nobody else's to read
)


class Workspace(WorkspacePaths):
    """A working folder; it need not exist yet. ValueError for an address such as s3://bucket/work."""

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

    def lock_columns(self) -> AbstractContextManager[None]:
        """Hold the columns of every stage, also of names that have no part yet; RuntimeError when any is being written.

        A list of stages to lock would miss those that begin meanwhile.
        """
        self.require()
        busy = f"another process is writing columns in {self}: wait for it, or stop it first"
        return locks.alone(self.columns_lock_file, busy)

    @contextmanager
    def lock_stage(self, stage: str, *, shared: bool = False) -> Iterator[None]:
        """Hold the columns of a stage; RuntimeError when another process writes them, or holds those of every stage.

        `shared`: with others that hold them so, each of which writes a slice of its own. FileNotFoundError where there
        is no such folder: a stage adds to one, and a name spelt wrong makes none.
        """
        self.require()
        erased = (
            f"`twigma removals` or `twigma free` is at work in {self}: "
            "wait for it, or stop it first"
        )
        busy = (
            f"another process is writing the columns of `{command_of(stage)}` in {self}: "
            "wait for it, or stop it first"
        )
        file = self.stage_lock_file(stage)
        with (
            locks.alone(self.columns_lock_file, erased, shared=True),
            locks.alone(file, busy, shared=shared),
        ):
            yield

    def lock_models(self) -> AbstractContextManager[None]:
        """Hold the notes on models, after whoever holds them now."""
        self.create()
        self.models.mkdir(exist_ok=True)
        return locks.in_turn(self.models / ".lock")

    def lock_ledger(self) -> AbstractContextManager[None]:
        """Hold the pages and the ledger; RuntimeError when another run asks X for this folder."""
        busy = f"{self}: another run is asking the X API for this folder: wait for it, or stop it"
        return locks.alone(self.ledger_lock_file, busy)
