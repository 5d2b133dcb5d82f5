"""`twigma collect`, `ids`, `import`, `rehydrate`, `add`: hashtags, post ids or files to images in a working folder."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from twigma.cli.id_lists import check_list, draw_list, print_plan
from twigma.cli.options import DAY, FILE, api_options, say, work_option
from twigma.core.workspace import Workspace


@click.command()
@work_option
@click.option(
    "--hashtag",
    "hashtags",
    multiple=True,
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
@api_options
def collect(
    work: Path,
    hashtags: tuple[str, ...],
    start: datetime,
    end: datetime,
    followers: bool,
    budget: float | None,
    **api: Any,
) -> None:
    """Find posts by hashtag in the full archive of X.

    Raw pages are stored before they are read; a stopped search goes on from its last page.

    \b
      twigma collect --hashtag aiart --hashtag midjourney --start 2022-06-01 --end 2022-06-30 --budget 20
    """
    from twigma.builder.collect.collect import PAPER_HASHTAGS
    from twigma.builder.collect.collect import collect as run

    with _client(**api) as client:
        tags, first, last = hashtags or PAPER_HASHTAGS, start.date(), end.date()
        found = run(work, tags, first, last, client, followers=followers, budget=budget)
    click.echo(
        f"collect: {found.pages:,} pages bought now, ${found.dollars:,.2f} in this folder; table in {work}"
    )
    if not found.done:
        raise RuntimeError(
            "the budget stopped the search: raise --budget and run again to go on"
        )


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option(
    "--column",
    help="Column that holds the ids.  [default: id_str, tweet_id, post_id, id, or the only one]",
)
def ids(files: tuple[Path, ...], column: str | None) -> None:
    """Check lists of post ids, before they cost anything.

    CSV, TSV, JSON lines, Parquet, text, or a gzip or zip of one. Counts the ids, writes lines that hold none to
    quarantine.csv beside the list, and refuses a list whose ids were rounded on the way, by a float64 column or a
    spreadsheet: such ids name other posts, or none. Ends with exit code 1 when a list cannot be used.

    `zenodo` in place of a file is the table the authors of TWIGMA published (record 8031785): it is fetched once,
    checked by its MD5, and kept in the cache of `datasets`.

    \b
      twigma ids zenodo
      twigma ids ids.csv more.jsonl --column tweet_id
    """
    refused = 0
    for file in files:
        try:
            check_list(file, column)
        except (ValueError, OSError) as error:
            click.echo(f"twigma: {error}", err=True)
            refused += 1
    if refused:
        raise RuntimeError(f"{refused} of {len(files)} lists cannot be used")


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=FILE)
@work_option
def import_(files: tuple[Path, ...], work: Path) -> None:
    """Take posts from archives you have.

    By twarc (API v2 or v1.1), Zeeschuimer or 4CAT, in JSON lines, plain or gzip; recognised by content. It costs
    nothing: `twigma rehydrate` then fetches the photos, and looks up only ids that no archive has. Of a post, what was
    captured last counts; a file that was imported before adds nothing.

    \b
      twigma import hashtags.jsonl.gz zeeschuimer-export-x.com.ndjson
      twigma rehydrate
    """
    from twigma.rehydrate.sources.archives.import_archives import import_archives

    done, table = import_archives(work, files)
    for file, what in done.items():
        said = f"{what.records:,} records of posts, {what.new:,} ids new to {work}"
        click.echo(
            f"{file}: " + ("imported before, nothing added" if what.before else said)
        )
        if what.quarantine:
            click.echo(f"  {what.skipped:,} lines set aside: {what.quarantine}")
    say(
        {f"{row['what']}: {row['reason']}": row["count"] for row in table.to_pylist()},
        f"{work / 'images.parquet'}:",
    )
    click.echo(f"next: twigma rehydrate --work {work}")


@click.command()
@work_option
@click.option(
    "--ids",
    "file",
    type=FILE,
    help="List of post ids, as for `twigma ids`; `zenodo`: the one of the TWIGMA authors.",
)
@click.option("--column", help="Column of the list that holds the ids.")
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
    help="Columns of the list.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    help="Seed of the sample: the same one draws the same ids.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print calls, dollars and minutes; buy nothing, write nothing.",
)
@api_options
@click.option(
    "--size",
    type=click.Choice(["small", "medium", "large", "orig"]),
    default="small",
    show_default=True,
)
@click.option(
    "--image-size",
    type=int,
    metavar="PX",
    help="Shrink images whose longer side is over this.",
)
@click.option(
    "--connections",
    default=32,
    show_default=True,
    help="Most connections to one image host, over all machines.",
)
@click.option(
    "--image-base-url",
    help="Fetch photos from this host instead of https://pbs.twimg.com.",
)
@click.option(
    "--allow-host",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Private address that may be fetched from.",
)
@click.option(
    "--distributor",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Fetch photos with processes of this machine, or on a Ray cluster.",
)
@click.option(
    "--ray-address",
    help="The cluster: HOST:PORT, ray://HOST:PORT or auto.  [default: one started here]",
)
@click.option(
    "--retry-failed",
    is_flag=True,
    help="Try photos again that failed for a passing reason. Posts whose photo is gone (404, 410) are looked up once "
    "more, which costs as any look-up does: X may know another URL, or that the post is gone too.",
)
def rehydrate(
    work: Path,
    file: Path | None,
    column: str | None,
    sample: int | None,
    stratify: str,
    seed: int,
    dry_run: bool,
    followers: bool,
    budget: float | None,
    size: str,
    image_size: int | None,
    connections: int,
    image_base_url: str | None,
    allow_host: tuple[str, ...],
    distributor: str,
    ray_address: str | None,
    retry_failed: bool,
    **api: Any,
) -> None:
    """Look posts up and fetch their photos.

    Without --ids, only the photos of posts that are known already (from `twigma collect`) are fetched. Ids the folder
    knows are never bought twice. Every id ends in outcomes.csv, every photo in shards/ or with the reason it is not.

    A sample is drawn in proportion to its strata, at least one id of each: columns of the list, or `month`, from
    created_at or the id itself. A post on several rows is in the stratum of the first. ids.parquet in the working
    folder says how many ids of the list each id stands for. A larger sample with the same seed adds to a smaller one.

    \b
      twigma rehydrate --ids zenodo --dry-run --budget 50
      twigma rehydrate --ids twigma.csv --sample 10000 --stratify month,label_10_cluster --budget 60
    """
    if file is None and (dry_run or sample):
        raise click.UsageError(
            "--dry-run and --sample are of a list: name it with --ids"
        )
    if not dry_run:
        click.get_current_context().with_resource(Workspace(work).lock_run())
    from twigma.core.pools.ray_pool import Engine
    from twigma.rehydrate.fetch.fetch import fetch

    stopped = False
    if file is not None:
        drawn = draw_list(work, file, column, sample, stratify, seed, keep=not dry_run)
        if dry_run:
            print_plan(work, drawn, followers, budget)
            return
        stopped = _look_up(work, drawn, _client(**api), followers, budget)
    if retry_failed:
        stopped = _renew(work, budget, **api) or stopped
    counts = fetch(
        work,
        image_base_url=image_base_url,
        size=size,
        image_size=image_size,
        connections=connections,
        allow_hosts=allow_host,
        engine=Engine(distributor, ray_address),
        retry_failed=retry_failed,
    ).to_pylist()
    say(
        {row["status"]: row["images"] for row in counts},
        f"photos in {work / 'shards'}:",
    )
    if stopped:
        raise RuntimeError(
            "the budget stopped the look-up: raise --budget and run again to go on"
        )


def _look_up(
    work: Path, drawn: Any, client: Any, followers: bool, budget: float | None
) -> bool:
    """Record the posts as given, look them up and say what came of it; whether the budget stopped it."""
    from twigma.rehydrate.ids.sampling import record
    from twigma.rehydrate.sources.x.lookup import lookup

    with client:
        record(work, drawn)
        found = lookup(work, drawn["id"].to_pylist(), client, followers, budget)
    say(
        found.outcomes,
        f"posts ({found.asked:,} asked now, ${found.dollars:,.2f} in this folder):",
    )
    return bool(found.remaining)


def _renew(work: Path, budget: float | None, **api: Any) -> bool:
    """Look posts up again whose photo is gone; whether the budget stopped it. Without a token they are left as is."""
    from twigma.rehydrate.retry_missing import gone_posts, retry_missing

    if not (posts := gone_posts(work)):
        return False
    try:
        client = _client(**api)
    except PermissionError as error:
        click.echo(
            f"{len(posts):,} posts whose photo is gone are not looked up again: {error}",
            err=True,
        )
        return False
    with client:
        found = retry_missing(work, client, budget)
    say(
        found.outcomes,
        f"posts whose photo was gone ({found.asked:,} asked now, ${found.dollars:,.2f} in this folder):",
    )
    return bool(found.remaining)


@click.command()
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True)
)
@work_option
@click.option(
    "--group",
    "group_key",
    metavar="KEY",
    help="Field of the JSON members to keep as group: artist, prompt …",
)
def add(paths: tuple[Path, ...], work: Path, group_key: str | None) -> None:
    """Add images you already have.

    WebDataset tars (left where they are), image files, or folders of them.

    \b
      twigma add --work mine photos/ shards/*.tar
      twigma add --work refs/paintings --group artist paintings.tar
    """
    from twigma.rehydrate.sources.own_files.add_images import add_tars
    from twigma.rehydrate.sources.own_files.image_paths import LINK

    for row in add_tars(work, paths, group_key).to_pylist():
        if row["links"]:
            click.echo(f"  {row['links']:,} {LINK}, such as {row['path']}")
            continue
        click.echo(
            "{path}: {images:,} images, {failed:,} failed, {skipped:,} other members left out".format(
                **row
            )
        )


def _client(base_url: str, token_file: Path | None, dialect: Any) -> Any:
    from twigma.rehydrate.sources.x.client import XClient, read_token

    return XClient(base_url, read_token(token_file), dialect)
