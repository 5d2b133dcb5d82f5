"""`twigma add`: images you have, or a list of addresses; and the fetch of photos, which `twigma rehydrate` runs too."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import (
    ALLOW_HOSTS,
    EXISTING,
    FILE,
    IMAGE_URL,
    approve,
    as_engine,
    count_lines,
    refuse_given,
    shard_size_option,
    split_words,
    work_option,
    x_client,
)
from twigma.core.progress import notice
from twigma.core.values import plural
from twigma.core.workspace import Workspace

if TYPE_CHECKING:
    from twigma.cli.facts.sourcing import AddedList, LookupFacts, PhotosFacts
    from twigma.rehydrate.sources.own_files.report import Added
    from twigma.rehydrate.sources.url_lists.add_urls import AddedUrls
    from twigma.rehydrate.sources.x.lookup import Lookup


@click.command()
@click.argument("paths", nargs=-1, type=EXISTING)
@work_option
@click.option(
    "--group",
    "group_key",
    metavar="KEY",
    help="Field of the JSON members that becomes the column `group`: artist, prompt …",
)
@click.option(
    "--urls",
    type=FILE,
    help="List of image addresses to fetch: Parquet, CSV, JSON lines or text.",
)
@shard_size_option
@json_option("add")
def add(
    paths: tuple[Path, ...],
    work: Path,
    group_key: str | None,
    urls: Path | None,
    shard_size: int,
) -> None:
    """Add images you already have, or a list of their addresses.

    WebDataset tars (not copied), image files, folders of them, zips, .tar.gz, Parquet, or folders by `save_to_disk` of
    `datasets`. Of what stands beside an image in JSON or .txt (as img2dataset, gallery-dl, DiffusionDB and trainers
    write it), or on its row of the metadata.jsonl, .csv or .parquet of an ImageFolder, address, text, author, likes and
    time go into the images table. Images that the folder has already are skipped, and metadata that is new beside them
    is filled in; files in AVIF, TIFF and BMP are converted to PNG. Rows and lines that are of no image, and values that
    cannot be read, are counted and named.

    The addresses of --urls are in a column url or image_url; caption, text or prompt, like_count, author, created_at,
    nsfw and the like fill our columns. What is fetched is JPEG, PNG, WebP or GIF: anything else, TIFF and AVIF too, is
    not_an_image; download such files and add them. Stopped, it resumes when run again; what became of each address is
    in `twigma status`.

    \b
      twigma add --work mine photos/ shards/*.tar
      twigma add --work refs/paintings --group artist paintings.tar
      twigma add --work laion --urls laion-aesthetic.parquet
    """
    if not paths and urls is None:
        raise click.UsageError("name tars, images or folders, or a list with --urls")
    if not paths:
        refuse_given("is of JSON beside files, and a list has none", "group_key")
    if paths:
        _add_files(work, paths, group_key, shard_size)
    if urls is not None:
        _add_urls(work, urls, shard_size)


def _add_files(
    work: Path, paths: tuple[Path, ...], group_key: str | None, shard_size: int
) -> None:
    """Add tars and images, and print the counts of each."""
    from twigma.rehydrate.sources.own_files.add_images import add_tars

    rows: list[Added] = []

    def show_row(row: "Added") -> None:
        rows.append(row)
        show({"files": rows}, _added_lines(row))

    try:
        add_tars(work, paths, group_key, show_row, per_shard=shard_size)
    finally:
        # Filled in at the end of the run, whatever stopped it.
        if rows:
            show({"files": rows}, _updated_lines(rows))


def _added_lines(row: "Added") -> Iterator[str]:
    from twigma.rehydrate.sources.facts.unread import describe_unread
    from twigma.rehydrate.sources.pictures.reasons import singular

    counts = f"{plural(row['images'], 'image')}, {row['failed']:,} failed"
    known = f", {row['known']:,} were here already" if row["known"] else ""
    yield f"{row['path']}: {counts}{known}"
    if row["restored"]:
        yield f"  stored again, as their pictures had gone: {row['restored']:,}"
    for left_out in row["left_out"]:
        such_as = f", such as {left_out['example']}" if left_out["example"] else ""
        reason = left_out["reason"]
        if left_out["count"] == 1:
            reason = singular(reason)
        yield f"  left out: {left_out['count']:,} {reason}{such_as}"
    for field in row["unread"]:
        yield f"  {describe_unread(field)}"


def _updated_lines(rows: "list[Added]") -> Iterator[str]:
    """What was filled in of images that were here already."""
    counts = Counter[str]()
    for row in rows:
        counts[row["path"]] += row["updated"]
    for path, count in counts.items():
        if count:
            updated = plural(
                count,
                "image that was here already has new metadata",
                "images that were here already have new metadata",
            )
            yield f"{path}: {updated}"


def _add_urls(work: Path, file: Path, shard_size: int) -> None:
    """Add the addresses of a list and fetch their images, with the settings of the photos fetched before."""
    from twigma.rehydrate.fetch.shard_plan import used_settings
    from twigma.rehydrate.sources.url_lists.add_urls import add_urls

    check_settings()
    with Workspace(work).lock_run():
        _show_list(file, add_urls(work, file))
        settings = used_settings(work) | {"rows_per_shard": shard_size}
        fetch_photos(work, "local", (), settings)


def _show_list(file: Path, added: "AddedUrls") -> None:
    facts: AddedList = {
        "file": str(file),
        "new": added.new,
        "known": added.known,
        "updated": added.updated,
        "repeated": added.repeated,
        "removed": added.removed,
        "without_url": added.without_url,
        "no_rows": added.left_out.lines,
        "no_rows_first": added.left_out.first,
        "columns": added.columns,
        "unread": added.unread.rows(),
    }
    show({"list": facts}, _list_lines(facts))


def _list_lines(facts: "AddedList") -> Iterator[str]:
    from twigma.rehydrate.sources.facts.unread import describe_unread

    counts = {
        "new": facts["new"],
        "known": facts["known"],
        "repeated in the list": facts["repeated"],
        "removed on request": facts["removed"],
        "rows without an address": facts["without_url"],
        "lines that are no row": facts["no_rows"],
    }
    some = {name: count for name, count in counts.items() if count}
    yield from count_lines(some, f"addresses in {facts['file']}:")
    pairs = [f"{ours} from {theirs}" for ours, theirs in facts["columns"].items()]
    yield f"  columns: {', '.join(pairs)}"
    for line in facts["no_rows_first"]:
        yield f"  left out, {line}"
    if facts["updated"]:
        yield f"  {facts['updated']:,} known addresses have new metadata"
    for field in facts["unread"]:
        yield f"  {describe_unread(field)}"


# ------------------------------------------------------------------ fetching


def check_settings(retry: tuple[str, ...] = ()) -> None:
    """ValueError for addresses and classes that are none, before anything is bought."""
    from twigma.rehydrate.fetch.fetch import check_addresses
    from twigma.rehydrate.fetch.shard_plan import retried_classes

    check_addresses(IMAGE_URL.value or None, split_words(ALLOW_HOSTS.value))
    retried_classes(retry)


def fetch_photos(
    work: Path, engine: str, retry: tuple[str, ...], photos: dict[str, Any]
) -> None:
    """Fetch the photos of every known post and address, and print their counts by status."""
    from twigma.rehydrate.accounting import describe_missing_photos
    from twigma.rehydrate.fetch.fetch import fetch

    counts = fetch(
        work,
        image_base_url=IMAGE_URL.value or None,
        allow_hosts=split_words(ALLOW_HOSTS.value),
        engine=as_engine(engine),
        retry=retry,
        **photos,
    )
    folder = Workspace(work).shards
    by_status = {row["status"]: row["images"] for row in counts.to_pylist()}
    facts: PhotosFacts = {"folder": str(folder), "by_status": by_status}
    heading = f"photos in {folder}:"
    if not by_status:
        heading = describe_missing_photos(work) or heading
    show({"photos": facts}, count_lines(by_status, heading))


def lookup_facts(result: "Lookup") -> "LookupFacts":
    """What a look-up has done."""
    return {
        "asked": result.asked,
        "dollars": result.dollars,
        "outcomes": result.outcomes,
        "remaining": result.remaining,
    }


def look_up_gone(work: Path, budget: float | None) -> bool:
    """Look up posts again whose photo is gone or was not shown; whether the budget stopped it.

    Without a token they are skipped.
    """
    from twigma.rehydrate.retry_missing import gone_posts, retry_missing
    from twigma.rehydrate.sources.x.budget import dollar_text, plan_lookup

    posts = gone_posts(work)
    if not posts:
        return False
    try:
        client = x_client()
    except PermissionError as error:
        notice(
            f"{len(posts):,} posts whose photo is gone or was not shown are not looked up again: {error}"
        )
        return False
    approve(plan_lookup(len(posts)).dollars, budget)
    with client:
        result = retry_missing(work, client, budget)
    spent = f"at most {dollar_text(result.dollars)} in this folder"
    asked = f"{result.asked:,} asked now, {spent}"
    heading = f"posts whose photo was gone or not shown ({asked}):"
    facts = lookup_facts(result)
    show({"posts_again": facts}, count_lines(result.outcomes, heading))
    return bool(result.remaining)
