"""`twigma sheets` and `label`: labels by people, on paper or on a page."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import (
    FOLDER,
    STORE_TO_READ,
    out_option,
    refuse_given,
    seed_option,
)
from twigma.core.values import plural

if TYPE_CHECKING:
    from twigma.cli.facts.analysing import SheetsFacts


@click.command()
@click.argument("release", type=STORE_TO_READ, default="twigma")
@out_option("sheets", "Folder for the sheets and their key.")
@click.option(
    "--annotators",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Sheets to write.",
)
@click.option(
    "--images",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Random images of each cluster.",
)
@click.option(
    "--for",
    "column",
    metavar="COLUMN",
    help="Draw images to label for a model's column instead, with known probabilities: nsfw_score, a theme as "
    "label_10_cluster=4, or a score of another scale as 'NAME>5'.",
)
@click.option(
    "--n",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="With --for: images to draw.",
)
@click.option(
    "--width",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="With --for: as many images as give a 95% interval of the share this wide (0.04 is ±2 points).",
)
@click.option(
    "--pilot",
    type=FOLDER,
    help="With --width: an earlier folder of labels to plan by, in place of an assumed accuracy.",
)
@click.option(
    "--question",
    help="With --for: what people answer with yes or no; NSFW columns have one.",
)
@click.option(
    "--work",
    type=STORE_TO_READ,
    help="With --for: working folder with the authors, along which images are spread.",
)
@seed_option("Seed of the draw.")
@json_option("sheets")
def sheets(
    release: Path,
    out: Path,
    annotators: int,
    images: int,
    column: str | None,
    seed: int,
    **drawing: Any,
) -> None:
    """Write blank sheets for people to annotate.

    A row an image, in random order, without its cluster. Each annotator writes up to three keywords, and a group: any
    name, the same for images that belong together. Do not show key.csv to them.

    With --for, images are drawn to correct what a model says: more of those that it scores high, spread over authors,
    each with a known probability. `twigma label` shows the pictures. It says beforehand how wide the interval will be.

    \b
      twigma sheets twigma --out sheets
      twigma sheets twigma --for nsfw_score --work work --out labels
      twigma sheets twigma --for label_10_cluster=4 --question "Does it show a person?" --out people
      twigma analyze twigma --sheets sheets
    """
    if column is None:
        why = "is of images to label for a column: name it with --for"
        refuse_given(why, "n", "width", "pilot", "question", "work")
        from twigma.analysis.inputs.annotation_sheets import sheets as run

        count = run(release, out, annotators=annotators, images=images, seed=seed)
        facts: SheetsFacts = {
            "folder": str(out),
            "images": count,
            "annotators": annotators,
        }
        each = plural(annotators, "sheet")
        sizes = f"{plural(count, 'image')} on each of {each}"
        show(facts, [f"sheets: {sizes} in {out}; {out / 'key.csv'} is the key"])
        return
    refuse_given("is of each cluster; with --for, --n says how many", "images")
    from twigma.analysis.annotation.draw_sheets import draw_sheets
    from twigma.analysis.inference.blocks import FEWEST as AUTHORS
    from twigma.analysis.measurement.estimates import FEWEST

    drawn = draw_sheets(
        release, out, column=column, annotators=annotators, seed=seed, **drawing
    )
    facts = {
        "folder": str(out),
        "images": drawn.drawn,
        "annotators": annotators,
        "of": drawn.images,
        "blocks": drawn.authors,
        "width": drawn.width,
        "basis": drawn.basis,
    }
    authors = "authors"
    if drawn.authors == "id":
        authors = "posts; --work spreads them over authors"
    sizes = f"{drawn.drawn:,} of {plural(drawn.images, 'image')} in {out}"
    least = f"{FEWEST} answers yes and {FEWEST} no"
    expected = f"a share without an interval, which needs at least {least}, of {AUTHORS} authors or more"
    if drawn.width is not None:
        interval = f"a 95% interval of the share of ±{50 * drawn.width:.1f} points"
        expected = f"{interval}, {drawn.basis}; it needs at least {least}"
    lines = [
        f"sheets: {sizes}, spread over {authors}",
        f"  expected of all labels: {expected}",
        f"  next: twigma label {shlex.quote(str(out))} --work {_quoted(drawing['work'])}",
    ]
    show(facts, lines)


def _quoted(work: Path | None) -> str:
    """A working folder as it is typed; WORK where none was named."""
    return "WORK" if work is None else shlex.quote(str(work))


@click.command()
@click.argument("folder", type=FOLDER, metavar="FOLDER", default="sheets")
@click.option(
    "--work",
    type=STORE_TO_READ,
    default="work",
    show_default=True,
    help="Working folder with the images.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port of the page; 0 is any free one.",
)
def label(folder: Path, work: Path, port: int) -> None:
    """Show people the pictures of a folder of `sheets --for`, and store their labels.

    Prints the address of a page on this machine that no other machine can reach; open it whole, it holds a token. Keys
    1 (yes), 2 (no), 0 (cannot tell) and u (undo); what may be sensitive is blurred until it is clicked. Each label is
    stored at once; stopped at any moment (Ctrl-C), it resumes. Several people label under their own names.

    \b
      twigma label labels --work work
      twigma analyze twigma --sheets labels --work work
    """
    from twigma import open_images
    from twigma.analysis.annotation.label_server import serve

    def announce(url: str) -> None:
        click.echo(f"label: open {url} (Ctrl-C stops; labels are stored in {folder})")

    serve(folder, open_images(work), port=port, announce=announce)
