"""The `datasets` builder of TWIGMA: metadata, embeddings, and stored images joined to their metadata.

`datasets.load_dataset("twigma", NAME)` runs it after `import twigma`. Where the files are, and whether they
are whole, is decided in `twigma.py`: `datasets` patches `open`, `Path` and `read_table` in a builder's module.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
from datasets.builder import Key
from datasets.data_files import DataFilesDict, DataFilesList
from datasets.packaged_modules.parquet.parquet import Parquet, ParquetConfig
from pyarrow.parquet import filters_to_expression

import twigma
from twigma.rehydrate.shards import read_images


@dataclass
class TwigmaConfig(ParquetConfig):  # type: ignore[misc]
    """The options of Parquet (`columns`, `filters`, `batch_size`), and the working folder that holds the images."""

    shards: str = "work"


class Twigma(Parquet):  # type: ignore[misc]
    """The rows of a release, in its order; `images`: one row per stored image that the release lists, by shard."""

    BUILDER_CONFIG_CLASS = TwigmaConfig
    BUILDER_CONFIGS = [TwigmaConfig(name=name) for name in ("metadata", "embeddings", "images")]  # noqa: RUF012
    DEFAULT_CONFIG_NAME = "metadata"

    def __init__(self, *args: Any, data_files: Any = None, data_dir: str | None = None, **kwargs: Any):
        name = kwargs["config_name"] = kwargs.get("config_name") or self.DEFAULT_CONFIG_NAME
        self.release: Any = None
        if not data_files:
            self.release, self.tables = twigma.find_tables("metadata" if name == "images" else name, data_dir)
            self.shards = twigma.find_shards(kwargs.get("shards") or TwigmaConfig.shards) if name == "images" else {}
            data_files = DataFilesDict({"train": _with_origins(list(self.shards) or self.tables, self.tables)})
        super().__init__(*args, data_files=data_files, **kwargs)

    def _split_generators(self, dl_manager: Any) -> Any:
        if self.release is not None:
            names = [str(path).removeprefix(f"{self.release}/") for path in self.tables]
            twigma.check_files(self.release, names, contents=not dl_manager.is_streaming)
        if self.config.name != "images":
            return super()._split_generators(dl_manager)
        features = datasets.Features.from_arrow_schema(self._metadata().schema)
        self.info.features = datasets.Features({"image": datasets.Image(), **features})
        files = list(self.config.data_files["train"])
        return [datasets.SplitGenerator("train", {"files": files, "row_groups_list": [None] * len(files)})]

    def _generate_more_gen_kwargs(self, files: list[str], row_groups_list: list[Any]) -> Iterator[dict[str, Any]]:
        if self.config.name != "images":
            yield from super()._generate_more_gen_kwargs(files, row_groups_list)
        else:
            yield from ({"files": [file], "row_groups_list": [None]} for file in files)

    def _generate_tables(self, files: list[str], row_groups_list: list[Any]) -> Iterator[tuple[Key, pa.Table]]:
        if self.config.name != "images":
            yield from super()._generate_tables(files, row_groups_list)
        else:
            yield from self._generate_images(files)

    def _generate_images(self, files: list[str]) -> Iterator[tuple[Key, pa.Table]]:
        """The images of these shards (their manifests) that the metadata lists, checked against the manifest."""
        metadata = self._metadata()
        for number, file in enumerate(files):
            for block_number, block in enumerate(read_images(self.shards[file])):
                yield Key(number, block_number), self._cast_table(_join(block, metadata))

    def _metadata(self) -> pa.Table:
        """The rows and columns of the metadata that are asked for, `image_name` in any case."""
        filters = self.config.filters
        expression = filters_to_expression(filters) if isinstance(filters, list) else filters
        table = pyarrow.dataset.dataset(self.tables).to_table(filter=expression)
        wanted = {"image_name", *(self.config.columns or table.column_names)}
        return table.select([name for name in table.column_names if name in wanted])


def _join(block: pa.Table, metadata: pa.Table) -> pa.Table:
    """The images of a block that the metadata lists, with its columns; `path` is the name of the image."""
    rows = pc.index_in(block["image_name"].combine_chunks(), value_set=metadata["image_name"].combine_chunks())
    listed = rows.is_valid()
    table = metadata.take(rows.filter(listed))
    parts = [block["image"].combine_chunks().filter(listed), table["image_name"].combine_chunks()]
    return table.add_column(0, "image", pa.StructArray.from_arrays(parts, ["bytes", "path"]))


def _with_origins(files: Sequence[str], also: Sequence[str]) -> DataFilesList:
    """Data files whose cache is made again when one of them, or of the tables they are joined to, has changed."""
    stats = [(path, os.stat(path)) for path in dict.fromkeys([*files, *also])]  # noqa: PTH116
    return DataFilesList(list(files), [(path, f"{stat.st_mtime_ns}-{stat.st_size}") for path, stat in stats])
