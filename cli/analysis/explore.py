"""`twigma explore` and `search`: a release as one page to look around in, and images by words or by a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import FILE, FOLDER, device_option, embedding_option, parse_clip

if TYPE_CHECKING:
    from twigma.cli.facts.analysing import ExploreFacts, SearchFacts


@click.command()
@click.argument("release", type=FOLDER, default="twigma")
@click.option(
    "--out",
    type=FILE,
    default="explore.html",
    show_default=True,
    help="File to write; an earlier explorer is replaced.",
)
@click.option(
    "--ids/--no-ids",
    default=None,
    help="Hold the ids of the images in the page, 8 bytes each.  [default: up to 200,000 images]",
)
@json_option("explore")
def explore(release: Path, out: Path, ids: bool | None) -> None:
    """Write all images of a release as a map in one HTML file.

    It opens in any browser, offline, without a graphics processor, and asks nobody for anything. Colour and filter by
    cluster, month, likes and NSFW score; draw around images and save them as a selection. It holds no pictures.

    \b
      twigma explore twigma --out explore.html
      twigma analyze twigma --select selection.json
    """
    from twigma.analysis.explorer.page import explore as run

    written = run(release, out, ids=ids)
    facts: ExploreFacts = {
        "page": str(written.path),
        "images": written.images,
        "bytes": written.bytes,
        "unplaced": written.unplaced,
        "with_ids": written.with_ids,
    }
    size = f"{written.bytes / 1e6:.1f} MB"
    lines = [f"explore: {written.images:,} images in {written.path} ({size})"]
    if written.unplaced:
        absent = f"{written.unplaced:,} images have no place on the map"
        lines.append(f"  {absent}: they are not on the page")
    if not written.with_ids:
        lines.append(
            "  it names rows of the release, not ids: --ids puts the ids into the page"
        )
    show(facts, lines)


@click.command()
@click.argument("text", required=False)
@click.option("--image", type=FILE, help="Look for images like this picture instead.")
@click.option(
    "--release",
    type=FOLDER,
    default="twigma",
    show_default=True,
    help="Release with embeddings.",
)
@click.option(
    "--most",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Images to print.",
)
@click.option(
    "--model",
    metavar="MODEL[@COMMIT]",
    help="CLIP that made the embeddings, where the release cannot say: a folder of your own.",
)
@click.option("--out", type=FILE, help="Also write the table, as CSV.")
@embedding_option
@device_option
@json_option("search")
def search(
    text: str | None,
    image: Path | None,
    release: Path,
    most: int,
    model: str | None,
    out: Path | None,
    **options: Any,
) -> None:
    """Find images by words, or by a picture.

    Every image is compared, with the CLIP that made the embeddings. The table can be taken as a selection.

    \b
      twigma search "a castle at night"
      twigma search --image castle.jpg --out castles.csv
    """
    from twigma.analysis.explorer.search import search as run

    named = None if model is None else parse_clip(model)
    found = run(
        release,
        text,
        image=image,
        most=most,
        model=None if named is None else named.model,
        pretrained=None if named is None else named.weights,
        revision=None if named is None else named.revision,
        out=out,
        **options,
    )
    rows: list[Any] = found.to_pylist()
    facts: SearchFacts = {"images": rows, "file": None if out is None else str(out)}
    lines = []
    for row in rows:
        words = " ".join(str(row.get("all_captions") or "").split())
        line = f"  {row['similarity']:.3f}  {row['image_name']}  {words}"
        lines.append(line.rstrip())
    if out is not None:
        lines.append(f"search: {len(found)} images in {out}")
    show(facts, lines)
