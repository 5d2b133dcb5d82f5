"""Numbered captions of the charts, and the tables behind them, for a paper.

A chart of a figure of the paper has that figure's number ("Figure 2c"), every other one a number of its own, in the
order of the report ("Figure S1").
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from twigma.analysis.page.formatting import clean
from twigma.analysis.page.section import Section, Tables
from twigma.analysis.publication.charts import Chart
from twigma.analysis.publication.column_meanings import meaning

PAPER = re.compile(
    r"Fig (\d[a-z])"
)  # what a section of one figure of the paper is called
FIGURE = re.compile(r"^fig\d[a-z]*_")  # as names of tables begin
MOST_ROWS = 100_000  # of a CSV, as in the folder of results
LONGEST = 1_200  # characters of a sentence


@dataclass(frozen=True)
class Published:
    """A chart with its number, its caption, and the tables it shows by the name of their CSV."""

    number: str  # "2c" or "S1"
    section: Section
    chart: Chart
    csv: dict[str, str] = field(default_factory=dict)  # tables by file name
    parquet: tuple[str, ...] = ()  # tables too long for one

    @property
    def label(self) -> str:
        """As a caption begins: "Figure 2c"."""
        return f"Figure {self.number}"

    @property
    def stem(self) -> str:
        """Of its files: "figure-2c"."""
        return f"figure-{self.number.lower()}"

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """Format, and of several tables also which, and file name of each of its files."""
        tables = []
        for name in self.csv:
            part = name.removeprefix(self.stem).removesuffix(".csv")
            tables.append((f"CSV {part.strip('-')}".strip(), name))
        return (("SVG", f"{self.stem}.svg"), ("PDF", f"{self.stem}.pdf"), *tables)


def publish(
    drawn: Sequence[tuple[Section, Chart | None]], tables: Tables
) -> list[Published | None]:
    """The charts of the sections with their numbers and CSV files; None for a section without a chart.

    Parameters
    ----------
    drawn : every section of a report, in its order, with its chart.
    tables : by name, a row an estimate.
    """
    taken: set[str] = set()
    published: list[Published | None] = []
    for section, chart in drawn:
        if chart is None:
            published.append(None)
            continue
        number = _number(section.figure, taken)
        taken.add(number)
        csv, parquet = _files(f"figure-{number.lower()}", chart, tables)
        published.append(Published(number, section, chart, csv, parquet))
    return published


def _number(figure: str, taken: set[str]) -> str:
    """The number of the paper's figure where the chart is the first of it, else the next of our own."""
    stated = PAPER.fullmatch(figure)
    if stated is not None and stated[1] not in taken:
        return stated[1]
    ours = [number for number in taken if number.startswith("S")]
    return f"S{len(ours) + 1}"


def _files(
    stem: str, chart: Chart, tables: Tables
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Names of the CSV files with their tables, and tables that have too many rows for one."""
    parquet = [name for name in chart.tables if len(tables[name]) > MOST_ROWS]
    short = [name for name in chart.tables if name not in parquet]
    if len(short) == 1:
        return {f"{stem}.csv": short[0]}, tuple(parquet)
    csv = {f"{stem}-{_plain(name)}.csv": name for name in short}
    return csv, tuple(parquet)


def _plain(name: str) -> str:
    """The name of a table in that of a file, without the figure that the file is named by."""
    part = FIGURE.sub("", name.lower())
    return re.sub(r"[^a-z0-9]+", "-", part).strip("-")


# ------------------------------------------------------------------ in words


def caption(published: Published) -> str:
    """Number, title, what is drawn, what it rests on and, of other figures than the paper's, that they are ours."""
    section = published.section
    parts = [f"{published.label}. {sentence(section.title)}"]
    parts += [sentence(section.alt), sentence(f"Based on {section.basis}")]
    if published.number.startswith("S"):
        parts.append("This figure is not in the paper in this form.")
    return " ".join(part for part in parts if part)


def describe_tables(published: Published, tables: Tables) -> list[str]:
    """A sentence for each table of a chart: its file, and what each of its columns is."""
    sentences = []
    for file, name in published.csv.items():
        rows = f"{len(tables[name]):,} rows"
        columns = _columns(name, tables[name].columns)
        sentences.append(f"`{file}` ({rows}): {columns}.")
    for name in published.parquet:
        columns = _columns(name, tables[name].columns)
        rows = f"{len(tables[name]):,} rows, too many for a spreadsheet"
        sentences.append(f"`../results/{name}.parquet` ({rows}): {columns}.")
    return sentences


def captions_text(charts: Iterable[Published], tables: Tables) -> str:
    """The captions of all charts with their files and columns, as Markdown."""
    paragraphs = ["# Captions"]
    for published in charts:
        text = caption(published).removeprefix(f"{published.label}.")
        paragraphs.append(f"**{published.label}.**{text}")
        files = [
            f"`{name}`" for _, name in published.files if name not in published.csv
        ]
        lines = [f"- Pictures: {' and '.join(files)}."]
        for line in describe_tables(published, tables):
            lines.append(f"- Numbers: {line}")
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs) + "\n"


def sentence(text: str) -> str:
    """Text that begins with a capital and ends with a full stop, on one line; empty for none.

    >>> sentence("600 images of each set; no interval."), sentence("the map"), sentence("")
    ('600 images of each set; no interval.', 'The map.', '')
    """
    line = clean(text, LONGEST)
    if not line:
        return ""
    if line[-1] not in ".?!…":
        line += "."
    return line[0].upper() + line[1:]


def _columns(table: str, names: Iterable[object]) -> str:
    described = [f"{clean(name)}, {meaning(table, str(name))}" for name in names]
    return "; ".join(described)
