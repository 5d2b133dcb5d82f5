"""One figure of the paper in a notebook: `twigma.analysis.figure` computes it, prints it and draws it.

It runs what `twigma analyze` runs, and its words and chart are those of the report.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from twigma.analysis.analyze import plain_json
from twigma.analysis.figures import CHAPTERS, FIGURES, Chapter, Figure
from twigma.analysis.inputs import load, text_embeddings
from twigma.analysis.inputs.reference_sets import roles
from twigma.analysis.inputs.requirements import Result, Settings
from twigma.analysis.page.section import FigureFacts, Results
from twigma.analysis.run_figures import compute
from twigma.core.workspace import AnyWorkspace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase


@dataclass(frozen=True, repr=False)
class FigureResult:
    """A figure that was computed: tables, sentences of the report, and its chart."""

    name: str
    tables: Mapping[str, pd.DataFrame]  # tidy, by the name of their file in a report
    values: Mapping[str, Mapping[str, Any]]  # its numbers by key
    text: str
    notes: tuple[str, ...]  # what the estimators warned of
    chapters: tuple[Chapter, ...]

    @property
    def table(self) -> pd.DataFrame:
        """The first, and mostly the only one, of the tables: tidy, one row an estimate."""
        return next(iter(self.tables.values()))

    def __repr__(self) -> str:
        return f"{self.name}: {self.text}"

    def plot(self, ax: "Axes | None" = None) -> "FigureBase":
        """Draw the report's chart, and return the Matplotlib figure that holds it.

        Parameters
        ----------
        ax : axes to draw into; a chart of several panels takes their place, as a sub-figure. None for a new figure.

        Returns
        -------
        Figure or SubFigure. ValueError where the report has no chart of this figure, and where several panels are to
        take the place of axes that are in no grid.
        """
        import matplotlib as mpl

        from twigma.analysis.page.drawing import STYLE

        draws = [chapter.draw for chapter in self.chapters if chapter.draw is not None]
        if not draws:
            raise ValueError(f"{self.name} has no chart; its numbers are in `.table`")
        with mpl.rc_context(STYLE):
            return draws[0](self.tables, ax)


def figure(
    name: str,
    release: str | os.PathLike[str],
    *,
    work: AnyWorkspace | None = None,
    references: Mapping[str, AnyWorkspace] = {},
    sheets: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> FigureResult:
    """Compute one figure of a release, as `twigma analyze` does.

    Parameters
    ----------
    name : "fig1b", "fig2c", "eq1_photographs", …; the ValueError for an unknown one lists them all.
    release : folder of a release.
    work : its working folder, for the private columns (author_id, follower_count, text) and embedded texts.
    references : folders of reference sets by name. Which plays the role of photographs, paintings or prompts is in
        their `reference.json`, or set by `photographs="laion"` and the like.
    sheets : folder of filled annotation sheets.
    settings : of `inputs.requirements.Settings`: photographs, paintings, prompts, projection, thorough, seed.

    Returns
    -------
    FigureResult with `.table` (DataFrame), `.text` and `.plot(ax=None)`.

    Raises
    ------
    ValueError when data that the figure needs is missing, with the way to get it.

    >>> kl = figure("fig2c", "twigma", references={"laion": "refs/laion"})      # doctest: +SKIP
    >>> kl.table[["row", "column", "kl", "low", "high"]]                        # doctest: +SKIP
    >>> kl.plot()                                                               # doctest: +SKIP
    """
    chosen = _figure_named(name)
    folders = {key: Path(folder) for key, folder in references.items()}
    roles_of_sets: dict[str, Any] = dict(roles(folders))
    options = Settings(**{**roles_of_sets, **settings})
    texts = text_embeddings.read_texts(work, folders)
    sheets = None if sheets is None else Path(sheets)
    data = replace(load.load(Path(release), work, folders, sheets), texts=texts)
    result, skipped = compute(chosen, data, options)
    if result is None:
        needs = "; ".join(
            f"{' and '.join(entry['missing']) or 'data'}: {', '.join(entry['how'])}"
            for entry in skipped
        )
        raise ValueError(f"{name} cannot be computed. It needs {needs}")
    chapters = tuple(chapter for chapter in CHAPTERS if chosen in chapter.figures)
    long = {key: rows.to_pandas() for key, rows in result.long.items()}
    return FigureResult(
        name=name,
        tables={**result.tables, **long},
        values=result.values,
        text=_text(name, result, chapters),
        notes=result.notes,
        chapters=chapters,
    )


def _figure_named(name: str) -> Figure:
    for each in FIGURES:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in FIGURES)
    raise ValueError(f"no figure {name!r}; there are {known}")


def _text(name: str, result: Result, chapters: tuple[Chapter, ...]) -> str:
    """What the report claims from this figure."""
    facts: FigureFacts = {
        "n": result.n,
        "tables": result.table_names(),
        "values": list(result.values),
        "notes": list(result.notes),
    }
    values = plain_json(result.values)
    results = Results(result.tables, values, {name: facts}, long=result.long)
    return " ".join(chapter.describe(results).claim for chapter in chapters)
