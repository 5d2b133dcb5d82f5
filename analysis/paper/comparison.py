"""Paper-in-a-box: every number the paper states beside ours, from the results of all other figures.

`twigma analyze` runs it last.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from twigma.analysis.inputs import load
from twigma.analysis.inputs.requirements import Entry, Result, Settings
from twigma.analysis.paper import stated
from twigma.analysis.paper.claims import claims
from twigma.analysis.paper.verdicts import verdicts


def paper_box(
    data: load.Inputs,
    settings: Settings,
    results: Mapping[str, Result],
    skipped: Sequence[Mapping[str, Any]],
) -> Result:
    """The table `paper`, and its rows by figure and quantity."""
    names = {
        role: getattr(settings, role)
        for role in ("photographs", "paintings", "prompts")
    }
    values = _counts(data, results)
    published = values["data/images"]["value"] == stated.IMAGES
    for result in results.values():
        values |= result.values
    table = verdicts(
        claims(names | {"twigma": load.OURS}, published), values, _reasons(skipped)
    )
    rows = {
        f"paper/{row['figure']}/{row['quantity']}": row
        for row in table.to_dict("records")
    }
    return Result(
        len(table), {"paper": table}, {key: _entry(row) for key, row in rows.items()}
    )


def _counts(data: load.Inputs, results: Mapping[str, Result]) -> dict[str, Entry]:
    """How many images, posts and months there are; of a sample, in the list it was drawn from."""
    found = load.describe(data)
    counts = {
        f"data/{name}": {"value": found[name], "n": found["rows"]}
        for name in ("images", "posts")
    }
    if "fig1b" in results:
        months = results["fig1b"].tables["fig1b"]
        counts["data/months"] = {"value": len(months), "n": found["rows"]}
        if "sampled" in months:
            counts |= {
                f"data/{name}": {"value": round(months[name].sum())}
                for name in ("images", "posts")
            }
    return counts


def _reasons(skipped: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By figure that was left out, what is missing and how to get it."""
    said = {}
    for entry in skipped:
        pairs = zip(entry["missing"] or [""], entry["how"], strict=True)
        said[str(entry["figure"])] = "; ".join(
            f"no {missing}: {how}" if missing else how for missing, how in pairs
        )
        said.setdefault(f"{entry['figure']}: same prompt", said[str(entry["figure"])])
    return said


def _entry(row: Mapping[Any, Any]) -> Entry:
    rest = {
        str(name): cell
        for name, cell in row.items()
        if name not in ("figure", "quantity", "ours")
    }
    return {"value": row["ours"], **rest}
