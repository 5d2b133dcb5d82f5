"""What `twigma ids` and `twigma rehydrate` share: reading a list of ids, drawing from it, and the plan of its cost.

Lines without a usable id are counted, the first of them shown, and all of them written to `quarantine.csv`.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pyarrow as pa

    from twigma.rehydrate.ids.post_ids import IdList
    from twigma.rehydrate.sources.x.budget import LookupPlan

ZENODO = "zenodo"  # in place of a file: the list that the authors of TWIGMA published
SHOWN = 5  # skipped lines that are printed


def find_list(file: Path) -> Path:
    """The file to read: for `zenodo` the authors' table, downloaded once."""
    if str(file) != ZENODO:
        return file
    from twigma.dataset.published_table import fetch_list

    return fetch_list()


def check_list(file: Path, column: str | None) -> None:
    """Print what a list holds; ValueError when it cannot be used."""
    from twigma.rehydrate.ids.damage import doubts
    from twigma.rehydrate.ids.sampling import UNKNOWN, read_strata

    path = find_list(file)
    listed, months = read_strata(path, column)
    _require_ids(path, listed)
    known = sorted(set(months) - {UNKNOWN})
    period = ""
    if known:
        period = f", posts of {known[0]}"
    if len(known) > 1:
        period += f" to {known[-1]} ({len(known)} months)"
    click.echo(
        f"{path}: {len(listed.ids):,} distinct ids on {listed.rows:,} rows{period}"
    )
    for doubt in doubts(listed.ids):
        click.echo(f"  {doubt}")
    _report_bad_lines(path.parent, path, listed)


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
    for path in paths:
        ids = _read_list(work, path, column, columns, write)
        for post, stratum in ids.items():
            stratum_of.setdefault(post, stratum)
    if only is not None:
        stratum_of = {post: stratum_of[post] for post in stratum_of if post in only}
        click.echo(f"{len(stratum_of):,} of these ids are of chosen images")
    total, strata = len(stratum_of), list(stratum_of.values())
    drawn = draw(list(stratum_of), strata, sample, seed)
    if len(drawn) < total:
        _print_sample(drawn, total, len(set(strata)), stratify, seed)
    drawn = _without_removed(work, drawn)
    # Refuses a list that this folder cannot take, before anything else happens.
    unite(work, drawn)
    return drawn


def _read_list(
    work: Path, path: Path, column: str | None, columns: Sequence[str], write: bool
) -> dict[str, str]:
    """The ids of a file with the stratum of each; prints how many, and what is wrong with the others."""
    from twigma.rehydrate.ids.damage import doubts
    from twigma.rehydrate.ids.sampling import read_strata

    listed, strata = read_strata(path, column, columns)
    _require_ids(path, listed)
    click.echo(f"{path}: {len(listed.ids):,} ids")
    for doubt in doubts(listed.ids):
        click.echo(f"  {doubt}")
    _report_bad_lines(work if write else None, path, listed)
    return dict(zip(listed.ids, strata, strict=True))


def _without_removed(work: Path, drawn: "pa.Table") -> "pa.Table":
    """The ids but for those that `twigma removals` took out of this folder."""
    import pyarrow.compute as pc

    from twigma.rehydrate.posts.removed_ids import read_removed

    remaining = drawn.filter(pc.invert(read_removed(work).mask(drawn["id"])))
    removed = len(drawn) - len(remaining)
    if removed:
        click.echo(f"  {removed:,} of them were removed on request and are left out")
    return remaining


def _print_sample(
    drawn: "pa.Table", total: int, strata: int, stratify: str, seed: int
) -> None:
    weights = drawn["weight"].to_pylist()
    used = f"{strata:,} strata of {stratify}, at least one of each"
    if len(drawn) < strata:
        used = (
            f"not stratified: {strata:,} strata of {stratify} need at least {strata:,}"
        )
    click.echo(
        f"sample: {len(drawn):,} of {total:,} ids (seed {seed}; {used}); "
        f"weights {min(weights):,.2f} to {max(weights):,.2f}"
    )


def _require_ids(path: Path, listed: "IdList") -> None:
    """ValueError for a list without a single usable id."""
    if listed.ids:
        return
    raise ValueError(f"{path}: expected post ids, found none: it is empty")


def _report_bad_lines(folder: Path | None, path: Path, listed: "IdList") -> None:
    """Print the first lines without a usable id, and write all of them to the quarantine of the folder."""
    from twigma.rehydrate.ids.skipped_lines import write_quarantine

    target = write_quarantine(folder, listed.bad.rows(), path) if folder else None
    if listed.bad:
        where = f", all in {target}" if target else ""
        click.echo(f"  {listed.bad.total:,} lines skipped{where}")
    for line, value, reason in listed.bad[:SHOWN]:
        click.echo(f"  line {line}: {reason}: {value[:60]!r}")


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


def print_plan(
    work: Path, drawn: "pa.Table", followers: bool, budget: float | None
) -> None:
    """Print calls, dollars and minutes for the ids that the folder does not know, and how far a budget reaches.

    `drawn` has one row per id.
    """
    from twigma.rehydrate.ledger.reader import read_known_posts
    from twigma.rehydrate.sources.x.budget import Budget, dollar_text

    known = read_known_posts(work)
    needed, todo, authors = plan_drawn(work, drawn, followers)
    time = "about a minute"
    if needed.minutes > 1.5:
        time = f"about {needed.minutes:,.0f} minutes"
    also = f" and {authors:,} authors" if authors else ""
    calls = "1 call" if needed.calls == 1 else f"{needed.calls:,} calls"
    click.echo(
        f"{len(drawn):,} ids, {len(drawn) - todo:,} known already, {todo:,} to ask{also}: "
        f"{calls}, at most {dollar_text(needed.dollars)}, {time}"
    )
    if budget is not None:
        money = Budget(budget, followers)
        affordable = money.affords(known, todo)
        reach = "all" if affordable == todo else f"{affordable:,}"
        spent = f"{dollar_text(money.spent(known))} of it spent in {work}"
        click.echo(f"a budget of ${budget:,.2f}, {spent}, reaches {reach} of them")
