"""`twigma hashtags`: which hashtags to search by."""

from pathlib import Path

import click

from twigma.cli.options import FOLDER, work_option


@click.command()
@work_option
@click.option(
    "--out",
    type=FOLDER,
    default="hashtags",
    show_default=True,
    help="Folder for the table and the sheet.",
)
@click.option(
    "--seed-hashtag",
    "seeds",
    multiple=True,
    help="Repeat for each.  [default: the paper's three]",
)
def hashtags(work: Path, out: Path, seeds: tuple[str, ...]) -> None:
    """Find hashtags to search by, and judge them.

    Hashtags that stand beside the seeds, with a sheet of the first 20 posts of each. Write yes or no in the column
    about_ai_images and run it again: what passes joins the seeds, and brings candidates of its own.

    \b
      twigma hashtags --work work
    """
    from twigma.builder.collect.hashtag_curation import SEEDS, SHEET
    from twigma.builder.collect.hashtag_curation import hashtags as run

    table = run(work, out, seeds=seeds or SEEDS)
    passed = table.loc[table["passed"], "hashtag"].tolist()
    click.echo(
        f"hashtags: {len(table)} candidates in {out / 'candidates.csv'}; passed: {', '.join(passed) or 'none'}"
    )
    if waiting := int((table["judged"] == 0).sum()):
        click.echo(
            f"  {waiting} wait for answers in {out / SHEET}; then run this again"
        )
