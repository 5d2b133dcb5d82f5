"""Paper-in-a-box: every number and direction the paper states beside ours, from the results of all other figures.

`twigma analyze` computes it last. `twigma report` prints its summary first where the data is TWIGMA, and what can be
compared at the end where it is another dataset.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa

from twigma.analysis.inputs import load
from twigma.analysis.inputs.annotation_sheets import filled_sheets
from twigma.analysis.inputs.requirements import Entry, Result, Settings, Skipped
from twigma.analysis.page.formatting import (
    GAP,
    Cell,
    Table,
    interval,
    number,
    plural,
    table,
)
from twigma.analysis.page.section import Results, Section, records
from twigma.analysis.paper import own_numbers
from twigma.analysis.paper.claim import Claim
from twigma.analysis.paper.claims import claims
from twigma.analysis.paper.measured import verdicts
from twigma.analysis.paper.provenance import (
    NOT_TWIGMA,
    PAIR,
    is_twigma,
    other_sets,
    why_other_labels,
)
from twigma.analysis.paper.verdicts import AGREES, DIFFERS, UNKNOWN
from twigma.core.files import read_parquet
from twigma.core.names import join_names
from twigma.core.safety.failures import DataError

NAME = "paper"  # of these results, as of a figure
FIGURE = "The paper"  # of the section, as of a figure
HEADER = ("Where", "The paper says", "Paper", "Ours [95%]", "n", "Verdict", "Why")
SHOWN = 4  # statements that differ, in a sentence
# How a verdict stands out; the page draws an icon for each.
MARKS = {AGREES: "agrees", DIFFERS: "differs", UNKNOWN: "unknown"}
WORDS = {
    "agrees": "agree with ours",
    "differs": "differ",
    "unknown": "are not identifiable from this data",
}
RULE = (
    "“Agrees”: all of our 95% interval lies within a tenth of the paper's number (0.05 for correlations), or excludes "
    "the opposite of the stated direction, so that it could have contradicted the paper and does not. “Differs”: apart "
    "by more than both intervals allow, even with the standard error that the paper's own figures imply. Else it is "
    "not identifiable from this data: something is missing, an interval is too wide, or a number is made by the method."
)

# ------------------------------------------------------------------ computed


def paper_box(
    data: load.Inputs,
    settings: Settings,
    results: Mapping[str, Result],
    skipped: Sequence[Skipped],
) -> Result:
    """Our numbers beside the paper's; those of TWIGMA, and of each reference set, are judged only of that data.

    Table: `paper`, a row per number or direction the paper states (`measured.verdicts`). Values:
    `paper/FIGURE/QUANTITY`, its rows.
    """
    names = {
        "photographs": settings.photographs,
        "paintings": settings.paintings,
        "prompts": settings.prompts,
        "twigma": data.images.name,
    }
    ours = _own_numbers(data, results)
    for result in results.values():
        ours |= result.values
    other_labels = why_other_labels(
        data.manifest, data.images.table, _published_labels(data)
    )
    listed_claims = claims(names, other_labels)
    if not _is_twigma(data):
        listed_claims = [_of_twigma_alone(claim) for claim in listed_claims]
    others = other_sets(data, settings)
    listed_claims = [_of_other_sets(claim, others) for claim in listed_claims]
    judged = verdicts(listed_claims, ours, _reasons(skipped))
    values = {}
    for row in judged.to_dict("records"):
        values[f"paper/{row['figure']}/{row['quantity']}"] = _entry(row)
    return Result(len(judged), {"paper": judged}, values)


def _is_twigma(data: load.Inputs) -> bool:
    """Whether the data says that it is TWIGMA."""
    return data.identity is not None and is_twigma(data.identity.to_json())


def _of_twigma_alone(claim: Claim) -> Claim:
    """A claim as it is about another dataset: none of these can be held against a count."""
    if claim.kind != "count":
        return claim
    return replace(claim, kind="none", why=NOT_TWIGMA)


def _of_other_sets(claim: Claim, others: Mapping[str, str]) -> Claim:
    """A claim, or that it is about reference sets other than those that were compared with."""
    reasons = [others[role] for role in claim.roles if role in others]
    if claim.kind == "none" or not reasons:
        return claim
    return replace(claim, kind="none", why="; ".join(reasons))


def _published_labels(data: load.Inputs) -> pa.Table | None:
    """The names and labels of the authors' table, where it is in the cache or beside the data."""
    if data.published is None:
        return None
    return read_parquet(data.published, columns=list(PAIR))


def _own_numbers(data: load.Inputs, results: Mapping[str, Result]) -> dict[str, Entry]:
    """What no figure gives so: counts, losses, the collection, sensitive clusters, people's groups."""
    ours = own_numbers.counts(data, results)
    ours |= own_numbers.overlaps(results)
    ours |= own_numbers.losses(data.manifest)
    ours |= own_numbers.sensitive_clusters(data.images)
    if data.collection is not None:
        for name, count in asdict(data.collection).items():
            ours[f"collected/{name}"] = {"value": count}
    # Without results of its figure the sheets are missing, or are no such sheets.
    if data.sheets is not None and "concordance" in results:
        ours |= own_numbers.people(filled_sheets(data.sheets).table)
    return ours


def _reasons(skipped: Sequence[Skipped]) -> dict[str, str]:
    """By figure that was skipped, what is missing and how to get it."""
    reasons: dict[str, str] = {}
    for entry in skipped:
        parts = []
        # An analysis that failed lacks nothing and has its message as the one `how`.
        for missing, how in zip(entry["missing"] or [""], entry["how"], strict=True):
            parts.append(f"{_absent(missing)}: {how}" if missing else how)
        reason = "; ".join(parts)
        reasons[entry["figure"]] = reason
        # Without the figure there is no ratio of the same prompt either.
        reasons.setdefault(f"{entry['figure']}: same prompt", reason)
    return reasons


def _absent(missing: str) -> str:
    """That an input is not there.

    >>> _absent("a reference set"), _absent("not asked for")
    ('no reference set', 'not asked for')
    """
    if missing.startswith("not "):
        return missing
    return f"no {missing.removeprefix('a ')}"


def _entry(row: Mapping[Any, Any]) -> Entry:
    """A row of the table as a number of the results."""
    entry: Entry = {"value": row["ours"]}
    for name, cell in row.items():
        if name not in ("figure", "quantity", "ours"):
            entry[str(name)] = cell
    return entry


# ------------------------------------------------------------------ described


def overview(results: Results) -> list[tuple[str, int, str]] | None:
    """Mark, number of statements and verdict, for the top of the page; None without a comparison."""
    if NAME not in results.figures:
        return None
    rows = _statements(results)
    counts = Counter(row.verdict for row in rows)
    return [(mark, counts[verdict], WORDS[mark]) for verdict, mark in MARKS.items()]


def _statements(results: Results) -> list[Any]:
    """The rows of the table; ValueError when another version wrote it."""
    judged = results.tables[NAME]
    if "sentence" not in judged:
        raise DataError(
            "these results are of an earlier version of twigma: `twigma analyze` computes them again"
        )
    return records(judged)


def describe_comparison(results: Results) -> Section:
    """How many of the paper's statements agree with ours, and which differ."""
    rows = _statements(results)
    return Section(
        figure=FIGURE,
        title="Its statements beside ours",
        claim=_summary(rows),
        basis="the 95% intervals of the other figures, by author where authors are known.",
        paper="Numbers and directions of its text, tables and figures; what it only draws is not listed. Its "
        "references are LAION, ArtBench and DiffusionDB: a statement about one is held against that set alone.",
        differs=RULE,
        tables=(_table("Every statement of the paper", rows),),
    )


def describe_other_dataset(results: Results) -> Section | None:
    """What can be held against the paper in a dataset that is not TWIGMA; None where nothing can.

    Whether its counts and its clusters are those of the paper is no question.
    """
    rows = [row for row in _statements(results) if _is_general(row)]
    said = [row for row in rows if row.verdict != UNKNOWN]
    if not said:
        return None
    return Section(
        figure=FIGURE,
        title="Where the TWIGMA paper can be compared",
        claim=_summary(said),
        basis="the 95% intervals of the other figures, by author where authors are known.",
        paper="Only what this data can be held against: the paper's counts and its numbers of clusters are of TWIGMA.",
        differs=RULE,
        tables=(_table("Statements of the paper that this data can tell", said, True),),
    )


def _is_general(row: Any) -> bool:
    """Whether a statement is about images in general, and not about how many there are."""
    return bool(row.kind != "count")


def _summary(rows: Sequence[Any]) -> str:
    """How many statements have each verdict, and those that differ."""
    total = {AGREES: 0, DIFFERS: 0, UNKNOWN: 0}
    apart = []
    for row in rows:
        total[row.verdict] += 1
        if row.verdict == DIFFERS:
            apart.append(f"“{row.sentence.rstrip('.')}”")
    agree = "agrees" if total[AGREES] == 1 else "agree"
    differ = "differs" if total[DIFFERS] == 1 else "differ"
    claim = f"Of {plural(len(rows), 'statement')} of the paper, {total[AGREES]} {agree} with ours and "
    claim += f"{total[DIFFERS]} {differ}"
    if total[UNKNOWN]:
        are = "is" if total[UNKNOWN] == 1 else "are"
        claim += f"; {total[UNKNOWN]} {are} not identifiable from this data"
    claim += "."
    if apart:
        claim += f" Different: {join_names(apart, SHOWN)}."
    return claim


def _table(caption: str, rows: Sequence[Any], folded: bool = False) -> Table:
    cells = [_cells(row) for row in rows]
    return table(caption, HEADER, cells, folded=folded, kind="verdicts")


def _cells(row: Any) -> list[object]:
    unknown = row.n is None or row.n != row.n  # None or NaN, as pandas reads it
    n = None if unknown else number(int(row.n))
    ours = interval(row.ours, row.low, row.high)
    short = row.verdict.removesuffix(" from this data")
    verdict = Cell(short, mark=MARKS[row.verdict])
    stated = row.stated.replace(" [", f"{GAP}[").replace(", ", f",{GAP}")
    return [row.figure, row.sentence, stated, ours, n, verdict, row.reason]
