"""The names of the Parquet files of a release: all at its top, since a record of Zenodo has no folders."""

import re
from collections.abc import Iterable


def table_name(config: str, number: int, count: int) -> str:
    """The name of one of the Parquet files of a configuration, as `datasets` names the parts of a split.

    >>> table_name("metadata", 0, 2)
    'metadata-train-00000-of-00002.parquet'
    """
    return f"{config}-train-{number:05d}-of-{count:05d}.parquet"


def table_pattern(config: str) -> str:
    """The pattern of all of them, for `glob`, `datasets`, Croissant and DuckDB alike.

    >>> table_pattern("embeddings-siglip2")
    'embeddings-siglip2-train-*.parquet'
    """
    return f"{config}-train-*.parquet"


def select_tables(config: str, names: Iterable[str]) -> list[str]:
    """Those of these names that are files of a configuration, in order; the split need not be in the name.

    >>> select_tables("embeddings", ["embeddings-0.parquet", "embeddings-siglip2-train-0.parquet"])
    ['embeddings-0.parquet']
    """
    pattern = re.compile(rf"{re.escape(config)}-(train-)?[0-9][^/]*\.parquet")
    return sorted(name for name in names if pattern.fullmatch(name))


def table_configs(names: Iterable[str]) -> list[str]:
    """The configurations that have files among these names, `metadata` first.

    >>> table_configs(["embeddings-siglip2-train-0.parquet", "metadata-train-0.parquet", "README.md"])
    ['metadata', 'embeddings-siglip2']
    """
    pattern = re.compile(
        r"((?:metadata|embeddings)(?:-[A-Za-z].*?)??)-(?:train-)?[0-9][^/]*\.parquet"
    )
    found = filter(None, (pattern.fullmatch(name) for name in names))
    return sorted(
        {match[1] for match in found}, key=lambda name: (name != "metadata", name)
    )
