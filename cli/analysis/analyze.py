"""`twigma analyze` and `report`: the paper's figures, and the page that shows them."""

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
        SkippedFigure,
        UsedReference,
    )


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
    A stopped run resumes when run again.

    The exit code is 1 where a figure fails, or cannot be computed from the sheets that --sheets names: it is reported,
    and the others are written. What an option names and cannot be read at all is refused before any figure. Figures
    whose data nobody named are skipped, and the exit code is 0.

    \b
      twigma analyze twigma --work work --reference laion --reference artbench --reference mine=elsewhere/mine
    """
    from twigma.analysis.analyze import analyze as run
    from twigma.analysis.analyze import failed
    from twigma.analysis.inputs.reference_sets import find_reference, roles
    from twigma.analysis.run_figures import unusable

    folders = dict(find_reference(text) for text in references)
    options.update(roles(folders))
    results = run(release, out, references=folders, engine=as_engine(engine), **options)
    facts = _analysis_facts(results, out)
    show(facts, _analysis_lines(facts))
    named = unusable(results["skipped"])
    if named:
        click.echo(
            f"twigma: what --sheets names could not be used for {', '.join(named)}, for the reason above; the other "
            "figures are written",
            err=True,
        )
    if failed(results) or named:
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
                "option": entry.get("option"),
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
