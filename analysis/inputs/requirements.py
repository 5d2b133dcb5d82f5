"""What a figure needs before it can be computed, and what it gives; `twigma analyze` checks the one, writes the other.

A need is a column of the studied images ("like_count"), a reference set by role ("@paintings"), a column of one
("@paintings.group"), any reference set at all ("@"), that slow checks were asked for ("thorough"), annotation sheets
("sheets"), or embedded texts ("texts").
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twigma.analysis.inputs.load import Inputs

if TYPE_CHECKING:
    import pandas as pd

# Where each column comes from: said when an analysis lacks it.
HOW: Mapping[str, str] = {
    "embedding": "`twigma embed` makes embeddings and `twigma release` puts them in the release",
    "created_at": "`twigma rehydrate` looks the posts up",
    "like_count": "`twigma rehydrate` looks the posts up",
    "author_id": "look the posts up with `twigma rehydrate` and pass that working folder (--work)",
    "follower_count": "look the posts up with `twigma rehydrate` and pass that working folder (--work)",
    "text": "look the posts up with `twigma rehydrate` and pass that working folder (--work)",
    "all_captions": "`twigma caption` writes captions",
    "label_10_cluster": "`twigma cluster` finds the clusters",
    "UMAP_dim_1": "`twigma cluster` draws the map",
    "UMAP_dim_2": "`twigma cluster` draws the map",
    "nsfw_score": "`twigma nsfw` scores the images",
    "group": "a reference set whose images name their artist or prompt: `twigma reference add --group COLUMN`",
}
MAKE_REFERENCE = "`twigma reference add NAME` makes one (`twigma reference list`); pass it with --reference NAME"
MAKE_SHEETS = "`twigma sheets` writes blank ones; pass the folder with --sheets once people have filled them in"
MAKE_PROMPTS = (
    "`twigma texts --work FOLDER` embeds the prompts of the reference set by prompt"
)
MAKE_TEXTS = "`twigma texts` embeds posts and captions of --work; `twigma reference add` makes haiku, news and book"
Entry = dict[str, Any]  # value, low, high, n and whatever else belongs to one number


@dataclass(frozen=True)
class Settings:
    """Which reference set plays which role, how Fig 2a is drawn, whether slow checks run, and the seed."""

    photographs: str = "photographs"
    paintings: str = "paintings"
    prompts: str = "prompts"
    projection: str = "pca"
    thorough: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Result:
    """What one figure came to: tidy tables by file name, and its numbers by stable key."""

    n: int
    tables: dict[str, "pd.DataFrame"]
    values: dict[str, Entry] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # what the estimators warned of


@dataclass(frozen=True)
class Figure:
    """One figure: the function that computes it, what it cannot do without, and parts that need more."""

    name: str
    run: Callable[[Inputs, Settings], Result]
    needs: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def missing_requirements(
    data: Inputs, settings: Settings, needs: Iterable[str]
) -> dict[str, str]:
    """Which of `needs` are not there, each with the way to get it."""
    return dict(found for need in needs if (found := _lack(data, settings, need)))


def _lack(data: Inputs, settings: Settings, need: str) -> tuple[str, str] | None:
    if need == "thorough":
        return (
            None
            if settings.thorough
            else ("not asked for", "run the analysis thoroughly (--thorough): minutes")
        )
    if need == "sheets":
        return None if data.sheets else ("annotation sheets", MAKE_SHEETS)
    if not need.startswith("@") and need != "texts":
        return None if data.images.has(need) else (f"column {need}", HOW[need])
    return (
        _lack_texts(data, settings)
        if need == "texts"
        else _lack_set(data, settings, need)
    )


def _lack_set(data: Inputs, settings: Settings, need: str) -> tuple[str, str] | None:
    """A need that begins with @: a reference set, or a column of one."""
    role, _, column = need[1:].partition(".")
    if not role:
        usable = any(images.has("embedding") for images in data.references.values())
        return None if usable else ("a reference set", MAKE_REFERENCE)
    name = getattr(settings, role)
    images = data.references.get(name)
    if images is None:
        return f"reference set {name}", MAKE_REFERENCE
    column = column or "embedding"
    return (
        None
        if images.has(column)
        else (f"column {column} of reference set {name}", HOW[column])
    )


def _lack_texts(data: Inputs, settings: Settings) -> tuple[str, str] | None:
    """Fig 3d compares prompts with at least one other kind of text."""
    if settings.prompts not in data.texts:
        return "embedded prompts", MAKE_PROMPTS
    return None if len(data.texts) > 1 else ("other embedded texts", MAKE_TEXTS)


def entries(
    table: "pd.DataFrame", prefix: str, keys: list[str], value: str
) -> dict[str, Entry]:
    """Rows of a tidy table as numbers by key: prefix/key/…: {value, and every other column}."""
    found = {}
    for row in table.to_dict("records"):
        key = "/".join(
            [*([prefix] if prefix else []), *(str(row[name]) for name in keys)]
        )
        rest: dict[Hashable, Any] = {
            name: cell
            for name, cell in row.items()
            if name not in keys and name != value
        }
        found[key] = {
            "value": row[value],
            **{str(name): cell for name, cell in rest.items()},
        }
    return found
