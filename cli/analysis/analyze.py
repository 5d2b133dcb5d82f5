"""`twigma sheets`, `label`, `analyze` and `report`: labels by people, the paper's figures, the page that shows them."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import (
    FOLDER,
    STORE_TO_READ,
    as_engine,
    embedding_option,
    engine_option,
    out_option,
    seed_option,
    select_option,
)

if TYPE_CHECKING:
    from twigma.analysis.analyze import Analysis
    from twigma.cli.facts.analysing import (
        AnalyzeFacts,
        ReportFacts,
        SheetsFacts,
        SkippedFigure,
        UsedReference,
    )


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
        from twigma.analysis.inputs.annotation_sheets import sheets as run

        count = run(release, out, annotators=annotators, images=images, seed=seed)
        facts: SheetsFacts = {
            "folder": str(out),
            "images": count,
            "annotators": annotators,
        }
        sizes = f"{count} images on each of {annotators} sheets"
        show(facts, [f"sheets: {sizes} in {out}; {out / 'key.csv'} is the key"])
        return
    from twigma.analysis.annotation.draw_sheets import draw_sheets

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
    sizes = f"{drawn.drawn:,} of {drawn.images:,} images in {out}"
    interval = f"a 95% interval of the share of ±{50 * drawn.width:.1f} points"
    lines = [
        f"sheets: {sizes}, spread over {authors}",
        f"  expected of all labels: {interval}, {drawn.basis}",
        f"  next: twigma label {out} --work WORK",
    ]
    show(facts, lines)


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


@click.command()
@click.argument("release", type=STORE_TO_READ, default="twigma")
@out_option("report", "Report to write: a new folder, or an earlier report.")
@click.option(
    "--work",
    type=STORE_TO_READ,
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
    type=click.Choice(["auto", "pca", "umap"]),
    default="auto",
    show_default=True,
    help="Map of Fig 2a; auto: UMAP where it takes 20 seconds at most, else PCA.",
)
@click.option(
    "--thorough", is_flag=True, help="Also the sensitivity checks that take minutes."
)
@click.option(
    "--sheets",
    type=FOLDER,
    help="Folder of sheets by `twigma sheets`, filled in by people.",
)
@select_option
@embedding_option
@seed_option("Seed of every draw.")
@engine_option
@json_option("analyze")
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
    facts = _analysis_facts(results, out)
    show(facts, _analysis_lines(facts))
    if failed(results):
        sys.exit(1)


def _analysis_facts(results: "Analysis", out: Path) -> "AnalyzeFacts":
    skipped: list[SkippedFigure] = []
    for entry in results["skipped"]:
        skipped.append(
            {
                "figure": entry["figure"],
                "missing": list(entry["missing"]),
                "how": list(entry["how"]),
                "error": entry.get("error"),
            }
        )
    references: list[UsedReference] = []
    for name, about in results["data"]["references"].items():
        if "licence" in about:
            origin, licence = about["origin"], about["licence"]
            references.append({"name": name, "origin": origin, "licence": licence})
    return {
        "results": str(out / "results"),
        "figures": list(results["figures"]),
        "skipped": skipped,
        "verdicts": _verdicts(results["values"]),
        "references": references,
    }


def _analysis_lines(facts: "AnalyzeFacts") -> Iterator[str]:
    folder = Path(facts["results"])
    computed, skipped = len(facts["figures"]), len(facts["skipped"])
    yield f"analyze: {computed} figures in {folder}, {skipped} skipped"
    if "paper" in facts["figures"]:
        yield f"  {_verdicts_line(facts['verdicts'])} ({folder / 'paper.csv'})"
    for reason, figures in _skipped_by_reason(facts["skipped"]).items():
        yield f"  {reason}: {', '.join(figures)}"
    for used in facts["references"]:
        origin = ", ".join(used["origin"])
        yield f"  {used['name']}: from {origin}; licence: {used['licence']}"


def _verdicts(values: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """How many of the paper's numbers agree, differ, … ."""
    counts: Counter[str] = Counter()
    for key, entry in values.items():
        if key.startswith("paper/"):
            counts[entry["verdict"]] += 1
    return dict(sorted(counts.items()))


def _verdicts_line(verdicts: Mapping[str, int]) -> str:
    """How many of the paper's numbers have each verdict, or that none can be judged.

    >>> _verdicts_line({"agrees": 2, "differs": 1, "not identifiable from this data": 5})
    "the paper's numbers beside ours: 2 agree, 1 differs, 5 not identifiable from this data"
    """
    from twigma.analysis.paper.verdicts import AGREES, DIFFERS, UNKNOWN

    if set(verdicts) <= {UNKNOWN}:
        return "the paper: none of its statements can be held against this data"
    of_several = {AGREES: "agree", DIFFERS: "differ"}
    parts = []
    for verdict, count in verdicts.items():
        word = verdict
        if count != 1:
            word = of_several.get(verdict, verdict)
        parts.append(f"{count} {word}")
    return f"the paper's numbers beside ours: {', '.join(parts)}"


def _skipped_by_reason(skipped: Sequence["SkippedFigure"]) -> dict[str, list[str]]:
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
    "--work",
    type=STORE_TO_READ,
    help="Working folder with the images, to show some of them.",
)
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="NAME[=FOLDER]",
    help="Likewise, of a reference set.",
)
@json_option("report")
def report(out: Path, work: Path | None, references: tuple[str, ...]) -> None:
    """Draw the results of analyze as one HTML page, and as files for a paper.

    OUT/figures holds every chart as SVG, PDF and CSV, with captions and methods as text. With the images, the page
    shows ten of each cluster and the most similar pairs, small and inside it; those that may be sensitive are a few
    coarse squares. Do not publish such a page unless the pictures are yours. A working folder that was published
    also gives the DOI to cite.

    \b
      twigma report report --work work --reference paintings=refs/paintings
    """
    from twigma import open_images
    from twigma.analysis.inputs.reference_sets import find_reference
    from twigma.analysis.publication import published_doi
    from twigma.analysis.report import report as run

    folders = dict(find_reference(text) for text in references)
    doi = ""
    if work is not None:
        folders["twigma"] = work
        doi = published_doi(work)
    images = {name: open_images(folder) for name, folder in folders.items()}
    page = run(out, images, doi=doi)
    figures = out / "figures"
    facts: ReportFacts = {"page": str(page), "figures": str(figures)}
    files = f"  charts, captions and methods for a paper: {figures}"
    show(facts, [f"report: {page}", files])
