"""What the report is made of: a `Figure` needs data and computes, a `Chapter` draws and describes it.

`fig2_sets.py` shows both for a group of figures. To add a figure, write such a module and put its chapter into
`CHAPTERS` of this folder's `__init__.py`: `twigma analyze` and `twigma report` need no other change.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twigma.analysis.inference import sample_weights
from twigma.analysis.inputs.load import Images, Inputs
from twigma.analysis.inputs.requirements import Result, Settings
from twigma.analysis.page.formatting import clean
from twigma.analysis.page.section import Results, Section

if TYPE_CHECKING:
    from twigma.analysis.page.drawing import Draw

ROLES = ("photographs", "paintings")  # that a figure is computed for, one by one


@dataclass(frozen=True)
class Figure:
    """One analysis: how it is computed, and what it cannot do without (`inputs.requirements`).

    `parts` are further results of the same function, by name, each with what it needs beside `needs`; where that is
    missing, the rest is computed and the part is reported as skipped.
    """

    name: str  # in results.json
    run: Callable[[Inputs, Settings], Result]
    needs: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by_owners: bool = (
        True  # whether its intervals take images by author, artist or prompt
    )


@dataclass(frozen=True)
class Chapter:
    """One section of the report: its words, its chart, and the figures whose results it is written from.

    It appears when at least one of `figures` has results. `details` are figures whose tables it adds where they have
    results too.
    """

    describe: Callable[[Results], Section]
    figures: tuple[Figure, ...]
    details: tuple[Figure, ...] = ()
    draw: "Draw | None" = None

    def section(self, results: Results) -> Section | None:
        """The section without its chart, which `report.py` draws; None without results."""
        if not any(figure.name in results.figures for figure in self.figures):
            return None
        return self.describe(results)

    def notes(self, results: Results) -> list[str]:
        """What the estimators behind this section warned of."""
        notes: list[str] = []
        for figure in (*self.figures, *self.details):
            if figure.name in results.figures:
                notes.extend(results.figures[figure.name]["notes"])
        return notes


def set_name(results: Results, role: str) -> str:
    """The name of the reference set that plays a role, by any table of a comparison with it."""
    for figure in ("fig2d", "eq1", "fig4e"):
        table = results.tables.get(f"{figure}_{role}")
        if table is not None:
            return clean(table["set"].iloc[0])
    return role


def weighting_notes(images: Images, *, of_totals: bool = False) -> tuple[str, ...]:
    """Notes that images were weighted, as a sample or for lost posts; empty where they were not."""
    return sample_weights.notes(images.table, of_totals=of_totals)


def thinning_notes(images: Images) -> tuple[str, ...]:
    """Likewise for measures without a weighted form: how many images were drawn by their weights instead."""
    weights = images.weights()
    if weights is None:
        return ()
    total = len(images.rows)
    drawn = len(images.thinned(images.rows))
    reasons = []
    for note in sample_weights.notes(images.table):
        # "Weighted by sample_weight: each post …" gives "Each post …".
        _, _, reason = note.partition(":")
        reasons.append(reason.strip().capitalize())
    trimming = sample_weights.trimming_note(weights)
    if trimming:
        reasons.append(trimming)
    return (
        f"Of {total:,} images {drawn:,} were drawn by their weights, so that all of the list count the same. "
        + " ".join(reasons),
    )
