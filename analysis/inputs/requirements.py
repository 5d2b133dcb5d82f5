"""What a figure needs before it can be computed, and what it results in.

A need is a column of the studied images ("like_count"), a reference set by role ("@paintings"), a column of one
("@paintings.group"), any reference set at all ("@"), slow estimators ("thorough"), annotation sheets ("sheets"),
labels of a model's column ("labels"), embedded texts ("texts"), or counts of how the dataset was made ("counts").
`twigma analyze` skips a figure whose needs are not met, and reports how to meet them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from twigma.analysis.inputs.annotation_sheets import label_folders, theme_folder
from twigma.analysis.inputs.load import Inputs
from twigma.core import columns

if TYPE_CHECKING:
    import pandas as pd

    from twigma.analysis.tables.long_table import LongTable

# How to get each column that an analysis may lack.
HOW: Mapping[str, str] = {
    "embedding": "`twigma embed` makes embeddings and `twigma release` puts them in the release",
    "id": "the posts that the images are on: `twigma rehydrate` looks them up",
    "created_at": "`twigma rehydrate` looks the posts up",
    "like_count": "`twigma rehydrate` looks the posts up",
    "author_id": "look the posts up with `twigma rehydrate` and pass that working folder (--work)",
    "follower_count": "look the posts up with `twigma rehydrate` and pass that working folder (--work)",
    "text": "look the posts up with `twigma rehydrate` and pass that working folder (--work)",
    "all_captions": "`twigma caption` writes captions",
    columns.LABELS: "`twigma cluster` finds the clusters",
    "UMAP_dim_1": "`twigma cluster` draws the map",
    "UMAP_dim_2": "`twigma cluster` draws the map",
    "nsfw_score": "`twigma nsfw` scores the images",
    "group": "a reference set whose images name their artist or prompt: `twigma reference add --group COLUMN`",
}
# Likewise of images that were added by hand, whose posts cannot be looked up.
BESIDE_FILES = (
    "write it beside the files, where `twigma add` reads it (docs/howto/collect.md)"
)
HOW_LOCAL: Mapping[str, str] = {
    "created_at": BESIDE_FILES,
    "like_count": BESIDE_FILES,
    "author_id": f"{BESIDE_FILES}, and pass that working folder (--work)",
    "follower_count": "only posts that were looked up have it, not images of your own",
    "text": f"{BESIDE_FILES}, and pass that working folder (--work)",
}
MAKE_REFERENCE = "`twigma reference add NAME` makes one (`twigma reference list`); pass it with --reference NAME"
MAKE_SHEETS = "`twigma sheets` writes blank ones; pass the folder with --sheets once people have filled them in"
MAKE_LABELS = "`twigma sheets --for nsfw_score` draws images, `twigma label` shows them; pass the folder with --sheets"
MAKE_COUNTS = "`twigma release` writes them into MANIFEST.json; a working folder has those of its posts (--work)"
MAKE_PROMPTS = (
    "`twigma texts --work FOLDER` embeds the prompts of the reference set by prompt"
)
MAKE_TEXTS = "`twigma texts` embeds posts and captions of --work; `twigma reference add` makes haiku, news and book"
RUN_THOROUGHLY = "run the analysis thoroughly (--thorough): minutes"

WITHOUT = {
    "thorough": ("not asked for", RUN_THOROUGHLY),
    "counts": ("counts of its steps", MAKE_COUNTS),
}

Entry = dict[str, Any]  # value, low, high, n and whatever else belongs to one number
Missing = tuple[str, str]  # what is missing, and how to get it


class Skipped(TypedDict):
    """A figure, or a part of one, that was not computed, as results.json names it."""

    figure: str  # "NAME" or "NAME: PART"
    missing: list[str]  # empty where the data is there but too little
    how: list[str]  # for each that is missing, or the message of the error
    error: NotRequired[str]  # the class of the error that it failed with
    option: NotRequired[str]  # that named its data, which could not be used


@dataclass(frozen=True)
class Settings:
    """Which reference set plays which role, how Fig 2a is drawn, whether slow estimators run, and the seed."""

    photographs: str = "photographs"
    paintings: str = "paintings"
    prompts: str = "prompts"
    projection: str = "auto"
    thorough: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Result:
    """The result of one figure: how many rows it is of, tidy tables by file name, and numbers by stable key.

    A table with a row an image is among `long`, and not in memory.
    """

    n: int
    tables: dict[str, "pd.DataFrame"]
    values: dict[str, Entry] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # what the estimators warned of
    long: "dict[str, LongTable]" = field(default_factory=dict)  # a row an image

    def table_names(self) -> list[str]:
        """The names of the files of all tables."""
        return [*self.tables, *self.long]


def missing_requirements(
    data: Inputs, settings: Settings, needs: Iterable[str]
) -> dict[str, str]:
    """Those of `needs` that are not met: what is missing, and how to get it."""
    missing = [_missing(data, settings, need) for need in needs]
    return dict(each for each in missing if each is not None)


def _missing(data: Inputs, settings: Settings, need: str) -> Missing | None:
    """One need that is not met; None when it is."""
    if need in ("thorough", "counts"):
        is_there = {"thorough": settings.thorough, "counts": has_counts(data)}
        return None if is_there[need] else WITHOUT[need]
    if need in ("sheets", "labels"):
        return _missing_sheets(data, need)
    if need == "texts":
        return _missing_texts(data, settings)
    if need == "@":
        return _missing_any_set(data)
    if need.startswith("@"):
        role, _, column = need[1:].partition(".")
        name = getattr(settings, role)
        return _missing_set(data, name, column or "embedding")
    return _missing_column(data, need)


def _missing_column(data: Inputs, column: str) -> Missing | None:
    """A column of the studied images."""
    if data.images.has(column):
        return None
    return f"column {column}", how_to_get(column, data.images.is_local)


def how_to_get(column: str, is_local: bool) -> str:
    """How to get a column of the studied images, all of which may be of one's own files."""
    if is_local and column in HOW_LOCAL:
        return HOW_LOCAL[column]
    return HOW[column]


def has_counts(data: Inputs) -> bool:
    """Whether anything says of how many posts or images the dataset was made."""
    manifest = data.manifest or {}
    return data.posts is not None or "counts" in manifest


def _missing_sheets(data: Inputs, need: str) -> Missing | None:
    """Sheets of clusters, or labels of a model's column, in the folder of sheets."""
    if need == "labels":
        missing = ("labels of a model's column", MAKE_LABELS)
        is_there = data.sheets is not None and bool(label_folders(data.sheets))
    else:
        missing = ("annotation sheets", MAKE_SHEETS)
        is_there = data.sheets is not None and theme_folder(data.sheets) is not None
    return None if is_there else missing


def _missing_any_set(data: Inputs) -> Missing | None:
    embedded = any(images.has("embedding") for images in data.references.values())
    return None if embedded else ("a reference set", MAKE_REFERENCE)


def _missing_set(data: Inputs, name: str, column: str) -> Missing | None:
    """A reference set by name, or a column of it."""
    if name not in data.references:
        return f"reference set {name}", MAKE_REFERENCE
    if data.references[name].has(column):
        return None
    return f"column {column} of reference set {name}", HOW[column]


def _missing_texts(data: Inputs, settings: Settings) -> Missing | None:
    """Fig 3d compares prompts with at least one other kind of text."""
    if settings.prompts not in data.texts:
        return "embedded prompts", MAKE_PROMPTS
    return None if len(data.texts) > 1 else ("other embedded texts", MAKE_TEXTS)


def entries(
    table: "pd.DataFrame", prefix: str, keys: Sequence[str], value: str
) -> dict[str, Entry]:
    """The rows of a tidy table as numbers by key.

    Parameters
    ----------
    table : one row per number.
    prefix : first part of every key; "" for none.
    keys : columns whose cells are the rest of the key.
    value : the column that becomes "value"; all others keep their names.

    >>> import pandas as pd
    >>> entries(pd.DataFrame({"set": ["a"], "share": [0.5], "n": [8]}), "nsfw", ["set"], "share")
    {'nsfw/a': {'value': 0.5, 'n': 8}}
    """
    numbers = {}
    for row in table.to_dict("records"):
        parts = [str(row.pop(name)) for name in keys]
        if prefix:
            parts.insert(0, prefix)
        entry: Entry = {"value": row.pop(value)}
        for name, cell in row.items():
            entry[str(name)] = cell
        numbers["/".join(parts)] = entry
    return numbers
