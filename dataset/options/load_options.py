"""Which options a configuration takes, and the columns that are asked for."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

OF_TABLES = ("batch_size", "features", "fragment_scan_options", "on_bad_files")
OF_PICTURES = {"images": "shards", "liked": "liked"}  # the folder that each reads
LONGEST = 80  # characters of a value that a message shows


def check_options(
    config: str, options: Mapping[str, Any], known: Collection[str]
) -> None:
    """ValueError where an option is unknown, or this configuration does not use it; None counts as not given."""
    usable = ["columns", "filters", "data_dir"]
    if config in OF_PICTURES:
        usable.append(OF_PICTURES[config])
    else:
        usable.extend(OF_TABLES)
    for name, value in options.items():
        is_of_another = name in (*OF_TABLES, *OF_PICTURES.values())
        is_unused = is_of_another and name not in usable and value is not None
        if name not in known or is_unused:
            raise ValueError(
                f"twigma {config}: expected options among {', '.join(usable)}, found "
                f"{name}={shown(value)}: leave it out"
            )
    size = options.get("batch_size")
    if size is not None and (not isinstance(size, int) or size < 1):
        raise ValueError(
            f"twigma {config}: expected batch_size as a number of rows, at least 1, found {shown(size)}"
        )


# ------------------------------------------------------------------ columns


def check_columns(
    columns: Any, schema: pa.Schema, where: str, *, also: Sequence[str] = ()
) -> list[str]:
    """The names of columns, each once; one name may be given by itself.

    Parameters
    ----------
    columns : a name, or a collection of names.
    schema : the columns that there are; `also` lists names that may be asked for beside them.
    where : what has these columns, for messages.

    Raises
    ------
    ValueError where they are no names, or name a column that there is not.
    """
    if isinstance(columns, str):
        columns = [columns]
    is_collection = isinstance(columns, Collection) and not isinstance(columns, Mapping)
    if not is_collection or not all(isinstance(name, str) for name in columns):
        raise ValueError(
            f'{where}: expected columns as a list of names, such as ["like_count"], found {shown(columns)}'
        )
    names = list(dict.fromkeys(columns))
    require_columns([name for name in names if name not in also], schema, where)
    return names


def require_columns(names: Iterable[str], schema: pa.Schema, where: str) -> None:
    """ValueError that names the columns that there are not."""
    missing = [name for name in names if name not in schema.names]
    if missing:
        raise ValueError(
            f"{where} has no column {', '.join(missing)}; it has {', '.join(schema.names)}"
        )


# ------------------------------------------------------------------ messages


def shown(value: Any) -> str:
    """A value as messages show it, cut where it is long."""
    text = repr(value)
    if isinstance(value, pc.Expression):
        text = str(value)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}…"
    return text
