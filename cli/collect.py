"""`twigma hashtags` and `twigma collect`: which hashtags to search by, and the search."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import (
    DAY,
    approve,
    out_option,
    purchase_options,
    work_with_pages_option,
    x_client,
)

if TYPE_CHECKING:
    from twigma.cli.facts.sourcing import CollectedFacts, EstimateFacts, HashtagsFacts


@click.command()
@work_with_pages_option
@out_option("hashtags", "Folder for the table and the sheet.")
@click.option(
    "--hashtag",
    "seeds",
    multiple=True,
    metavar="NAME",
    help="Hashtag to start from; repeat for each.  [default: the paper's three]",
)
@json_option("hashtags")
def hashtags(work: Path, out: Path, seeds: tuple[str, ...]) -> None:
    """Suggest hashtags to search by, and judge them.

    Hashtags that occur beside the seeds, with a sheet of the first 20 posts of each. Write yes or no in the column
    about_ai_images and run it again: a hashtag that passes becomes a seed, and brings candidates of its own.

    \b
      twigma hashtags --work work
    """
    from twigma.builder.collect.hashtag_curation import SEEDS, SHEET
    from twigma.builder.collect.hashtag_curation import hashtags as run

    table = run(work, out, seeds=seeds or SEEDS)
    facts: HashtagsFacts = {
        "candidates": len(table),
        "table": str(out / "candidates.csv"),
        "sheet": str(out / SHEET),
        "passed": table.loc[table["passed"], "hashtag"].tolist(),
        "to_judge": int((table["judged"] == 0).sum()),
    }
    names = ", ".join(facts["passed"]) or "none"
    lines = [
        f"hashtags: {facts['candidates']} candidates in {facts['table']}; passed: {names}"
    ]
    if facts["to_judge"]:
        waiting = f"{facts['to_judge']} wait for answers in {facts['sheet']}"
        lines.append(f"  {waiting}; then run this again")
    show(facts, lines)


@click.command()
@work_with_pages_option
@click.option(
    "--hashtag",
    "hashtags",
    multiple=True,
    required=True,
    metavar="NAME",
    help="Hashtag to search for; repeat for each.",
)
@click.option(
    "--start", type=DAY, default="2021-01-01", show_default=True, help="First day, UTC."
)
@click.option(
    "--end",
    type=DAY,
    default="2023-03-31",
    show_default=True,
    help="Last day, UTC, included.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Count the posts and print what they cost; buys none of them, but each request that counts a month costs "
    "$0.01.",
)
@purchase_options
@json_option("collect")
def collect(
    work: Path,
    hashtags: tuple[str, ...],
    start: datetime,
    end: datetime,
    dry_run: bool,
    followers: bool,
    budget: float | None,
) -> None:
    """Search the full archive of X by hashtag.

    Raw pages are stored before they are read; an interrupted search resumes from its last page, and days of a hashtag
    that were searched before are not searched again. Without --budget the posts are counted first, as by --dry-run.
    The token is $X_BEARER_TOKEN, or in ~/.config/twigma/x_token. `twigma rehydrate` then fetches the photos.

    \b
      twigma collect --hashtag aiart --start 2022-06-01 --end 2022-06-30 --dry-run
      twigma collect --hashtag aiart --hashtag midjourney --start 2022-06-01 --end 2022-06-30 --budget 20
    """
    from twigma.builder.collect.collect import collect as run
    from twigma.builder.collect.estimate import estimate
    from twigma.rehydrate.sources.x.budget import dollar_text

    days = start.date(), end.date()
    with x_client() as client:
        if dry_run or budget is None:
            estimated = estimate(work, hashtags, *days, client, followers=followers)
            counted: EstimateFacts = {
                "posts": estimated.posts,
                "calls": estimated.calls,
                "dollars": estimated.dollars,
                "requests": estimated.requests,
                "request_dollars": estimated.price,
            }
            price = dollar_text(estimated.dollars)
            posts = f"{estimated.posts:,} posts to buy in {estimated.calls:,} calls"
            counting = (
                f"{estimated.requests:,} requests for {dollar_text(estimated.price)}"
            )
            line = f"{posts}, at most {price}; counted by {counting}"
            show({"estimate": counted}, [line])
            if dry_run:
                return
            approve(estimated.dollars, budget)
        result = run(work, hashtags, *days, client, followers=followers, budget=budget)
    searched: CollectedFacts = {
        "pages": result.pages,
        "dollars": result.dollars,
        "done": result.done,
    }
    spent = f"at most {dollar_text(result.dollars)} in this folder"
    line = f"collect: {result.pages:,} pages bought now, {spent}; table in {work}"
    show({"search": searched}, [line])
    if not result.done:
        raise RuntimeError(
            "the budget stopped the search: raise --budget and run again to resume"
        )
