"""Stored images with their metadata as a stream for training: in order or shuffled, split evenly, resumed exactly.

`twigma.stream_images(WORK)` returns one. The order of an epoch is a list of numbers made from the seed, and the index
of the tars says where each image is: so a stream that stopped goes on with the next image, with nothing read again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twigma.core.machine import usable_cpus
from twigma.core.read_ahead import read_ahead
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.dataset.image_rows import KEY, stored_rows
from twigma.dataset.streams.workers import (
    shared_number,
    this_process,
    this_worker,
    worker_info,
)
from twigma.rehydrate.images.decode import read_pixels
from twigma.rehydrate.images.decode_memory import room
from twigma.rehydrate.images.image_index import Place, read_stored
from twigma.rehydrate.images.shards import list_shards

try:
    from torch.utils.data import IterableDataset
except ImportError:  # enough for a loop without a DataLoader
    IterableDataset = object  # type: ignore[assignment, misc]

Row = dict[str, Any]
Transform = Callable[[Row], Any]
WINDOW = 8  # shards whose images are mixed: a disk then reads a few files, not all
BATCH = 256  # rows whose metadata become Python values together
NO_EPOCH = -1
AHEAD = 2  # images that wait for a thread
MOST_THREADS = 8  # as many pictures are held; they decode more than one loop can use
# Those that were saved before `shuffle` and the rest were added have these alone.
ALWAYS_IN_STATE = ("epoch", "images", "position", "seed")
K = TypeVar("K")
T = TypeVar("T")


class ImageStream(IterableDataset[Any]):
    """Rows of `image` (uint8[height, width, 3], or bytes), `image_name`, and the columns that were asked for.

    It is an `IterableDataset` of torch: processes and the workers of a DataLoader each get a share, all processes the
    same number of images (up to one fewer than there are processes are left out). Each image is compared with its
    SHA-256 as it is read. Outside workers, threads decode the next images, one a CPU up to eight. Call `set_epoch`
    before each epoch for another order.

    Parameters
    ----------
    work : the working folder that holds the images.
    data_dir : the release whose rows are joined; by default as `load_dataset` finds one, else the folder's own tables.
    columns : of the metadata, beside `image_name`; the name of one, or several.
    filters : rows to keep, as `[("like_count", ">", 10)]` or an expression of pyarrow.
    shuffle : mix the images of `window` shards at a time, the shards in an order at random; None mixes all.
    decode : False gives the stored bytes.
    transform : called with each row; what it returns is what the stream gives.
    rank, world_size : this process and their number; by default those of `torch.distributed`.
    """

    def __init__(
        self,
        work: AnyWorkspace = "work",
        *,
        data_dir: str | None = None,
        columns: Sequence[str] | str = (),
        filters: Any = None,
        shuffle: bool = False,
        window: int | None = WINDOW,
        seed: int = 0,
        decode: bool = True,
        transform: Transform | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        self.work = Workspace(Path(work).expanduser().absolute())
        if window is not None and not _is_whole(window, 1):
            raise ValueError(
                "stream_images: expected window as a number of shards, at least 1, or None for all, found "
                f"{window}"
            )
        if not _is_whole(seed, 0):
            raise ValueError(
                f"stream_images: expected seed as a whole number of at least 0, found {seed}"
            )
        self._source = (data_dir, columns, filters)
        self.shuffle = shuffle
        self.window = window
        self.seed = seed
        self.decode = decode
        self.transform = transform
        self.rank, self.world_size = this_process(rank, world_size)
        self._epoch = shared_number()
        self._epoch_of_workers = shared_number()  # the one that they began
        self._epoch_of_workers[0] = NO_EPOCH
        self._position = 0  # images that were given
        self._resumes = False
        self._resumed_workers: int | None = None
        self._open()

    def _open(self) -> None:
        self._shards = {shard.name: shard for shard in list_shards(self.work)}
        self._table = stored_rows(self.work, *self._source)
        self._rows_of_shards = _rows_by_shard(self._table)

    def __getstate__(self) -> dict[str, Any]:
        # A process that is spawned opens the images again: until it has read what it is sent, the next does not start.
        state = {**self.__dict__, "images": len(self._table)}
        for name in ("_shards", "_table", "_rows_of_shards"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        images = state.pop("images")
        self.__dict__.update(state)
        self._open()
        if len(self._table) != images:
            raise ValueError(
                f"stream_images: {self.work} had {images:,} images to stream, and has {len(self._table):,} now: make a "
                "new stream"
            )

    def __len__(self) -> int:
        """Images of an epoch in this process."""
        return len(self._table) // self.world_size

    def __repr__(self) -> str:
        return f"<a stream of {len(self._table):,} images of {self.work}>"

    @property
    def epoch(self) -> int:
        """The epoch whose order is used."""
        return int(self._epoch[0])

    def set_epoch(self, epoch: int) -> None:
        """From its beginning, in the order of this epoch, in the workers of a DataLoader that stay too."""
        if not _is_whole(epoch, 0):
            raise ValueError(
                f"stream_images: expected epoch as a whole number of at least 0, found {epoch}"
            )
        self._epoch[0] = epoch
        self._position = 0
        self._resumes = False

    def state_dict(self) -> dict[str, Any]:
        """Where the stream is, for `load_state_dict`; torchdata's StatefulDataLoader asks every worker for it.

        RuntimeError in a process whose DataLoader has workers that began this epoch: only these know.
        """
        if worker_info() is None and self._epoch_of_workers[0] == self.epoch:
            raise RuntimeError(
                f"workers of a DataLoader read epoch {self.epoch}, and this process does not know how far they are: "
                "use torchdata's StatefulDataLoader, whose own state_dict asks each worker, or num_workers=0"
            )
        return {"epoch": self.epoch, "position": self._position, **self._places()}

    def _places(self) -> dict[str, Any]:
        """What decides which image is at a position of an epoch."""
        places: dict[str, Any] = {
            "images": len(self._table),
            "seed": self.seed,
            "shuffle": self.shuffle,
            "world_size": self.world_size,
            "workers": this_worker()[1],
        }
        if self.shuffle:  # in order, windows change nothing
            places["window"] = self.window
        return places

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another stream was; ValueError unless both have the same images, order and shares.

        A state of an earlier version lacks `shuffle`, `window`, `world_size` and workers, so these are not compared.
        """
        if not isinstance(state, Mapping):
            raise ValueError(
                f"expected what `state_dict` of a stream returned, found {state!r}"
            )
        missing = [name for name in ALWAYS_IN_STATE if name not in state]
        if missing:
            raise ValueError(
                f"expected what `state_dict` of a stream returned, found no {', '.join(missing)} in it"
            )
        for name, here in self._places().items():
            _require_same(name, state.get(name, here), here)
        self._epoch[0] = state["epoch"]
        self._position = state["position"]
        self._resumes = True
        self._resumed_workers = state.get("workers")

    def __iter__(self) -> Iterator[Any]:
        if not self._resumes:
            self._position = 0
        elif self._resumed_workers is not None:
            # The state may have been loaded before a DataLoader sent the stream to its workers.
            _require_same("workers", self._resumed_workers, this_worker()[1])
        self._resumes = False
        self._epoch_of_workers[0] = NO_EPOCH if worker_info() is None else self.epoch
        mine = self._order()[self._share()][self._position :]
        for columns, image in _by_threads(self._read, self._listed(mine), _threads()):
            row = {"image": image, **columns}
            item = row if self.transform is None else self.transform(row)
            # Before it is given: whoever asks for the state has had this image.
            self._position += 1
            yield item

    def _order(self) -> npt.NDArray[np.int64]:
        """The rows of this epoch, those of all processes."""
        rng = np.random.default_rng([self.seed, self.epoch])
        shards = np.arange(len(self._rows_of_shards))
        if self.shuffle:
            rng.shuffle(shards)
        step = self.window or len(shards)
        windows = []
        for first in range(0, len(shards), step):
            rows = np.concatenate(
                [self._rows_of_shards[i] for i in shards[first : first + step]]
            )
            if self.shuffle:
                rng.shuffle(rows)
            windows.append(rows)
        return np.concatenate(windows)

    def _share(self) -> slice:
        """Every n-th row from the first of this process and worker."""
        worker, workers = this_worker()
        first = self.rank + self.world_size * worker
        return slice(first, len(self) * self.world_size, self.world_size * workers)

    def _listed(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[Row, Place]]:
        """The metadata of these rows of the table, and the places of their images."""
        for start in range(0, len(rows), BATCH):
            batch = self._table.take(pa.array(rows[start : start + BATCH]))
            for columns in batch.to_pylist():
                place = Place(*(columns.pop(name) for name in Place._fields))
                yield columns, place

    def _read(self, listed: tuple[Row, Place]) -> tuple[Row, Any]:
        """The metadata of an image, and its pixels or bytes."""
        columns, place = listed
        data = read_stored(self._shards[place.shard], columns[KEY], place)
        if not self.decode:
            return columns, data
        with room(data):
            return columns, read_pixels(data)[1]


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int | np.integer) and bool(value >= least)


def _require_same(name: str, saved: Any, here: Any) -> None:
    """ValueError where what decides about the order or the shares is not as it was when the state was saved."""
    if saved != here:
        raise ValueError(
            f"this state is of a stream with {name} = {saved}, not {here}: other images are at its position, so it "
            "cannot be resumed; make the stream as it was, or start the epoch again with `set_epoch`"
        )


def _threads() -> int:
    """Threads that decode: one a CPU, or none in a worker of a DataLoader, as these are already many."""
    _, workers = this_worker()
    return 0 if workers > 1 else min(MOST_THREADS, usable_cpus())


def _by_threads(
    read: Callable[[K], T], items: Iterable[K], threads: int
) -> Iterator[T]:
    """`read(item)` of each item, in order, by threads that are AHEAD of who takes them; by none, when it is taken."""
    if not threads:
        yield from map(read, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        begun = (pool.submit(read, item) for item in items)
        for future in read_ahead(begun, lambda: AHEAD + threads):
            yield future.result()


def _rows_by_shard(table: pa.Table) -> list[npt.NDArray[np.int64]]:
    """The rows of each shard of a table that is sorted by shard."""
    codes = table["shard"].combine_chunks().dictionary_encode().indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes)) + 1
    return np.split(np.arange(len(table)), starts)
