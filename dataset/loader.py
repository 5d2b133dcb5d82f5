"""The `datasets` builder of TWIGMA: metadata, embeddings, images with their metadata, liked images with captions.

`datasets.load_dataset("twigma", NAME)` runs it after `import twigma`. Where the files are, and whether they
are complete, is decided in `release_folder.py`: `datasets` patches `open`, `Path` and `read_table` in this module.
"""

import contextlib
import dataclasses
import inspect
import os
import pathlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import datasets
import pyarrow as pa
import pyarrow.compute as pc
from datasets.builder import Key
from datasets.data_files import DataFilesDict, DataFilesList
from datasets.exceptions import DatasetGenerationError
from datasets.packaged_modules.parquet.parquet import Parquet, ParquetConfig

from twigma.core.names import split_name
from twigma.core.safety import untrusted_names
from twigma.dataset.checked_tars import CheckedTars
from twigma.dataset.image_rows import (
    join_images,
    read_rows,
    rows_of_shard,
    tables_schema,
    wanted_fields,
)
from twigma.dataset.liked_rows import LIKED, find_liked, liked_folder, liked_rows
from twigma.dataset.options.load_options import (
    OF_PICTURES,
    check_columns,
    check_options,
)
from twigma.dataset.options.row_filters import check_filters
from twigma.dataset.own_release import find_rows_of_images
from twigma.dataset.release_folder import (
    check_files,
    find_shards_to_load,
    find_tables,
)
from twigma.rehydrate.images.shards import read_images

T = TypeVar("T")
WITH_PIXELS = ("images", "liked")
ROWS = 64  # of a block of images, 5 MB: of larger ones, memory takes longer to come by


@dataclasses.dataclass
class TwigmaConfig(ParquetConfig):  # type: ignore[misc]
    """The options of Parquet (`columns`, `filters`, `batch_size`), and where the images and the liked ones are."""

    shards: str = "work"
    liked: str = "liked"


KNOWN_OPTIONS = {
    *inspect.signature(datasets.DatasetBuilder.__init__).parameters,
    *(field.name for field in dataclasses.fields(TwigmaConfig)),
}


class Twigma(Parquet):  # type: ignore[misc]
    """The rows of a release, in its order; `images`: one row per stored image that the release lists, by shard."""

    BUILDER_CONFIG_CLASS = TwigmaConfig
    BUILDER_CONFIGS = [  # noqa: RUF012
        TwigmaConfig(name=name)
        for name in ("metadata", "embeddings", "images", "liked")
    ]
    DEFAULT_CONFIG_NAME = "metadata"
    # As many as are read at a time: each 1,000 rows would be 50 small writes.
    DEFAULT_WRITER_BATCH_SIZE = 1 << 16

    def __init__(
        self,
        *args: Any,
        data_files: Any = None,
        data_dir: str | None = None,
        **kwargs: Any,
    ):
        name = kwargs.get("config_name") or self.DEFAULT_CONFIG_NAME
        kwargs["config_name"] = name
        self.release: Any = None
        self.tables: list[str] = []
        self.where = "data_files"
        base, of_model = split_name(name)
        is_named = base == "embeddings" and of_model != ""
        if is_named:
            # Only the release knows which names there are: `datasets` then makes the configuration as it is asked for.
            self.BUILDER_CONFIGS = []
        if not data_files and not is_named and name not in self.builder_configs:
            raise ValueError(
                f"twigma has no configuration {name!r}: expected one of {', '.join(self.builder_configs)}"
            )
        check_options(name, kwargs, KNOWN_OPTIONS)
        if data_files and name in WITH_PIXELS:
            raise ValueError(
                f"twigma {name}: expected no data_files, found {data_files}: name the folder with "
                f"{OF_PICTURES[name]}="
            )
        filters = kwargs.get("filters")
        if not data_files:
            data_files = self._find_files(name, data_dir, kwargs)
            filters = self._check_rows(name, kwargs)
        super().__init__(*args, data_files=data_files, **kwargs)
        # Only now: the name of the cache is made of the filters as they were given.
        self.config.filters = filters
        self._rows: pa.Table | None = None
        # Five seconds, for threads that only Parquet has.
        self.SLEEP_ON_THREADS_SHUTDOWNS = name not in WITH_PIXELS

    def _find_files(
        self, name: str, data_dir: Any, options: dict[str, Any]
    ) -> DataFilesDict:
        """The files of a configuration by split; where its rows are is noted in `release`, `tables` and `where`."""
        if name == "liked":
            asked = options.get("liked")
            self.where = str(liked_folder(asked, data_dir, TwigmaConfig.liked))
            lists = find_liked(self.where)
            return DataFilesDict(
                {split: _with_origins([path], []) for split, path in lists.items()}
            )
        self.shards = {}
        if name == "images":
            work = options.get("shards") or TwigmaConfig.shards
            self.shards = find_shards_to_load(work, data_dir)
            self.release, self.tables = find_rows_of_images(work, data_dir)
        else:
            self.release, self.tables = find_tables(name, data_dir)
        self.where = str(self.release or pathlib.Path(self.tables[0]).parent)
        self._tars = CheckedTars([*self.shards.values()])
        files = _with_origins(list(self.shards) or self.tables, self.tables)
        return DataFilesDict({"train": files})

    def _check_rows(self, name: str, options: dict[str, Any]) -> pc.Expression | None:
        """The filters as an expression; `columns` of the options become a list."""
        asked, filters = options.get("columns"), options.get("filters")
        if asked is None and filters is None:
            return None
        schema = self._all_columns()
        if asked is not None:
            also = ("image",) if name in WITH_PIXELS else ()
            columns = check_columns(asked, schema, self.where, also=also)
            if not columns and name not in WITH_PIXELS:
                raise ValueError(
                    f"{self.where}: expected columns among {', '.join(schema.names)}, found none: leave columns out "
                    "for all"
                )
            options["columns"] = columns
        return check_filters(filters, schema, self.where)

    def __getstate__(self) -> dict[str, Any]:
        # Each process reads the metadata once; they are not sent to it.
        return {**self.__dict__, "_rows": None}

    def _split_generators(self, dl_manager: Any) -> Any:
        if self.release is not None:
            names = [str(path).removeprefix(f"{self.release}/") for path in self.tables]
            check_files(self.release, names, contents=not dl_manager.is_streaming)
        if self.config.name not in WITH_PIXELS:
            return super()._split_generators(dl_manager)
        of_rows = datasets.Features.from_arrow_schema(self._schema())
        self.info.features = datasets.Features({"image": datasets.Image(), **of_rows})
        if self.config.name == "images" and dl_manager.is_streaming:
            self._require_listed_image()
        splits = []
        for split, files in self.config.data_files.items():
            # The Parquet builder asks for row groups; of pictures there are none.
            arguments = {"files": list(files), "row_groups_list": [None] * len(files)}
            splits.append(datasets.SplitGenerator(split, arguments))
        return splits

    def _generate_more_gen_kwargs(
        self, files: list[str], row_groups_list: list[Any]
    ) -> Iterator[dict[str, Any]]:
        if self.config.name not in WITH_PIXELS:
            yield from super()._generate_more_gen_kwargs(files, row_groups_list)
            return
        for file in files:
            yield {"files": [file], "row_groups_list": [None]}

    def _generate_tables(
        self, files: list[str], row_groups_list: list[Any]
    ) -> Iterator[tuple[Key, pa.Table]]:
        if self.config.name == "images":
            yield from _ahead(self._generate_images(files))
        elif self.config.name == "liked":
            for number, file in enumerate(files):
                with _one_sentence():
                    rows = liked_rows(file, self.config.filters)
                rows = rows.select(list(self.info.features))
                yield Key(number, 0), self._cast_table(rows)
        else:
            for key, table in super()._generate_tables(files, row_groups_list):
                _refuse_names(table, self.release)
                yield key, table

    def _generate_images(self, files: list[str]) -> Iterator[tuple[Key, pa.Table]]:
        """The images of these shards (their manifests) that the metadata lists, checked against the manifest."""
        metadata = self._metadata()
        for number, file in enumerate(files):
            shard = self.shards[file]
            rows = rows_of_shard(shard.sidecar, metadata)
            was_checked = self._tars.check(shard)
            blocks = read_images(shard, ROWS, was_checked=was_checked)
            for block_number, block in enumerate(blocks):
                yield (
                    Key(number, block_number),
                    self._cast_table(join_images(block, rows)),
                )

    def _require_listed_image(self) -> None:
        """ValueError where no stored image is among the rows; with filters that may be what was asked for."""
        if self.config.filters is None:
            metadata, shards = self._metadata(), self.shards.values()
            if not any(len(rows_of_shard(shard.sidecar, metadata)) for shard in shards):
                raise self._no_rows("train")

    def _metadata(self) -> pa.Table:
        """The rows and columns of the metadata that are asked for, read once in a process."""
        if self._rows is None:
            with _one_sentence():
                self._rows = read_rows(
                    self.tables, self.release, self._schema(), self.config.filters
                )
        return self._rows

    def _schema(self) -> pa.Schema:
        """The columns that are asked for, and `image_name` in any case."""
        return wanted_fields(self._all_columns(), self.config.columns)

    def _all_columns(self) -> pa.Schema:
        return tables_schema(self.tables) if self.tables else LIKED

    def _as_dataset(self, split: Any, in_memory: bool = False) -> Any:
        """A split as a dataset: an empty one where no row passes the filters, which `datasets` refuses."""
        if not self._is_empty(str(split)):
            return super()._as_dataset(split, in_memory)
        if self.config.filters is None:
            raise self._no_rows(str(split))
        features = self.info.features
        rows: dict[str, list[Any]] = {name: [] for name in features}
        name = datasets.Split(str(split))
        return datasets.Dataset.from_dict(rows, features=features, split=name)

    def _no_rows(self, split: str) -> ValueError:
        advice = ""
        if self.config.name == "images":
            advice = ", or none whose image is stored; name the working folder of its images with shards="
        return ValueError(
            f"twigma {self.config.name}: expected rows in {split}, found none in {self.where}{advice}"
        )

    def _is_empty(self, instruction: str) -> bool:
        """Whether the splits that are asked for, as `train`, `train[:10]` or `train+test`, have no rows."""
        names = [part.partition("[")[0] for part in instruction.split("+")]
        splits = self.info.splits
        return all(name in splits and not splits[name].num_examples for name in names)


@contextlib.contextmanager
def _one_sentence() -> Iterator[None]:
    """Whatever else a builder raises, `datasets` hides behind a sentence of its own."""
    try:
        yield
    except ValueError as error:
        raise DatasetGenerationError(str(error)) from None


def _refuse_names(table: pa.Table, where: Any) -> None:
    with _one_sentence():
        untrusted_names.refuse_names(table, str(where), untrusted_names.NAMES)


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, the next one made in a thread while the last is used."""
    with ThreadPoolExecutor(1) as thread:
        item = thread.submit(next, items, None).result()
        while item is not None:
            coming = thread.submit(next, items, None)
            yield item
            item = coming.result()


def _with_origins(files: Sequence[str], also: Sequence[str]) -> DataFilesList:
    """Data files whose cache is re-created when one of them, or of the tables they are joined to, has changed."""
    origins = []
    for path in dict.fromkeys([*files, *also]):
        stat = os.stat(path)  # noqa: PTH116
        origins.append((path, f"{stat.st_mtime_ns}-{stat.st_size}"))
    return DataFilesList(list(files), origins)
