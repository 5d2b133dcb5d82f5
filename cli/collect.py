"""`twigma hashtags` and `twigma collect`: which hashtags to search by, and the search."""

from datetime import datetime
from pathlib import Path

import click

from twigma.cli.options import DAY, out_option, purchase_options, work_option, x_client


@click.command()
@work_option
@out_option("hashtags", "Folder for the table and the sheet.")
@click.option(
    "--hashtag",
    "seeds",
    multiple=True,
    metavar="NAME",
    help="Hashtag to start from; repeat for each.  [default: the paper's three]",
)
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
    passed = table.loc[table["passed"], "hashtag"].tolist()
    names = ", ".join(passed) or "none"
    click.echo(
        f"hashtags: {len(table)} candidates in {out / 'candidates.csv'}; passed: {names}"
    )
    unjudged = int((table["judged"] == 0).sum())
    if unjudged:
        click.echo(
            f"  {unjudged} wait for answers in {out / SHEET}; then run this again"
        )


@click.command()
@work_option
@click.option(
    "--hashtag",
    "hashtags",
    multiple=True,
    metavar="NAME",
    help="Repeat for each.  [default: the six of the paper's text]",
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
@purchase_options
def collect(
    work: Path,
    hashtags: tuple[str, ...],
    start: datetime,
    end: datetime,
    followers: bool,
    budget: float | None,
) -> None:
    """Search the full archive of X by hashtag.

    Raw pages are stored before they are read; an interrupted search resumes from its last page. The token is
    $X_BEARER_TOKEN, or in ~/.config/twigma/x_token. `twigma rehydrate` then fetches the photos.

    \b
      twigma collect --hashtag aiart --hashtag midjourney --start 2022-06-01 --end 2022-06-30 --budget 20
    """
    from twigma.builder.collect.collect import PAPER_HASHTAGS
    from twigma.builder.collect.collect import collect as run
    from twigma.rehydrate.sources.x.budget import dollar_text

    with x_client() as client:
        result = run(
            work,
            hashtags or PAPER_HASHTAGS,
            start.date(),
            end.date(),
            client,
            followers=followers,
            budget=budget,
        )
    spent = f"at most {dollar_text(result.dollars)} in this folder"
    click.echo(f"collect: {result.pages:,} pages bought now, {spent}; table in {work}")
    if not result.done:
        raise RuntimeError(
            "the budget stopped the search: raise --budget and run again to resume"
        )
