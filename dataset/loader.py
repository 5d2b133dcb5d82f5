"""The `datasets` builder of TWIGMA: metadata, embeddings, images with their metadata, liked images with captions.

`datasets.load_dataset("twigma", NAME)` runs it after `import twigma`. Where the files are, and whether they
are whole, is decided in `twigma.py`: `datasets` patches `open`, `Path` and `read_table` in a builder's module.
"""

import contextlib
import os
import pathlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import datasets
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.json
from datasets.builder import Key
from datasets.data_files import DataFilesDict, DataFilesList
from datasets.exceptions import DatasetGenerationError
from datasets.packaged_modules.parquet.parquet import Parquet, ParquetConfig
from pyarrow.parquet import filters_to_expression

import twigma
from twigma.core.safety import untrusted_names
from twigma.rehydrate.images.shards import read_images

T = TypeVar("T")
WITH_PIXELS = ("images", "liked")
LIKED = pa.schema(
    [("text", pa.string()), ("image_name", pa.string()), ("like_count", pa.int64())]
)
LISTED = pa.schema([("file_name", pa.string()), *LIKED])  # as `twigma liked` writes it


@dataclass
class TwigmaConfig(ParquetConfig):  # type: ignore[misc]
    """The options of Parquet (`columns`, `filters`, `batch_size`), and where the images and the liked ones are."""

    shards: str = "work"
    liked: str = "liked"


class Twigma(Parquet):  # type: ignore[misc]
    """The rows of a release, in its order; `images`: one row per stored image that the release lists, by shard."""

    BUILDER_CONFIG_CLASS = TwigmaConfig
    BUILDER_CONFIGS = [  # noqa: RUF012
        TwigmaConfig(name=name)
        for name in ("metadata", "embeddings", "images", "liked")
    ]
    DEFAULT_CONFIG_NAME = "metadata"

    def __init__(
        self,
        *args: Any,
        data_files: Any = None,
        data_dir: str | None = None,
        **kwargs: Any,
    ):
        name = kwargs["config_name"] = (
            kwargs.get("config_name") or self.DEFAULT_CONFIG_NAME
        )
        self.release: Any = None
        if not data_files and name not in self.builder_configs:
            raise ValueError(
                f"twigma has no configuration {name!r}: expected one of {', '.join(self.builder_configs)}"
            )
        if not data_files and name == "liked":
            self.folder = os.path.abspath(kwargs.get("liked") or TwigmaConfig.liked)  # noqa: PTH100
            data_files = _liked_files(self.folder)
        elif not data_files:
            self.release, self.tables = twigma.find_tables(
                "metadata" if name == "images" else name, data_dir
            )
            self.shards = (
                twigma.find_shards(kwargs.get("shards") or TwigmaConfig.shards)
                if name == "images"
                else {}
            )
            data_files = DataFilesDict(
                {"train": _with_origins(list(self.shards) or self.tables, self.tables)}
            )
        super().__init__(*args, data_files=data_files, **kwargs)
        self._rows: pa.Table | None = None
        self.SLEEP_ON_THREADS_SHUTDOWNS = (
            name not in WITH_PIXELS
        )  # five seconds, for threads that only Parquet has

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {
            "_rows": None
        }  # each process reads the metadata once, none is sent them

    def _split_generators(self, dl_manager: Any) -> Any:
        if self.release is not None:
            names = [str(path).removeprefix(f"{self.release}/") for path in self.tables]
            twigma.check_files(
                self.release, names, contents=not dl_manager.is_streaming
            )
        if self.config.name not in WITH_PIXELS:
            return super()._split_generators(dl_manager)
        schema = self._schema() if self.config.name == "images" else LIKED
        self.info.features = datasets.Features(
            {"image": datasets.Image()} | datasets.Features.from_arrow_schema(schema)
        )
        splits = {split: list(files) for split, files in self.config.data_files.items()}
        return [
            datasets.SplitGenerator(s, {"files": f, "row_groups_list": [None] * len(f)})
            for s, f in splits.items()
        ]

    def _generate_more_gen_kwargs(
        self, files: list[str], row_groups_list: list[Any]
    ) -> Iterator[dict[str, Any]]:
        if self.config.name not in WITH_PIXELS:
            yield from super()._generate_more_gen_kwargs(files, row_groups_list)
        else:
            yield from ({"files": [file], "row_groups_list": [None]} for file in files)

    def _generate_tables(
        self, files: list[str], row_groups_list: list[Any]
    ) -> Iterator[tuple[Key, pa.Table]]:
        if self.config.name == "images":
            yield from _ahead(self._generate_images(files))
        elif self.config.name == "liked":
            for number, file in enumerate(files):
                yield Key(number, 0), self._cast_table(_liked_rows(file))
        else:
            for key, table in super()._generate_tables(files, row_groups_list):
                _refuse_names(table, self.release)
                yield key, table

    def _generate_images(self, files: list[str]) -> Iterator[tuple[Key, pa.Table]]:
        """The images of these shards (their manifests) that the metadata lists, checked against the manifest."""
        metadata = self._metadata()
        for number, file in enumerate(files):
            shard = self.shards[file]
            rows = _rows_of(shard.sidecar, metadata)
            for block_number, block in enumerate(read_images(shard)):
                yield Key(number, block_number), self._cast_table(_join(block, rows))

    def _metadata(self) -> pa.Table:
        """The rows and columns of the metadata that are asked for, read once in a process."""
        if self._rows is None:
            filters = self.config.filters
            expression = (
                filters_to_expression(filters) if isinstance(filters, list) else filters
            )
            files = pyarrow.dataset.dataset(self.tables)
            self._rows = files.to_table(columns=self._schema().names, filter=expression)
            _refuse_names(self._rows, self.release)
        return self._rows

    def _schema(self) -> pa.Schema:
        """The columns that are asked for, and `image_name` in any case."""
        schema = pyarrow.dataset.dataset(self.tables).schema
        wanted = {"image_name", *(self.config.columns or schema.names)}
        return pa.schema([field for field in schema if field.name in wanted])


@contextlib.contextmanager
def _one_sentence() -> Iterator[None]:
    """Whatever else a builder raises, `datasets` hides behind a sentence of its own."""
    try:
        yield
    except ValueError as error:
        raise DatasetGenerationError(str(error)) from None


def _refuse_names(table: pa.Table, where: Any) -> None:
    with _one_sentence():
        untrusted_names.refuse_names(table, str(where))


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, the next one made in a thread while the last is used: a tar is hashed without anyone waiting."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def _rows_of(sidecar: Any, metadata: pa.Table) -> pa.Table:
    """The metadata of the images of one shard: few rows, so that joining its blocks to them takes no time."""
    names = (
        pyarrow.dataset.dataset(str(sidecar))
        .to_table(columns=["image_name"])["image_name"]
        .combine_chunks()
    )
    return metadata.filter(
        pc.is_in(metadata["image_name"], value_set=names)
    ).combine_chunks()


def _join(block: pa.Table, metadata: pa.Table) -> pa.Table:
    """The images of a block that the metadata lists, with its columns; `path` is the name of the image."""
    rows = pc.index_in(
        block["image_name"].combine_chunks(),
        value_set=metadata["image_name"].combine_chunks(),
    )
    listed = rows.is_valid()
    table = metadata.take(rows.filter(listed))
    images = block["image"].combine_chunks()
    parts = [
        images.filter(listed) if listed.false_count else images,
        table["image_name"].combine_chunks(),
    ]
    return table.add_column(
        0, "image", pa.StructArray.from_arrays(parts, ["bytes", "path"])
    )


def _liked_files(folder: str) -> DataFilesDict:
    """The list of every split that has images."""
    counts = twigma.read_liked(folder)["splits"]
    paths = {
        split: f"{folder}/{split}/metadata.jsonl"
        for split in ("train", "validation", "test")
        if counts[split]
    }
    return DataFilesDict(
        {split: _with_origins([path], []) for split, path in paths.items()}
    )


def _liked_rows(file: str) -> pa.Table:
    """The rows of a list, each picture told by its path."""
    table = pyarrow.json.read_json(
        file, parse_options=pyarrow.json.ParseOptions(explicit_schema=LISTED)
    )
    _refuse_names(table, file)
    folder = os.path.dirname(file)  # noqa: PTH120 - `file` may be an address
    with _one_sentence():
        untrusted_names.refuse_paths(table["file_name"].to_pylist(), file)
        untrusted_names.refuse_links(
            pathlib.Path(folder), table["file_name"].to_pylist()
        )
    paths = pc.binary_join_element_wise(folder, table["file_name"], "/")
    paths = paths.combine_chunks()
    image = pa.StructArray.from_arrays(
        [pa.nulls(len(table), pa.binary()), paths], ["bytes", "path"]
    )
    return table.drop_columns("file_name").add_column(0, "image", image)


def _with_origins(files: Sequence[str], also: Sequence[str]) -> DataFilesList:
    """Data files whose cache is made again when one of them, or of the tables they are joined to, has changed."""
    stats = [(path, os.stat(path)) for path in dict.fromkeys([*files, *also])]  # noqa: PTH116
    return DataFilesList(
        list(files),
        [(path, f"{stat.st_mtime_ns}-{stat.st_size}") for path, stat in stats],
    )
