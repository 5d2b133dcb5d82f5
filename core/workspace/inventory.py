"""Every file of a working folder that is written with ids or text in it: one list, for its writers and for removals.

A command that writes another such file adds it here, and declares what `twigma removals` does with it; a test fails for
files of a populated working folder that are not listed. Files that nobody listed are searched by every removal, and
named when they hold what was removed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from twigma.core.locks import PARTIAL

OUTCOMES = "outcomes.csv"  # of `twigma rehydrate`
PHOTOS_UNKNOWN = "photos_unknown.csv"  # of `twigma import`
QUARANTINE = "quarantine.csv"  # of lists; `quarantine_of` names those of archives
HASHTAG_SHEET = "hashtags.csv"  # of `twigma hashtags`, wherever --out puts it
SHEETS_KEY = "key.csv"  # of `twigma sheets`
SHEETS_KEY_COLUMNS = ("item", "image_name")  # and what was labelled
LABELS_ABOUT = "measurement.json"  # of `twigma sheets --for`
LABELS_FRAME = "frame.parquet"  # hashes of all images that could have been drawn
HASHTAG_COLUMNS = ("hashtag", "item", "id", "created_at", "text", "about_ai_images")
LEDGER = (
    "ledger.sqlite",
    "ledger.sqlite-wal",
    "ledger.sqlite-shm",
    "ledger.sqlite-journal",
)


@dataclass(frozen=True)
class Holding:
    """Files of a working folder: a pattern below it, what they hold, and what a removal does with them."""

    pattern: str
    holds: str
    removal: str


HOLDINGS = (
    Holding("pages/*.jsonl", "answers of the API: ids, authors, texts", "pages"),
    Holding("pages/parsed/*.arrow", "pages once parsed", "deleted"),
    Holding("pages/parsed/images.parquet", "ids, authors, texts", "deleted"),
    Holding("pages/parsed/made.json", "counts", "deleted"),
    *(Holding(name, "ids and their outcomes", "deleted") for name in LEDGER),
    Holding("images.parquet", "ids, authors, texts", "rows"),
    Holding("ids.parquet", "ids", "rows"),
    Holding("shards/plan/*.parquet", "ids, addresses of photos", "plan"),
    Holding(OUTCOMES, "ids", "cells"),
    Holding(PHOTOS_UNKNOWN, "ids", "cells"),
    Holding(
        "quarantine*.csv", "lines of lists and archives: ids, authors, texts", "lines"
    ),
    Holding(HASHTAG_SHEET, "ids and texts", "hashtag sheet"),
    Holding(f"*/{HASHTAG_SHEET}", "ids and texts", "hashtag sheet"),
    Holding("shards/[0-9]*.tar", "images by id", "shards"),
    Holding("shards/from_*.tar", "images by name", "shards"),
    Holding("shards/[0-9]*.parquet", "ids, addresses of photos", "shards"),
    Holding("shards/[0-9]*.json", "hashes of the two", "shards"),
    Holding("shards/index.arrow", "ids", "deleted"),
    Holding("shards/sprites.arrow", "ids and pictures of the explorer", "deleted"),
    Holding("columns/*/*.arrow", "ids and what models say of the images", "parts"),
    Holding("columns/*/*/*.arrow", "columns of a part that is not finished", "deleted"),
    Holding("models/*/*.arrow", "embeddings by id", "parts"),
    Holding("columns/cluster/.places", "places on a map", "deleted"),
    Holding("models/*/*.csv", "counts", "nothing"),
    Holding("models/pins.json", "commits of models", "nothing"),
    Holding("models/licences.json", "licences of models", "nothing"),
    Holding("dataset.toml", "what the dataset is, and its creators", "nothing"),
    Holding("*/candidates.csv", "hashtags and counts", "nothing"),
    Holding("candidates.csv", "hashtags and counts", "nothing"),
    Holding("removed.json", "hashes of ids", "nothing"),
    Holding("receipts/removal-*.json", "hashes of ids", "nothing"),
    Holding("publications.json", "records and DOIs of releases", "nothing"),
    Holding(".releases.json", "folders of releases", "nothing"),
    Holding("versions.json", "versions and counts of releases", "nothing"),
    Holding("reference.json", "where a reference set comes from", "nothing"),
    Holding(".*lock", "nothing", "nothing"),
    Holding("shards/.lock", "nothing", "nothing"),
)
MARKS = (
    "images.parquet",
    "ids.parquet",
    "removed.json",
    "ledger.sqlite",
    "pages",
    "shards",
)  # of a working folder


def quarantine_of(name: str) -> str:
    """The file of the lines of an archive that were skipped; `name` is the archive's SHA-256."""
    return f"quarantine-{name[:8]}.csv"


def files(work: Path, removal: str) -> list[Path]:
    """The files of a working folder that removals treat in one way, in order."""
    patterns = [holding.pattern for holding in HOLDINGS if holding.removal == removal]
    matches = {path for pattern in patterns for path in work.glob(pattern)}
    return sorted(path for path in matches if path.is_file() and not path.is_symlink())


def is_work(folder: Path) -> bool:
    """Whether a folder holds anything that a working folder starts with."""
    return any((folder / name).exists() for name in MARKS)


def holding_of(name: PurePath) -> Holding | None:
    """The entry of the list for a path relative to its working folder; None when there is none.

    >>> holding_of(PurePath("columns/embed/00000.arrow")).removal
    'parts'
    """
    for holding in HOLDINGS:
        if len(PurePath(holding.pattern).parts) == len(name.parts) and name.match(
            holding.pattern
        ):
            return holding
    return None


def unlisted(work: Path) -> Iterator[Path]:
    """The files of a working folder that are in no entry of the list, in order: nobody of ours wrote them."""
    for path in sorted(work.rglob("*")):
        if path.is_file() and holding_of(path.relative_to(work)) is None:
            yield path


def unfinished(work: Path) -> Iterator[Path]:
    """What is unfinished of files of the list: left by a killed process, or being written."""
    for path in work.rglob(".*.partial"):
        partial = PARTIAL.fullmatch(path.name)
        if partial is None:
            continue
        if holding_of(path.with_name(partial[1]).relative_to(work)) is not None:
            yield path
