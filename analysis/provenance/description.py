"""What the data is, in numbers, for the results and the report."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from twigma.analysis.inputs.images import Images
from twigma.analysis.inputs.load import Inputs
from twigma.builder.release.card.facts import count_posts


def describe(data: Inputs) -> dict[str, Any]:
    """What the data is, in numbers: rows, posts, period and precision; sizes of the reference sets."""
    table = data.images.table
    first, last = _period(data.images)
    references = {}
    for name, images in data.references.items():
        references[name] = {**_precision(images), **images.about}
    described = {
        "identity": None if data.identity is None else data.identity.to_json(),
        "images": len(pc.unique(table["image_name"])),
        "posts": count_posts(table),
        "authors": _count_authors(table),
        "without_author": _count_without_author(table),
        "rows": len(table),
        "first": first,
        "last": last,
        "embeddings": _precision(data.images),
        "references": references,
        "release": _stated_of_release(data.manifest),
    }
    if data.chosen_of is not None:
        described["chosen_of"] = data.chosen_of
    return described


def _count_authors(table: pa.Table) -> int | None:
    """How many authors the images have; None where they are not known."""
    if "author_id" not in table.column_names:
        return None
    return len(pc.unique(table["author_id"].drop_null())) or None


def _count_without_author(table: pa.Table) -> int:
    """How many images have no author, where those of others are known."""
    if not _count_authors(table):
        return 0
    names, has_author = table["image_name"], pc.is_valid(table["author_id"])
    owned = pc.unique(names.filter(has_author))
    return len(pc.unique(names)) - len(owned)


def _stated_of_release(manifest: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a MANIFEST.json states of the release: its version and its day, fingerprint, source, and models."""
    if manifest is None:
        return {}
    source = manifest.get("source") or {}
    versions = manifest.get("history") or [{}]
    return {
        "version": manifest.get("version", ""),
        "date": versions[0].get("date", ""),
        "inputs": manifest.get("inputs", ""),
        "source": source.get("url", ""),
        "models": manifest.get("models", {}),
    }


def _period(images: Images) -> tuple[str | None, str | None]:
    """The first and the last date, in UTC; None where no row has one."""
    if not images.has("created_at"):
        return None, None
    dates = pc.min_max(images.table["created_at"]).as_py()
    first, last = dates["min"], dates["max"]
    return first.isoformat(timespec="seconds"), last.isoformat(timespec="seconds")


def _precision(images: Images) -> dict[str, Any]:
    return {
        "n": len(images.rows),
        "dim": images.embedding.shape[1],
        "dtype": images.dtype,
        "unusable": images.unusable,
    }
