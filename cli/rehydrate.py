"""`twigma rehydrate`: post ids become images in a working folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twigma.cli.facts import json_option, show
from twigma.cli.id_lists import ZENODO, draw_list, plan_drawn, show_plan
from twigma.cli.options import (
    FILE,
    approve,
    count_lines,
    engine_option,
    purchase_options,
    refuse_given,
    seed_option,
    select_option,
    shard_size_option,
    split_words,
    work_with_pages_option,
    x_client,
)
from twigma.cli.photos import check_settings, fetch_photos, look_up_gone, lookup_facts
from twigma.cli.selected_posts import find_lists, selected_posts
from twigma.core.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


@click.command()
@work_with_pages_option
@click.option(
    "--ids",
    "file",
    type=FILE,
    help="List of post ids, as for `twigma ids`; `zenodo`: that of the TWIGMA authors.",
)
@click.option("--column", help="Column of the list that holds the ids.")
@select_option
@click.option(
    "--sample",
    type=click.IntRange(1),
    metavar="N",
    help="Look up only N of them, drawn by strata.",
)
@click.option(
    "--stratify",
    default="month",
    show_default=True,
    metavar="COLUMN,…",
    help="Strata of the sample: columns of the list.",
)
@seed_option("Seed of the sample: the same seed draws the same ids.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print calls, dollars and minutes; buy nothing, write nothing.",
)
@purchase_options
@click.option(
    "--size",
    type=click.Choice(["small", "medium", "large", "orig"]),
    default="small",
    show_default=True,
    help="Which of the sizes that X stores: up to 680, 1,200 or 2,048 pixels, or as posted.",
)
@click.option(
    "--image-size",
    type=click.IntRange(min=1),
    metavar="PX",
    help="Shrink images whose longer side is over this.  [default: as fetched]",
)
@click.option(
    "--connections",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Most connections to one image host, over all machines.",
)
@shard_size_option
@engine_option
@click.option(
    "--retry",
    default="",
    metavar="CLASS,…",
    help="Try photos again that failed, by class as `twigma status` prints them; `failed`: every class that "
    "another attempt might mend. Posts whose photo is gone (404, 410) or was not shown are looked up once more, which "
    "costs as any look-up does: X may know another URL, or that the post is gone too.",
)
@json_option("rehydrate")
def rehydrate(
    work: Path,
    file: Path | None,
    column: str | None,
    select: Path | None,
    sample: int | None,
    stratify: str,
    seed: int,
    dry_run: bool,
    followers: bool,
    budget: float | None,
    engine: str,
    retry: str,
    shard_size: int,
    **photos: Any,
) -> None:
    """Look posts up and fetch their photos.

    Without --ids, only the photos of posts that are known already (from `twigma collect`) are fetched. No id is bought
    twice. Every id ends in outcomes.csv, every photo in shards/ or with the reason why not. The token of the X API is
    $X_BEARER_TOKEN, or in ~/.config/twigma/x_token.

    A sample is drawn in proportion to its strata, at least one id of each: columns of the list, or `month`, from
    created_at or the id itself. A post on several rows is in the stratum of the first. ids.parquet in the working
    folder has the sample weight of each id. A larger sample with the same seed adds to a smaller one.

    With --select, only posts of the chosen images are looked up, each with all its photos: those among --ids, or else
    in the release here (./twigma, or $TWIGMA_DATA_DIR). A sample is then one of these.

    \b
      twigma rehydrate --ids zenodo --dry-run --budget 50
      twigma rehydrate --ids twigma.csv --sample 10000 --stratify month,label_10_cluster --budget 60
      twigma rehydrate --ids zenodo --select castles.json --budget 20
    """
    is_list = file is not None or select is not None
    if not is_list and (dry_run or sample):
        raise click.UsageError("--dry-run and --sample need a list: name it with --ids")
    if not is_list:
        why = "is of a list: name it with --ids"
        refuse_given(why, "column", "stratify", "seed", "followers")
    if select is not None and retry:
        raise click.UsageError(
            "--retry is of all photos of the folder, and --select of some posts: leave one of them out"
        )
    classes = split_words(retry)
    if not is_list:
        Workspace(work).require()
    # Locked before anything slow is imported, until the last photo is stored.
    if not dry_run:
        click.get_current_context().with_resource(Workspace(work).lock_run())
    check_settings(classes)
    budget_stopped = False
    if is_list:
        lists = find_lists(file)
        only = selected_posts(select, lists, column, work)
        drawn = draw_list(
            work,
            lists.paths,
            column,
            sample,
            stratify,
            seed,
            write=not dry_run,
            only=only,
        )
        if dry_run:
            show_plan(work, drawn, followers, budget)
            return
        _note_identity(work, file)
        client = x_client()
        approve(plan_drawn(work, drawn, followers)[0].dollars, budget)
        budget_stopped = _look_up(work, drawn, client, followers, budget)
    if classes:
        budget_stopped = look_up_gone(work, budget) or budget_stopped
    photos["rows_per_shard"] = shard_size
    fetch_photos(work, engine, classes, photos)
    if budget_stopped:
        raise RuntimeError(
            "the budget stopped the look-up: raise --budget and run again to resume"
        )


def _note_identity(work: Path, file: Path | None) -> None:
    """The posts of the authors' list are TWIGMA's: a folder that says nothing of itself yet says so."""
    from twigma.builder.release.identity import TWIGMA, init

    if str(file) == ZENODO and init(work, TWIGMA):
        path = Workspace(work).identity_file
        show({"identity": path}, [f"{path}: TWIGMA, as its authors state it"])


def _look_up(
    work: Path, drawn: "pa.Table", client: Any, followers: bool, budget: float | None
) -> bool:
    """Record the list of ids, look them up and print the outcomes; whether the budget stopped it."""
    from twigma.rehydrate.ids.sampling import record
    from twigma.rehydrate.sources.x.budget import dollar_text
    from twigma.rehydrate.sources.x.lookup import lookup

    with client:
        record(work, drawn)
        result = lookup(work, drawn["id"].to_pylist(), client, followers, budget)
    spent = f"at most {dollar_text(result.dollars)} in this folder"
    heading = f"posts ({result.asked:,} asked now, {spent}):"
    facts = lookup_facts(result)
    show({"posts": facts}, count_lines(result.outcomes, heading))
    return bool(result.remaining)
