"""Names of columns that several models made side by side, and several names in one sentence.

What a model makes of all images is kept under a name: `twigma embed --name siglip2` writes `columns/embed-siglip2`,
which is released as `embeddings-siglip2`. Without a name it is the default one: `columns/embed`, `embeddings`.
"""

import re
from collections.abc import Iterable
from pathlib import Path

# A letter first, so that no name is taken for the number of a part; `train` is the split in names of released files.
NAME = re.compile(r"(?!train(-|$))[A-Za-z][A-Za-z0-9_-]{0,31}")
DEFAULT = ""
# The commands that add columns to images, in the order in which they may be run.
STAGES = ("embed", "caption", "nsfw", "dedupe", "cluster")
# Columns that models make: each may be there several times, under names.
OF_MODELS = ("all_captions", "embedding", "pixel_hash")


def with_name(base: str, name: str = DEFAULT) -> str:
    """What a stage, a configuration or a file is called under a name; ValueError for one that is not safe in a file's.

    >>> with_name("embed"), with_name("embed", "siglip2")
    ('embed', 'embed-siglip2')
    """
    if name == DEFAULT:
        return base
    if not NAME.fullmatch(name):
        raise ValueError(
            f"name: expected up to 32 letters, digits, - and _, a letter first, and not train; found {name!r}"
        )
    return f"{base}-{name}"


def split_name(called: str) -> tuple[str, str]:
    """The base and the name of what `with_name` returns.

    >>> split_name("embed-siglip2"), split_name("embed")
    (('embed', 'siglip2'), ('embed', ''))
    """
    base, _, name = called.partition("-")
    return base, name


def command_of(stage: str) -> str:
    """The command that writes the columns of a stage.

    >>> command_of("embed-siglip2"), command_of("dedupe")
    ('twigma embed --name siglip2', 'twigma dedupe')
    """
    base, name = split_name(stage)
    return f"twigma {base} --name {name}" if name else f"twigma {base}"


def embeddings_first(parts: Iterable[Path]) -> list[Path]:
    """Parts in the order of their paths, but those of `embed` before the others, whose provenance names them."""
    return sorted(
        parts, key=lambda path: (split_name(path.parent.name)[0] != "embed", path)
    )


def named_column(column: str, name: str) -> str:
    """What a column is called where it is of a name: those of models bear it, others are the same in all.

    >>> named_column("embedding", "siglip2"), named_column("image_name", "siglip2")
    ('embedding_siglip2', 'image_name')
    """
    return f"{column}_{name}" if name and column in OF_MODELS else column


def captions_of_names(of: Iterable[str]) -> list[str]:
    """The columns of captions under another name than the default, in order.

    >>> captions_of_names(["all_captions", "all_captions_git", "id"])
    ['all_captions_git']
    """
    return sorted(name for name in of if name.startswith("all_captions_"))


def join_names(names: Iterable[object], most: int | None = None) -> str:
    """Names with commas and a last "and"; of more than `most`, the first few and how many more there are.

    >>> join_names(["a", "b", "c"])
    'a, b and c'
    >>> join_names(["a", "b", "c", "d"], most=3)
    'a, b, c and 1 more'
    """
    words = [str(name) for name in names]
    if most is not None and len(words) > most:
        words = [*words[:most], f"{len(words) - most} more"]
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last
