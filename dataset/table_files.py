"""The names of the Parquet files of a release: all at its top, since a record of Zenodo has no folders."""

import fnmatch
from collections.abc import Iterable


def table_name(config: str, number: int, count: int) -> str:
    """The name of one of the Parquet files of a configuration, as `datasets` names the parts of a split.

    >>> table_name("metadata", 0, 2)
    'metadata-train-00000-of-00002.parquet'
    """
    return f"{config}-train-{number:05d}-of-{count:05d}.parquet"


def table_pattern(config: str) -> str:
    """The pattern of all of them, for `glob`, `datasets`, Croissant and DuckDB alike."""
    return f"{config}-*.parquet"


def select_tables(config: str, names: Iterable[str]) -> list[str]:
    """Those of these names that are files of a configuration, in order."""
    return sorted(fnmatch.filter(names, table_pattern(config)))
