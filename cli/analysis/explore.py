"""`twigma explore` and `search`: a release as one page to look around in, and images by words or by a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import (
    FILE,
    STORE_TO_READ,
    device_option,
    embedding_option,
    parse_clip,
    refuse_given,
)
from twigma.core.values import size_text

if TYPE_CHECKING:
    from twigma.cli.facts.analysing import ExploreFacts, SearchFacts


@click.command()
@click.argument("release", type=STORE_TO_READ, default="twigma")
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
@click.option(
    "--before",
    type=STORE_TO_READ,
    help="An earlier release: both maps in turn, and which images are new, gone, or in another cluster.",
)
@click.option(
    "--work",
    type=STORE_TO_READ,
    help="Working folder with the images: serve the page on this machine, with pictures, in place of --out.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="With --work: port of the page; 0 is any free one.",
)
@click.option(
    "--model",
    metavar="MODEL[@COMMIT]",
    help="With --work: CLIP that made the embeddings, where the release cannot say: a folder of your own.",
)
@embedding_option
@json_option("explore")
def explore(release: Path, out: Path, ids: bool | None, **options: Any) -> None:
    """Write all images of a release as a map in one HTML file, or show them with their pictures.

    The file opens in any browser, offline, without a graphics processor, and asks nobody for anything. Colour and
    filter by cluster, month, likes and NSFW score; draw around images and save them as a selection. It holds no
    pictures, which not everybody may pass on.

    With --work it is a page on this machine that no other machine can reach, until Ctrl-C: pictures on the map and of
    the image that is clicked, its post and caption, similar images, and a search by words or by a picture. What may
    be sensitive is blurred until it is asked for.

    \b
      twigma explore twigma --out explore.html
      twigma explore twigma --work work
      twigma explore twigma --before twigma-1.0 --out update.html
      twigma analyze twigma --select selection.json
    """
    if options["work"] is None:
        why = "is of the page with pictures: name their working folder with --work"
        refuse_given(why, "port", "model")
        _write(release, out, ids, options["before"])
    else:
        refuse_given("is of a file, and --work serves a page", "out", "ids")
        _serve(release, **options)


def _write(release: Path, out: Path, ids: bool | None, before: Path | None) -> None:
    from twigma.analysis.explorer.page import explore as run

    written = run(release, out, ids=ids, before=before)
    facts: ExploreFacts = {
        "page": str(written.path),
        "images": written.images,
        "bytes": written.bytes,
        "unplaced": written.unplaced,
        "with_ids": written.with_ids,
    }
    size = size_text(written.bytes)
    lines = [f"explore: {written.images:,} images in {written.path} ({size})"]
    if written.comparison is not None:
        facts["compared"] = dict(written.comparison.counts)
        for what, images in written.comparison.counts.items():
            lines.append(f"  {images:>9,}  {what}")
    if written.unplaced:
        absent = f"{written.unplaced:,} images have no place on the map"
        lines.append(f"  {absent}: they are not on the page")
    if not written.with_ids:
        lines.append(
            "  it names rows of the release, not ids: --ids puts the ids into the page"
        )
    show(facts, lines)


def _serve(release: Path, work: Path, model: str | None, **options: Any) -> None:
    from twigma.analysis.explorer.server import ExplorerServer, serve

    named = None if model is None else parse_clip(model)
    wanted: tuple[str | None, str | None, str | None] = (None, None, None)
    if named is not None:
        wanted = named.model, named.weights, named.revision

    def announce(server: ExplorerServer) -> None:
        if server.pictures.absent:
            click.echo(f"explore: no pictures. {server.pictures.absent}")
        click.echo(f"explore: open {server.url} (Ctrl-C stops)")

    serve(release, work, model=wanted, announce=announce, **options)
    click.echo("explore: stopped")


@click.command()
@click.argument("text", required=False)
@click.option("--image", type=FILE, help="Look for images like this picture instead.")
@click.option(
    "--release",
    type=STORE_TO_READ,
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
@click.option(
    "--html",
    type=FILE,
    help="Also write the table as a page; an earlier one is replaced.",
)
@click.option(
    "--work",
    type=STORE_TO_READ,
    help="With --html: working folder with the pictures to show.",
)
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

    Every image is compared, with the CLIP that made the embeddings. The table of --out can be taken as a selection. The
    page asks for nothing and has no script; what may be sensitive is blurred until its box is ticked. With pictures it
    is not to be published, unless they are yours.

    \b
      twigma search "a castle at night"
      twigma search --image castle.jpg --out castles.csv
      twigma search "a castle at night" --html castles.html --work work
    """
    from twigma.analysis.explorer.search import search as run
    from twigma.core import columns

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
    label = columns.find_label_column(found.column_names)
    shorter = {label: "cluster"} if label else {}
    rows: list[Any] = found.rename_columns(shorter).to_pylist()
    facts: SearchFacts = {
        "images": rows,
        "file": None if out is None else str(out),
        "page": None if options["html"] is None else str(options["html"]),
    }
    lines = []
    for row in rows:
        words = " ".join(str(row.get("all_captions") or "").split())
        line = f"  {row['similarity']:.3f}  {row['image_name']}  {words}"
        lines.append(line.rstrip())
    if out is not None:
        lines.append(f"search: {len(found)} images in {out}")
    if facts["page"] is not None:
        lines.append(f"search: {len(found)} images on the page {facts['page']}")
    show(facts, lines)
