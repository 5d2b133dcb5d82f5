"""Fetching for `twigma rehydrate` and `twigma add --urls`: check the settings, fetch, print the counts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twigma.cli.options import (
    ALLOW_HOSTS,
    IMAGE_URL,
    as_engine,
    print_counts,
    split_words,
)
from twigma.core.workspace import Workspace

if TYPE_CHECKING:
    from twigma.rehydrate.sources.url_lists.add_urls import AddedUrls


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
    from twigma.rehydrate.fetch.fetch import fetch

    counts = fetch(
        work,
        image_base_url=IMAGE_URL.value or None,
        allow_hosts=split_words(ALLOW_HOSTS.value),
        engine=as_engine(engine),
        retry=retry,
        **photos,
    )
    by_status = {row["status"]: row["images"] for row in counts.to_pylist()}
    print_counts(by_status, f"photos in {Workspace(work).shards}:")


def add_url_list(work: Path, file: Path) -> None:
    """Add the addresses of a list and fetch their images, with the settings of the photos fetched before."""
    from twigma.rehydrate.fetch.shard_plan import used_settings
    from twigma.rehydrate.sources.url_lists.add_urls import add_urls

    check_settings()
    with Workspace(work).lock_run():
        _print_added(file, add_urls(work, file))
        fetch_photos(work, "local", (), used_settings(work))


def _print_added(file: Path, added: "AddedUrls") -> None:
    counts = {
        "new": added.new,
        "known": added.known,
        "repeated in the list": added.repeated,
        "removed on request": added.removed,
        "rows without an address": added.without_url,
        "lines that are no row": added.left_out.lines,
    }
    print_counts({name: n for name, n in counts.items() if n}, f"addresses in {file}:")
    pairs = [f"{ours} from {theirs}" for ours, theirs in added.columns.items()]
    click.echo(f"  columns: {', '.join(pairs)}")
    for line in added.left_out.first:
        click.echo(f"  left out, {line}")
    for column, count in sorted(added.unread.items()):
        click.echo(f"  {column}: {count:,} values could not be read and are empty")
