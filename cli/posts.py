"""`twigma collect`, `ids`, `import`, `rehydrate`, `add`: hashtags, post ids or files to images in a working folder."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from twigma.cli.options import DAY, FILE, api_options, say, work_option


@click.command()
@work_option
@click.option("--hashtag", "hashtags", multiple=True, help="Repeat for each.  [default: the six of the paper's text]")
@click.option("--start", type=DAY, default="2021-01-01", show_default=True, help="First day, UTC.")
@click.option("--end", type=DAY, default="2023-03-31", show_default=True, help="Last day, UTC, included.")
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
    from twigma.builder.collect import PAPER_HASHTAGS
    from twigma.builder.collect import collect as run

    with _client(**api) as client:
        tags, first, last = hashtags or PAPER_HASHTAGS, start.date(), end.date()
        found = run(work, tags, first, last, client, followers=followers, budget=budget)
    click.echo(f"collect: {found.pages:,} pages bought now, ${found.dollars:,.2f} in this folder; table in {work}")
    if not found.done:
        raise RuntimeError("the budget stopped the search: raise --budget and run again to go on")


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--column", help="Column that holds the ids.  [default: id_str, tweet_id, post_id, id, or the only one]")
def ids(files: tuple[Path, ...], column: str | None) -> None:
    """Check lists of post ids.

    CSV, TSV, JSON lines, Parquet, text, or a zip of one. Counts what can be used,
    names the lines that cannot, and refuses lists whose ids were rounded on the way.
    """
    from twigma.rehydrate.ids import read_ids

    for file in files:
        good, bad = read_ids(file, column)
        click.echo(f"{file}: {len(good):,} distinct ids, {len(bad):,} lines set aside")
        for line, value, reason in bad[:5]:
            click.echo(f"  line {line}: {reason}: {value[:60]!r}")


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
    from twigma.rehydrate.archives import import_archives

    done, table = import_archives(work, files)
    for file, what in done.items():
        said = f"{what.records:,} records of posts, {what.new:,} ids new to {work}"
        click.echo(f"{file}: " + ("imported before, nothing added" if what.before else said))
        if what.quarantine:
            click.echo(f"  {what.aside:,} lines set aside: {what.quarantine}")
    say({f"{row['what']}: {row['reason']}": row["count"] for row in table.to_pylist()}, f"{work / 'images.parquet'}:")
    click.echo(f"next: twigma rehydrate --work {work}")


@click.command()
@work_option
@click.option(
    "--ids", "file", type=FILE, help="List of post ids: CSV, TSV, JSON lines, Parquet, text, or a zip of one."
)
@click.option("--column", help="Column of the list that holds the ids.")
@click.option("--sample", type=int, metavar="N", help="Look up only N of them: by month, the same ones every time.")
@click.option("--seed", default=0, show_default=True, help="Seed of the sample.")
@click.option("--dry-run", is_flag=True, help="Print calls, dollars and minutes, and buy nothing.")
@api_options
@click.option("--size", type=click.Choice(["small", "medium", "large", "orig"]), default="small", show_default=True)
@click.option("--image-size", type=int, metavar="PX", help="Shrink images whose longer side is over this.")
@click.option("--connections", default=32, show_default=True, help="Most connections to one image host at a time.")
@click.option("--image-base-url", help="Fetch photos from this host instead of https://pbs.twimg.com.")
@click.option("--allow-host", multiple=True, metavar="HOST[:PORT]", help="Private address that may be fetched from.")
@click.option("--retry-failed", is_flag=True, help="Try photos again that failed for a passing reason.")
def rehydrate(
    work: Path,
    file: Path | None,
    column: str | None,
    sample: int | None,
    seed: int,
    dry_run: bool,
    followers: bool,
    budget: float | None,
    size: str,
    image_size: int | None,
    connections: int,
    image_base_url: str | None,
    allow_host: tuple[str, ...],
    retry_failed: bool,
    **api: Any,
) -> None:
    """Look posts up and fetch their photos.

    Without --ids, only the photos of posts that are known already (from `twigma collect`) are fetched. Ids the folder
    knows are never bought twice. Every id ends in outcomes.csv, every photo in shards/ or with the reason it is not.

    \b
      twigma rehydrate --ids twigma.csv --dry-run
      twigma rehydrate --ids twigma.csv --sample 10000 --budget 60
    """
    from twigma.rehydrate.images import fetch

    posts: list[str] = []
    if file is not None:
        posts = _read_list(work, file, column)
        if sample is not None:
            from twigma.rehydrate.ids import sample_ids

            posts = sample_ids(posts, sample, seed)
    if dry_run:
        _print_plan(len(posts), followers)
        return
    stopped = bool(posts) and _look_up(work, posts, _client(**api), followers, budget)
    counts = fetch(
        work,
        image_base_url=image_base_url,
        size=size,
        image_size=image_size,
        connections=connections,
        allow_hosts=allow_host,
        retry_failed=retry_failed,
    ).to_pylist()
    say({row["status"]: row["images"] for row in counts}, f"photos in {work / 'shards'}:")
    if stopped:
        raise RuntimeError("the budget stopped the look-up: raise --budget and run again to go on")


def _read_list(work: Path, file: Path, column: str | None) -> list[str]:
    from twigma.rehydrate.ids import read_ids, write_quarantine

    posts, bad = read_ids(file, column)
    aside = write_quarantine(work, bad, file)
    click.echo(f"{file}: {len(posts):,} ids" + (f", {len(bad):,} lines set aside in {aside}" if aside else ""))
    return posts


def _print_plan(count: int, followers: bool) -> None:
    from twigma.rehydrate.budget import plan

    needed = plan(count, followers)
    click.echo(
        f"{count:,} posts: {needed.calls:,} calls, at most ${needed.dollars:,.2f}, about {needed.minutes} minutes"
    )


def _look_up(work: Path, posts: list[str], client: Any, followers: bool, budget: float | None) -> bool:
    """Look the posts up and say what came of it; whether the budget stopped it."""
    from twigma.rehydrate.lookup import lookup

    with client:
        found = lookup(work, posts, client, followers, budget)
    say(found.outcomes, f"posts ({found.asked:,} asked now, ${found.dollars:,.2f} in this folder):")
    return bool(found.remaining)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@work_option
@click.option(
    "--group", "group_key", metavar="KEY", help="Field of the JSON members to keep as group: artist, prompt …"
)
def add(paths: tuple[Path, ...], work: Path, group_key: str | None) -> None:
    """Add images you already have.

    WebDataset tars (left where they are), image files, or folders of them.

    \b
      twigma add --work mine photos/ shards/*.tar
      twigma add --work refs/paintings --group artist paintings.tar
    """
    from twigma.rehydrate.add import add_tars

    for row in add_tars(work, paths, group_key).to_pylist():
        click.echo("{path}: {images:,} images, {failed:,} failed, {skipped:,} other members left out".format(**row))


def _client(base_url: str, token_file: Path | None, dialect: Any) -> Any:
    from twigma.rehydrate.x_api import XClient, read_token

    return XClient(base_url, read_token(token_file), dialect)
