"""Every column of the images table, declared once: name, type, unit and sentence.

The images table has one row per photo on a post, keyed by ``image_name`` (and ``id`` where one is on several). The
Parquet schema, ``datasets.Features`` and the card's field table derive from ``COLUMNS``. `twigma columns` prints it.
"""

from twigma.core.columns.declared import (
    COLUMNS,
    EMBEDDING_DIM,
    KEY,
    METADATA,
    ORDER,
    PAPER_K,
    PUBLISHED,
    Column,
    label_column,
)
from twigma.core.columns.names import (
    LABELS,
    declared,
    find_label_column,
    metadata,
    named,
    present,
    those_of,
)
from twigma.core.columns.tables import (
    add,
    features,
    field_table,
    join,
    require,
    schema,
    sort_keys,
)

__all__ = [
    "COLUMNS",
    "EMBEDDING_DIM",
    "KEY",
    "LABELS",
    "METADATA",
    "ORDER",
    "PAPER_K",
    "PUBLISHED",
    "Column",
    "add",
    "declared",
    "features",
    "field_table",
    "find_label_column",
    "join",
    "label_column",
    "metadata",
    "named",
    "present",
    "require",
    "schema",
    "sort_keys",
    "those_of",
]
