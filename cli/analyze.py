"""`twigma sheets`, `analyze` and `report`: the paper's figures from a release, and the page that shows them."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from twigma.cli.options import (
    FOLDER,
    as_engine,
    engine_option,
    out_option,
    seed_option,
)


@click.command()
@click.argument("release", type=FOLDER, default="twigma")
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
def sheets(release: Path, out: Path, annotators: int, images: int) -> None:
    """Write blank sheets for people to annotate.

    A row an image, in random order, without its cluster. Each annotator writes up to three keywords, and a group: any
    name, the same for images that belong together. Do not show key.csv to them.

    \b
      twigma sheets twigma --out sheets
      twigma analyze twigma --sheets sheets
    """
    from twigma.analysis.inputs.annotation_sheets import sheets as run

    count = run(release, out, annotators=annotators, images=images)
    click.echo(
        f"sheets: {count} images on each of {annotators} sheets in {out}; {out / 'key.csv'} is the key"
    )


@click.command()
@click.argument("release", type=FOLDER, default="twigma")
@out_option("report", "Report to write: a new folder, or an earlier report.")
@click.option(
    "--work",
    type=FOLDER,
    help="Working folder with the private columns that some figures need.",
)
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="NAME[=FOLDER]",
    help="Set to compare with, in refs/NAME or FOLDER; photographs, paintings and prompts play the paper's roles.",
)
@click.option(
    "--projection",
    type=click.Choice(["pca", "umap"]),
    default="pca",
    show_default=True,
    help="Map of Fig 2a.",
)
@click.option(
    "--thorough", is_flag=True, help="Also the sensitivity checks that take minutes."
)
@click.option(
    "--sheets",
    type=FOLDER,
    help="Folder of sheets by `twigma sheets`, filled in by people.",
)
@seed_option("Seed of every draw.")
@engine_option
def analyze(
    release: Path,
    out: Path,
    references: tuple[str, ...],
    engine: str,
    **options: Any,
) -> None:
    """Compute the paper's figures as tables.

    With intervals; each figure whose columns are there. At the paper's size most of the time goes into the exact search
    for nearest neighbours (Fig 2d, 4e), which uses a GPU where there is one; --engine ray spreads it over a cluster.
    A figure that fails costs no other: it is named, and the exit code is 1. A stopped run resumes when run again.

    \b
      twigma analyze twigma --work work --reference laion --reference artbench --reference mine=elsewhere/mine
    """
    from twigma.analysis.analyze import analyze as run
    from twigma.analysis.analyze import failed
    from twigma.analysis.inputs.reference_sets import find_reference, roles

    folders = dict(find_reference(text) for text in references)
    options.update(roles(folders))
    results = run(release, out, references=folders, engine=as_engine(engine), **options)
    computed, skipped = len(results["figures"]), len(results["skipped"])
    click.echo(f"analyze: {computed} figures in {out / 'results'}, {skipped} skipped")
    if "paper" in results["figures"]:
        verdicts = ", ".join(_verdicts(results["values"]))
        table = out / "results" / "paper.csv"
        click.echo(f"  the paper's numbers beside ours: {verdicts} ({table})")
    for reason, figures in _skipped_by_reason(results["skipped"]).items():
        click.echo(f"  {reason}: {', '.join(figures)}")
    for name, about in results["data"]["references"].items():
        if "licence" in about:
            origin = ", ".join(about["origin"])
            click.echo(f"  {name}: from {origin}; licence: {about['licence']}")
    if failed(results):
        sys.exit(1)


def _verdicts(values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """How many of the paper's numbers agree, differ, … : `12 agrees`."""
    counts: Counter[str] = Counter()
    for key, entry in values.items():
        if key.startswith("paper/"):
            counts[entry["verdict"]] += 1
    return [f"{count} {verdict}" for verdict, count in sorted(counts.items())]


def _skipped_by_reason(
    skipped: Sequence[Mapping[str, Any]],
) -> dict[str, list[str]]:
    """The figures that each missing input prevents, by what is missing and how to get it."""
    figures: dict[str, list[str]] = {}
    for entry in skipped:
        missing = entry["missing"] or [""]
        for name, how in zip(missing, entry["how"], strict=True):
            reason = f"{name} ({how})" if name else how
            figures.setdefault(reason, []).append(entry["figure"])
    return figures


@click.command()
@click.argument("out", type=FOLDER, default="report")
@click.option(
    "--work", type=FOLDER, help="Working folder with the images, to show some of them."
)
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="NAME[=FOLDER]",
    help="Likewise, of a reference set.",
)
def report(out: Path, work: Path | None, references: tuple[str, ...]) -> None:
    """Draw the results of analyze as one HTML page.

    With the images, it shows ten of each cluster and the most similar pairs, small and inside the page; those that may
    be sensitive are a few coarse squares. Do not publish such a page: the pictures are other people's.

    \b
      twigma report report --work work --reference paintings=refs/paintings
    """
    from twigma import open_images
    from twigma.analysis.inputs.reference_sets import find_reference
    from twigma.analysis.report import report as run

    folders = dict(find_reference(text) for text in references)
    if work is not None:
        folders["twigma"] = work
    images = {name: open_images(folder) for name, folder in folders.items()}
    click.echo(f"report: {run(out, images)}")
