"""Paper-in-a-box: every number the paper states beside ours, from the results of all other figures.

`twigma analyze` computes it last, and `twigma report` prints it first.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from twigma.analysis.inputs import load
from twigma.analysis.inputs.requirements import Entry, Result, Settings, Skipped
from twigma.analysis.page.formatting import interval, listed, number, table
from twigma.analysis.page.section import Results, Section, records
from twigma.analysis.paper import stated
from twigma.analysis.paper.claims import claims
from twigma.analysis.paper.verdicts import AGREES, DIFFERS, UNKNOWN, verdicts

NAME = "paper"  # of these results, as of a figure
HEADER = ("Figure", "Quantity", "Paper", "Ours [95%]", "n", "Verdict", "Why")

# ------------------------------------------------------------------ computed


def paper_box(
    data: load.Inputs,
    settings: Settings,
    results: Mapping[str, Result],
    skipped: Sequence[Skipped],
) -> Result:
    """Our numbers beside the paper's.

    Table: `paper`, a row per number the paper states (`verdicts.verdicts`). Values: `paper/FIGURE/QUANTITY`, its rows.
    """
    names = {
        "photographs": settings.photographs,
        "paintings": settings.paintings,
        "prompts": settings.prompts,
        "twigma": data.images.name,
    }
    ours = _counts(data, results)
    published = ours["data/images"]["value"] == stated.IMAGES
    for result in results.values():
        ours |= result.values
    judged = verdicts(claims(names, published), ours, _reasons(skipped))
    values = {}
    for row in judged.to_dict("records"):
        values[f"paper/{row['figure']}/{row['quantity']}"] = _entry(row)
    return Result(len(judged), {"paper": judged}, values)


def _counts(data: load.Inputs, results: Mapping[str, Result]) -> dict[str, Entry]:
    """How many images, posts and months there are; of a sample, in the list it was drawn from."""
    about = load.describe(data)
    rows = about["rows"]
    counts: dict[str, Entry] = {
        "data/images": {"value": about["images"], "n": rows},
        "data/posts": {"value": about["posts"], "n": rows},
    }
    if "fig1b" in results:
        months = results["fig1b"].tables["fig1b"]
        counts["data/months"] = {"value": len(months), "n": rows}
        if "sampled" in months:
            counts["data/images"] = {"value": round(months["images"].sum())}
            counts["data/posts"] = {"value": round(months["posts"].sum())}
    return counts


def _reasons(skipped: Sequence[Skipped]) -> dict[str, str]:
    """By figure that was skipped, what is missing and how to get it."""
    reasons: dict[str, str] = {}
    for entry in skipped:
        parts = []
        # An analysis that failed lacks nothing and has its message as the one `how`.
        for missing, how in zip(entry["missing"] or [""], entry["how"], strict=True):
            parts.append(f"no {missing}: {how}" if missing else how)
        reason = "; ".join(parts)
        reasons[entry["figure"]] = reason
        # Without the figure there is no ratio of the same prompt either.
        reasons.setdefault(f"{entry['figure']}: same prompt", reason)
    return reasons


def _entry(row: Mapping[Any, Any]) -> Entry:
    """A row of the table as a number of the results."""
    entry: Entry = {"value": row["ours"]}
    for name, cell in row.items():
        if name not in ("figure", "quantity", "ours"):
            entry[str(name)] = cell
    return entry


# ------------------------------------------------------------------ described


def describe_comparison(results: Results) -> Section:
    """How many of the paper's numbers agree with ours, and which differ."""
    rows = records(results.tables["paper"])
    total = {AGREES: 0, DIFFERS: 0, UNKNOWN: 0}
    apart = []
    for row in rows:
        total[row.verdict] += 1
        if row.verdict == DIFFERS:
            apart.append(f"{row.figure} {row.quantity}")
    claim = (
        f"Of {len(rows)} numbers the paper states, {total[AGREES]} agree with ours, {total[DIFFERS]} differ, and "
        f"{total[UNKNOWN]} cannot be told from this data."
    )
    if apart:
        claim += f" Apart: {listed(apart)}."
    cells = [_cells(row) for row in rows]
    return Section(
        figure="The paper",
        title="Its numbers beside ours",
        claim=claim,
        basis="the 95% intervals of the figures below, by author where authors are known.",
        paper="Numbers of the text and of Fig 2d; what it only draws is not listed. Its references are LAION, ArtBench "
        "and DiffusionDB; here the sets that were given play their roles.",
        differs="“Agrees”: apart by no more than rounding and both 95% intervals allow, or of the stated sign beyond "
        "chance. “Differs”: by more, even with the standard error that the paper's own figures imply. Else this data "
        "cannot say: something is missing, or the paper's interval, which takes images as independent, is too narrow.",
        tables=(table("Every number the paper states", HEADER, cells),),
    )


def _cells(row: Any) -> list[object]:
    unknown = row.n is None or row.n != row.n  # None or NaN, as pandas reads it
    n = None if unknown else number(int(row.n))
    ours = interval(row.ours, row.low, row.high)
    return [row.figure, row.quantity, row.stated, ours, n, row.verdict, row.reason]
