"""The report: one HTML file with every figure and table that `analyze` computed; `twigma report OUT` writes it.

The page asks nobody for anything: charts are pictures inside it, it has no script, and its content security policy
forbids both. Beside it, `OUT/figures` has the charts as files for a paper, their captions and the methods. Equal
results give equal bytes. Our own results come first; the paper's statements are summed up on top where the data is
TWIGMA, and listed at the end.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from twigma.analysis.analyze import REVISION
from twigma.analysis.figures import CHAPTERS, Chapter
from twigma.analysis.inputs.load import OURS
from twigma.analysis.inputs.reference_sets import ROLES
from twigma.analysis.page import data_summary
from twigma.analysis.page.formatting import clean, number
from twigma.analysis.page.section import Pictures, Results, Section, Tables
from twigma.analysis.paper import comparison, stated
from twigma.analysis.paper.provenance import is_twigma
from twigma.analysis.publication.captions import Published, publish
from twigma.analysis.publication.charts import Chart, draw_chart
from twigma.analysis.publication.citation import citations, dataset_doi
from twigma.analysis.publication.folder import FOLDER, write_figures
from twigma.analysis.publication.methods import methods_text
from twigma.analysis.tables.long_table import LongTable, stored_long_table
from twigma.core.files import atomic
from twigma.core.safety import owned_folders

TEMPLATES = Path(__file__).parent / "page"
LONGEST_NOTE = 400  # characters
# Of the paper's data, beside ours.
PAPERS_DATA = (
    number(stated.IMAGES),
    number(stated.POSTS),
    f"{stated.FIRST_MONTH} to {stated.LAST_MONTH}",
    number(stated.IMAGES),
    "LAION, ArtBench and DiffusionDB",
)


@dataclass(frozen=True)
class Part:
    """One section of the page, the notes below it, and its chart with number and files where it has one."""

    section: Section
    notes: list[str]
    published: Published | None = None

    @property
    def is_paper(self) -> bool:
        """Whether it lists the paper's statements."""
        return self.section.figure == comparison.FIGURE


def report(out: Path, pictures: Mapping[str, Pictures] = {}, *, doi: str = "") -> Path:
    """Write `out/index.html` and `out/figures/` from `out/results.json` and `out/results/`; the path of the page.

    Parameters
    ----------
    pictures : images by `image_name`, such as `twigma.open_images(WORK)`, of "twigma" and of reference sets by the
        name they were analysed under; the page then shows small pictures of Fig 4c and 4e.
    doi : of the dataset, for its citation; without one, that of the record which the data is from.

    Raises
    ------
    FileNotFoundError when the analyses have not run, ValueError when results.json is damaged, not theirs, or of another
    version of them, FileExistsError when a file in `out/figures` would be overwritten that is not of a report.
    """
    path = out / "results.json"
    if not path.exists():
        raise FileNotFoundError(f"no results at {path}: `twigma analyze` computes them")
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}): run `twigma analyze` again"
        ) from None
    if not owned_folders.is_report(content):
        raise ValueError(
            f"{path} is not of `twigma analyze`: nothing is written there; name a report"
        )
    if content["made_from"]["analysis"] != REVISION:
        raise ValueError(
            f"{path} is of another version of the analyses: run `twigma analyze` again"
        )
    tables, long = _tables(out, content)
    doi = doi or dataset_doi(content["data"])
    settings = content["made_from"]["settings"]
    shown = _by_role(settings, pictures)
    results = Results(tables, content["values"], content["figures"], shown, long)
    parts = _parts(results, is_twigma(content["data"].get("identity")))
    sections = [(part.section, part.published) for part in parts]
    methods = methods_text(content, sections, doi)
    charts = [part.published for part in parts if part.published is not None]
    write_figures(out, charts, tables, methods)
    page = out / "index.html"
    with atomic(page) as partial:
        partial.write_text(render(content, results, parts, methods, doi), "utf-8")
    return page


def render(
    content: Mapping[str, Any],
    results: Results,
    parts: Sequence[Part],
    methods: str,
    doi: str = "",
) -> str:
    """The page as HTML.

    Parameters
    ----------
    content : what results.json holds.
    methods : Markdown.
    doi : of the dataset.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    identity = content["data"].get("identity")
    ours = is_twigma(identity)
    template = environment.get_template("report.html.j2")
    rows = data_summary.summary(content["data"])
    return template.render(
        **data_summary.heading(identity),
        is_twigma=ours,
        summary=[(*row, paper) for row, paper in zip(rows, PAPERS_DATA, strict=True)],
        overview=comparison.overview(results) if ours else None,
        other_dataset=_other_dataset(identity, parts),
        parts=parts,
        skipped=[_clean_entry(entry) for entry in content["skipped"]],
        sources=data_summary.sources(content),
        citations=citations(content["data"], doi),
        methods=methods,
        figures=FOLDER,
    )


# ------------------------------------------------------------------ read


def _tables(
    out: Path, content: Mapping[str, Any]
) -> tuple[dict[str, pd.DataFrame], dict[str, LongTable]]:
    """Every table of the results, by file name; those with a row an image are not in memory."""
    tables, long = {}, {}
    for figure in content["figures"].values():
        for name in figure["tables"]:
            path = out / "results" / f"{name}.parquet"
            rows = stored_long_table(path)
            if rows is None:
                tables[name] = pd.read_parquet(path)
            else:
                long[name] = rows
    return tables, long


def _by_role(
    settings: Mapping[str, Any], pictures: Mapping[str, Pictures]
) -> dict[str, Pictures]:
    """Pictures of ours, and of each role that a reference set plays."""
    by_role = {}
    for role in ROLES:
        name = str(settings.get(role))
        if name in pictures:
            by_role[role] = pictures[name]
    if OURS in pictures:
        by_role[OURS] = pictures[OURS]
    return by_role


# ------------------------------------------------------------------ sections


def _parts(results: Results, is_twigma: bool) -> list[Part]:
    """The sections that have results, in the order of the page, each with its notes and its chart.

    What the paper states comes after our own results; of a dataset that is not TWIGMA only what can be compared.
    """
    drawn: list[tuple[Section, Chart | None]] = []
    notes = []
    for chapter in CHAPTERS:
        section = chapter.section(results)
        if section is not None:
            drawn.append((section, _chart(chapter, results.tables)))
            notes.append(_clean_notes(chapter.notes(results)))
    parts = []
    published = publish(drawn, results.tables)
    for (section, _), noted, chart in zip(drawn, notes, published, strict=True):
        address = "" if chart is None else chart.chart.address
        parts.append(Part(replace(section, chart=address), noted, chart))
    return [*parts, *_paper(results, is_twigma)]


def _chart(chapter: Chapter, tables: Tables) -> Chart | None:
    if chapter.draw is None:
        return None
    return draw_chart(chapter.draw, tables)


def _paper(results: Results, is_twigma: bool) -> list[Part]:
    """The section on the paper's statements, where there is one."""
    if comparison.NAME not in results.figures:
        return []
    section = comparison.describe_other_dataset(results)
    if is_twigma:
        section = comparison.describe_comparison(results)
    if section is None:
        return []
    return [Part(section, _clean_notes(results.figures[comparison.NAME]["notes"]))]


def _clean_notes(notes: Iterable[str]) -> list[str]:
    """Notes without repetitions."""
    return list(dict.fromkeys(clean(note, LONGEST_NOTE) for note in notes))


def _clean_entry(entry: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """What was skipped, with texts that are safe to look at."""
    return {
        "figure": clean(entry["figure"], LONGEST_NOTE),
        "missing": [clean(text, LONGEST_NOTE) for text in entry["missing"]],
        "how": [clean(text, LONGEST_NOTE) for text in entry["how"]],
    }


def _other_dataset(identity: Mapping[str, Any] | None, parts: Sequence[Part]) -> str:
    """What of the paper is on the page, where the data is not TWIGMA."""
    about = "The paper is about another dataset, TWIGMA"
    if identity is None:
        about = "Nothing says that this data is TWIGMA, which the paper is about"
    if any(part.is_paper for part in parts):
        return f"{about}: of its statements, those that this data can be held against are at the end."
    return f"{about}: none of its statements can be held against this data."
