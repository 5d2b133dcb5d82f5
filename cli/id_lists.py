"""What `twigma ids` and `twigma rehydrate` share: reading a list of ids, drawing from it, and the plan of its cost.

Lines without a usable id are counted, the first of them shown, and all of them written to `quarantine.csv`.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from twigma.cli.facts import show
from twigma.core.values import plural

if TYPE_CHECKING:
    import pyarrow as pa

    from twigma.cli.facts.sourcing import CheckedList, ListFacts, PlanFacts, SampleFacts
    from twigma.rehydrate.ids.post_ids import IdList
    from twigma.rehydrate.sources.x.budget import LookupPlan

ZENODO = "zenodo"  # in place of a file: the list that the authors of TWIGMA published
SHOWN = 5  # skipped lines that are printed
MOST_SHOWN = 60  # characters of each


def find_list(file: Path) -> Path:
    """The file to read: for `zenodo` the authors' table, downloaded once."""
    if str(file) != ZENODO:
        return file
    from twigma.dataset.published.published_table import fetch_list

    return fetch_list()


def check_list(file: Path, column: str | None) -> "CheckedList":
    """What a list holds; ValueError when it cannot be used."""
    from twigma.rehydrate.ids.sampling import UNKNOWN, read_strata

    path = find_list(file)
    listed, months = read_strata(path, column)
    _require_ids(path, listed)
    known = sorted(set(months) - {UNKNOWN})
    return {
        **_list_facts(path.parent, path, listed),
        "first_month": known[0] if known else None,
        "last_month": known[-1] if known else None,
        "months": len(known),
    }


def checked_lines(facts: "CheckedList") -> Iterator[str]:
    """What `twigma ids` says of a list."""
    period = ""
    if facts["months"]:
        period = f", posts of {facts['first_month']}"
    if facts["months"] > 1:
        period += f" to {facts['last_month']} ({facts['months']} months)"
    ids = plural(facts["ids"], "distinct id")
    yield f"{facts['file']}: {ids} on {plural(facts['rows'], 'row')}{period}"
    yield from _doubtful_lines(facts)


def draw_list(
    work: Path,
    paths: Sequence[Path],
    column: str | None,
    sample: int | None,
    stratify: str,
    seed: int,
    *,
    write: bool,
    only: Collection[str] | None = None,
) -> "pa.Table":
    """The ids to look up, one row per id (id, stratum, weight); `write` the skipped lines to the working folder.

    `paths` are the files of one list; `only` the ids among which is drawn, None for all.
    """
    from twigma.rehydrate.ids.sampling import draw, unite

    columns = [name.strip() for name in stratify.split(",")]
    stratum_of: dict[str, str] = {}
    lists: list[ListFacts] = []
    for path in paths:
        ids = _read_list(work if write else None, path, column, columns, lists)
        for post, stratum in ids.items():
            stratum_of.setdefault(post, stratum)
    if only is not None:
        stratum_of = {post: stratum_of[post] for post in stratum_of if post in only}
        chosen = f"{len(stratum_of):,} of these ids are of chosen images"
        show({"chosen": len(stratum_of)}, [chosen])
    total, strata = len(stratum_of), list(stratum_of.values())
    drawn = draw(list(stratum_of), strata, sample, seed)
    if len(drawn) < total:
        weights = drawn["weight"].to_pylist()
        sampled: SampleFacts = {
            "drawn": len(drawn),
            "of": total,
            "seed": seed,
            "strata": len(set(strata)),
            "columns": columns,
            "smallest_weight": min(weights),
            "largest_weight": max(weights),
        }
        show({"sample": sampled}, [_sample_line(sampled, stratify)])
    drawn = _without_removed(work, drawn)
    # Refuses a list that this folder cannot take, before anything else happens.
    unite(work, drawn)
    return drawn


def _read_list(
    work: Path | None,
    path: Path,
    column: str | None,
    columns: Sequence[str],
    lists: "list[ListFacts]",
) -> dict[str, str]:
    """The ids of a file with the stratum of each; its facts go to `lists`, skipped lines to the folder, if any."""
    from twigma.rehydrate.ids.sampling import read_strata

    listed, strata = read_strata(path, column, columns)
    _require_ids(path, listed)
    facts = _list_facts(work, path, listed)
    lists.append(facts)
    heading = f"{path}: {len(listed.ids):,} ids"
    show({"lists": lists}, [heading, *_doubtful_lines(facts)])
    return dict(zip(listed.ids, strata, strict=True))


def _without_removed(work: Path, drawn: "pa.Table") -> "pa.Table":
    """The ids but for those that `twigma removals` took out of this folder."""
    import pyarrow.compute as pc

    from twigma.rehydrate.posts.removed_ids import read_removed

    remaining = drawn.filter(pc.invert(read_removed(work).mask(drawn["id"])))
    removed = len(drawn) - len(remaining)
    if removed:
        line = f"  {removed:,} of them were removed on request and are left out"
        show({"removed": removed}, [line])
    return remaining


def _sample_line(sample: "SampleFacts", stratify: str) -> str:
    drawn, strata = sample["drawn"], sample["strata"]
    used = f"{strata:,} strata of {stratify}, at least one of each"
    if drawn < strata:
        used = (
            f"not stratified: {strata:,} strata of {stratify} need at least {strata:,}"
        )
    ids = f"{drawn:,} of {sample['of']:,} ids (seed {sample['seed']}; {used})"
    weights = f"{sample['smallest_weight']:,.2f} to {sample['largest_weight']:,.2f}"
    return f"sample: {ids}; weights {weights}"


def _require_ids(path: Path, listed: "IdList") -> None:
    """ValueError for a list without a single usable id."""
    if listed.ids:
        return
    raise ValueError(f"{path}: expected post ids, found none: it is empty")


def _list_facts(folder: Path | None, path: Path, listed: "IdList") -> "ListFacts":
    """What a list holds; lines without a usable id are written to the quarantine of the folder."""
    from twigma.rehydrate.ids.damage import doubts
    from twigma.rehydrate.ids.skipped_lines import write_quarantine

    target = write_quarantine(folder, listed.bad.rows(), path) if folder else None
    facts: ListFacts = {
        "file": str(path),
        "ids": len(listed.ids),
        "rows": listed.rows,
        "doubts": list(doubts(listed.ids)),
        "skipped": listed.bad.total,
        "skipped_first": [],
        "quarantine": str(target) if target else None,
    }
    for line, value, reason in listed.bad[:SHOWN]:
        shown = value[:MOST_SHOWN]
        facts["skipped_first"].append({"line": line, "value": shown, "reason": reason})
    return facts


def _doubtful_lines(facts: "ListFacts") -> Iterator[str]:
    """Doubts about the ids, and the first lines without a usable one."""
    for doubt in facts["doubts"]:
        yield f"  {doubt}"
    if facts["skipped"]:
        where = f", all in {facts['quarantine']}" if facts["quarantine"] else ""
        yield f"  {plural(facts['skipped'], 'line')} skipped{where}"
    for skipped in facts["skipped_first"]:
        yield f"  line {skipped['line']}: {skipped['reason']}: {skipped['value']!r}"


def plan_drawn(
    work: Path, drawn: "pa.Table", followers: bool
) -> tuple["LookupPlan", int, int]:
    """(what a look-up takes at most, posts to ask, authors to ask by themselves) for the ids of `drawn`."""
    from twigma.rehydrate.ledger.reader import read_known_posts
    from twigma.rehydrate.sources.x.budget import plan_lookup
    from twigma.rehydrate.sources.x.followers import without_followers

    ids = drawn["id"].to_pylist()
    known = read_known_posts(work)
    todo = sum(post not in known.ids for post in ids)
    authors = 0
    if followers:
        lacking = without_followers(work, ids)
        authors = len(set(lacking.authors) - known.users)
        todo += len(known.ids.intersection(lacking.posts))
    return plan_lookup(todo, followers, n_users=authors), todo, authors


def show_plan(
    work: Path, drawn: "pa.Table", followers: bool, budget: float | None
) -> None:
    """Show calls, dollars and minutes for the ids that the folder does not know, and how far a budget reaches.

    `drawn` has one row per id.
    """
    from twigma.rehydrate.ledger.reader import read_known_posts
    from twigma.rehydrate.sources.x.budget import Budget

    needed, todo, authors = plan_drawn(work, drawn, followers)
    facts: PlanFacts = {
        "ids": len(drawn),
        "known": len(drawn) - todo,
        "to_ask": todo,
        "authors": authors,
        "calls": needed.calls,
        "dollars": needed.dollars,
        "minutes": needed.minutes,
        "budget": None,
    }
    if budget is not None:
        known = read_known_posts(work)
        money = Budget(budget, followers)
        facts["budget"] = {
            "budget": budget,
            "spent": money.spent(known),
            "affordable": money.affords(known, todo),
        }
    show({"plan": facts}, _plan_lines(work, facts))


def _plan_lines(work: Path, plan: "PlanFacts") -> Iterator[str]:
    from twigma.rehydrate.sources.x.budget import dollar_text

    time = "about a minute"
    if plan["minutes"] > 1.5:
        time = f"about {plan['minutes']:,.0f} minutes"
    todo, authors = plan["to_ask"], plan["authors"]
    also = f" and {authors:,} authors" if authors else ""
    calls = plural(plan["calls"], "call")
    ids = f"{plan['ids']:,} ids, {plan['known']:,} known already, {todo:,} to ask{also}"
    yield f"{ids}: {calls}, at most {dollar_text(plan['dollars'])}, {time}"
    budget = plan["budget"]
    if budget is not None:
        reach = "all" if budget["affordable"] == todo else f"{budget['affordable']:,}"
        spent = f"{dollar_text(budget['spent'])} of it spent in {work}"
        yield f"a budget of ${budget['budget']:,.2f}, {spent}, reaches {reach} of them"
