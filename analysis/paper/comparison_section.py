"""What the report says first: every number of the paper beside ours, and a verdict; `twigma report` prints it."""

from typing import Any

from twigma.analysis.page.formatting import interval, listed, number, table
from twigma.analysis.page.section import Results, Section, records
from twigma.analysis.paper.verdicts import AGREES, DIFFERS, UNKNOWN


def box(found: Results) -> Section:
    """Paper-in-a-box."""
    rows = records(found.tables["paper"])
    count = {
        verdict: sum(r.verdict == verdict for r in rows)
        for verdict in (AGREES, DIFFERS, UNKNOWN)
    }
    apart = listed([f"{r.figure} {r.quantity}" for r in rows if r.verdict == DIFFERS])
    which = f" Apart: {apart}." if count[DIFFERS] else ""
    header = ("Figure", "Quantity", "Paper", "Ours [95%]", "n", "Verdict", "Why")
    return Section(
        "The paper",
        "Its numbers beside ours",
        f"Of {len(rows)} numbers the paper states, {count[AGREES]} agree with ours, {count[DIFFERS]} differ, and "
        f"{count[UNKNOWN]} cannot be told from this data.{which}",
        "the 95% intervals of the figures below, by author where authors are known.",
        "Numbers of the text and of Fig 2d; what it only draws is not listed. Its references are LAION, ArtBench and "
        "DiffusionDB; here the sets that were given play their roles.",
        "“Agrees”: apart by no more than rounding and both 95% intervals allow, or of the stated sign beyond chance. "
        "“Differs”: by more, even with the standard error that the paper's own figures imply. Else this data cannot "
        "say: something is missing, or the paper's interval, which takes images as independent, is too narrow.",
        tables=(
            table("Every number the paper states", header, [_cells(r) for r in rows]),
        ),
    )


def _cells(row: Any) -> list[Any]:
    n = None if row.n is None or row.n != row.n else number(int(row.n))
    return [
        row.figure,
        row.quantity,
        row.stated,
        interval(row.ours, row.low, row.high),
        n,
        row.verdict,
        row.reason,
    ]
