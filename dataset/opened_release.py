"""A release as tables in memory: `twigma.open_release("twigma")`, without `datasets`.

For looking at a release and for analyses of your own; `load_dataset` streams, shuffles and feeds a `DataLoader`.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twigma.core.machine import usable_cpus
from twigma.core.names import DEFAULT, with_name
from twigma.dataset.release_folder import (
    AnyPath,
    check_files,
    find_published,
    list_tables,
    read_manifest,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class Release:
    """One release; its tables are read, and checked against MANIFEST.json, when they are first asked for."""

    def __init__(self, folder: AnyPath) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self.manifest: dict[str, Any] = read_manifest(self.folder)

    def __len__(self) -> int:
        return len(self.metadata)

    def __repr__(self) -> str:
        version = self.manifest.get("version", "of the authors")
        return f"<release {version} in {self.folder}: {len(self):,} images>"

    @cached_property
    def metadata(self) -> "pa.Table":
        """One row an image, in the order of the release; columns as `twigma columns --released` lists them."""
        return self._read("metadata")

    @cached_property
    def embeddings(self) -> "pa.Table":
        """`image_name` and `embedding` (float16[d], L2 norm 1), a row for each of `metadata`, in its order.

        Raises FileNotFoundError when the release has none, as the authors' table.
        """
        return self.embeddings_of()

    def embeddings_of(self, name: str = DEFAULT) -> "pa.Table":
        """The embeddings of a name, as `embeddings`: `embeddings_of("siglip2")` are those of `twigma embed --name`."""
        return self._read(with_name("embeddings", name))

    def to_pandas(self) -> "pd.DataFrame":
        """The metadata as a DataFrame; ids are strings, `created_at` is UTC without a time zone."""
        frame: pd.DataFrame = self.metadata.to_pandas()
        return frame

    def _read(self, config: str) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = list_tables(self.folder, config)
        check_files(self.folder, names)

        def read(name: str) -> "pa.Table":
            return pq.read_table(self.folder / name, memory_map=True)

        # Arrow reads a column by one thread, and of embeddings there is one.
        with ThreadPoolExecutor(usable_cpus()) as threads:
            files = list(threads.map(read, names))
        return pa.concat_tables(files).replace_schema_metadata()


def open_release(data_dir: AnyPath | None = None) -> Release:
    """Open a release: `data_dir`, else `$TWIGMA_DATA_DIR`, else `./twigma`, else the table that the authors published.

    Raises ValueError when the folder is not a release or a file differs from its manifest, OSError when the authors'
    table is needed and cannot be fetched. `data_dir` may be an address, s3://BUCKET/FOLDER or gs://BUCKET/FOLDER.

    >>> release = twigma.open_release("twigma")         # doctest: +SKIP
    >>> release.to_pandas()["like_count"].median()      # doctest: +SKIP
    12.0
    """
    return Release(find_published(data_dir))
