"""`twigma removals`: what is taken out of everything on request."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import FILE, STORE, count_lines, work_with_pages_option
from twigma.core.values import plural

if TYPE_CHECKING:
    from twigma.cli.facts.releasing import RemovalsFacts

SHOWN = 10  # ids that match nothing


@click.command()
@click.argument("file", type=FILE)
@work_with_pages_option
@click.option(
    "--derived",
    multiple=True,
    type=STORE,
    help="Release, report or set of liked images made from it: deleted if it names one of them, file by file as it "
    "lists them; of a report also what a stopped `analyze` left. Sheets of `sheets` and `hashtags` lose rows. Repeat "
    "for each.",
)
@json_option("removals")
def removals(file: Path, work: Path, derived: tuple[Path, ...]) -> None:
    """Take posts and images out, for good.

    FILE holds one a line: the id of a post or an image, or the address of a post or a photo; or it is the result of a
    batch compliance job of X. A list that was rounded on the way is refused. With a post go its photos. They disappear
    from pages, ledger, tables, lists, shards, columns and caches; salted hashes keep look-ups, searches, imports and
    releases from bringing them back; a receipt in receipts/ lists what was done. Folders are checked before
    anything is erased: one that this software did not write, or that holds other files too, is refused.

    \b
      twigma removals requests.txt --derived twigma --derived report --derived liked
    """
    from twigma.builder.removals.removals import PUBLISHED
    from twigma.builder.removals.removals import removals as run
    from twigma.builder.removals.requests import read_requests

    requests = read_requests(file)
    receipt = run(work, requests.names, derived)
    facts: RemovalsFacts = {
        "file": str(file),
        "when": receipt.when,
        "listed": receipt.listed,
        "posts": receipt.posts,
        "images": receipt.images,
        "other_actions": dict(requests.other_actions),
        "unmatched": receipt.unmatched,
        "changed": receipt.changed,
        "deleted": receipt.deleted,
        "left": receipt.left,
        "next": receipt.next,
        "published": receipt.published,
    }
    hint = [PUBLISHED] if receipt.next else []
    show(facts, [*_removal_lines(work, facts), *hint, *receipt.published])


def _removal_lines(work: Path, facts: "RemovalsFacts") -> Iterator[str]:
    posts, images = plural(facts["posts"], "post"), plural(facts["images"], "image")
    ids = plural(facts["listed"], "id")
    yield f"{facts['file']}: {ids}, {posts} and {images} of {work}"
    for action, count in facts["other_actions"].items():
        ask = plural(count, "line asks", "lines ask")
        yield f"  {ask} for {action!r}: only 'delete' takes out"
    missing = facts["unmatched"]
    if missing:
        shown = ", ".join(missing[:SHOWN])
        etc = ", …" if len(missing) > SHOWN else ""
        match = plural(len(missing), "id matches", "ids match")
        yield f"  {match} nothing in {work}: {shown}{etc}"
    yield from count_lines(facts["changed"], "taken out of:")
    for name in facts["deleted"]:
        yield f"deleted: {name}"
    for name in facts["left"]:
        yield f"left as it is: {name}"
    if facts["next"]:
        yield "run next:"
    for command in facts["next"]:
        yield f"  {command}"
