"""What a search found, as one page that asks for nothing: `twigma search "a castle at night" --html found.html`.

A table of the images, with their pictures where a working folder has them. It holds no script: what may be sensitive is
blurred by its style until a box is ticked. All texts are strangers' and are escaped.
"""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from twigma.analysis.page.gallery import sensitive, tile
from twigma.analysis.page.own_pages import csp_hash, refuse_other_pages, templates
from twigma.core import columns
from twigma.core.files import atomic

if TYPE_CHECKING:
    from PIL.Image import Image

HERE = Path(__file__).parent
LONGEST_HEADING = 200  # characters of what was looked for


@dataclass(frozen=True)
class Searched:
    """What was looked for, and where: a text or the name of a picture's file, the release, and the model.

    `compared` images have an embedding, `left_out` have none.
    """

    text: str
    image: str
    title: str
    version: str
    model: str
    compared: int
    left_out: int


def refuse_other_results(path: Path) -> None:
    """ValueError where `path` is something that is not a page of results."""
    refuse_other_pages(path, "twigma search", "no page of results", "found.html")


def write_results(
    path: Path,
    found: pa.Table,
    about: Searched,
    images: "Mapping[str, Image] | None" = None,
) -> None:
    """Write the page of a search.

    Parameters
    ----------
    path : the file; one of an earlier search is replaced.
    found : a row an image, as `search` returns it.
    about : what was looked for, and where.
    images : the pictures by image_name; None for a page without pictures.
    """
    refuse_other_results(path)
    html = render_results(found, about, images)
    with atomic(path) as beside:
        beside.write_text(html, "utf-8")


def render_results(
    found: pa.Table, about: Searched, images: "Mapping[str, Image] | None" = None
) -> str:
    """The page as text, of a row an image; equal results give equal bytes."""
    style = (HERE / "results.css").read_text("utf-8")
    page = templates(HERE).get_template("results.html.j2")
    return page.render(
        heading=_heading(about),
        what="words" if about.text else "picture",
        by_words=bool(about.text),
        title=about.title,
        version=about.version,
        model=about.model,
        compared=f"{about.compared:,}",
        left_out=f"{about.left_out:,}" if about.left_out else "",
        pictured=images is not None,
        captioned="all_captions" in found.column_names,
        columns=_columns(found),
        rows=_rows(found, images),
        style=style,
        style_hash=csp_hash(style),
    )


def _heading(about: Searched) -> str:
    if about.text:
        words = " ".join(about.text.split())
        if len(words) > LONGEST_HEADING:
            words = f"{words[:LONGEST_HEADING]} …"
        return f"“{words}”: the most similar images"
    return f"The images most similar to {about.image[:LONGEST_HEADING]}"


# ------------------------------------------------------------------ rows


def _columns(found: pa.Table) -> list[tuple[str, bool]]:
    """The columns that are shown as they are: the heading of each, and whether it is a number."""
    label = columns.find_label_column(found.column_names)
    shown = {
        str(label): ("Cluster", False),
        "created_at": ("Date", False),
        "like_count": ("Likes", True),
        "nsfw_score": ("NSFW score", True),
    }
    return [head for name, head in shown.items() if name in found.column_names]


def _rows(
    found: pa.Table, images: "Mapping[str, Image] | None"
) -> list[dict[str, Any]]:
    label = columns.find_label_column(found.column_names)
    hidden = sensitive(found)
    rows = []
    for place, row in enumerate(found.to_pylist()):
        caption = " ".join(str(row.get("all_captions") or "").split())
        image = str(row["image_name"])
        post = str(row.get("id") or "")
        shown: dict[str, Any] = {
            "similarity": f"{row['similarity']:.3f}",
            "cells": _cells(row, label),
            "caption": caption,
            "image": image,
            "post": "" if post == image else post,
            "sensitive": bool(hidden[place]),
            "alt": caption or f"image {image}",
        }
        if images is not None:
            shown.update(_picture(images, image, shown["alt"]))
        rows.append(shown)
    return rows


def _cells(row: Mapping[str, Any], label: str | None) -> list[str]:
    """The values under the headings of `_columns`; a dash where one is not known."""
    cells = []
    if label is not None:
        cells.append(_known(row[label], "{}"))
    if "created_at" in row:
        cells.append(_known(row["created_at"], "{:%Y-%m-%d}"))
    if "like_count" in row:
        cells.append(_known(row["like_count"], "{:,}"))
    if "nsfw_score" in row:
        cells.append(_known(row["nsfw_score"], "{:.2f}"))
    return cells


def _known(value: Any, pattern: str) -> str:
    return "–" if value is None else pattern.format(value)


def _picture(images: "Mapping[str, Image]", name: str, alt: str) -> dict[str, Any]:
    """The small picture of an image, and its size in pixels; without `src` where it is not stored."""
    from PIL import Image

    src = tile(images, name, alt).src
    if not src:
        return {"src": ""}
    content = base64.b64decode(src.partition(",")[2])
    with Image.open(io.BytesIO(content)) as picture:
        width, height = picture.size
    return {"src": src, "width": width, "height": height}
