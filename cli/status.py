"""`twigma status`: where everything in a working folder stands, and what to run next."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from twigma.cli.options import work_option

MOST_NAMED = 10  # damaged files on the page
WORDS = {
    "stored": "all of their photos are in shards",
    "partly_stored": "some photos are in shards, the others failed",
    "waiting": "photos are still to be fetched",
    "no_photo": "found, but without a photo (a text, a video, a repost)",
    "unlisted": "found, their photos are not in images.parquet yet",
    "not_found": "deleted, or never there",
    "unauthorized": "of a protected account",
    "suspended": "of a suspended account",
    "absent": "X answered without them",
    "not_asked": "never asked",
}


@click.command()
@work_option
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="The same facts as one JSON object, numbers as numbers.",
)
def status(work: Path, as_json: bool) -> None:
    """Show where every id and photo stands, and what to run next.

    Reads only, and may be asked while a run goes on. Every id of the list is in exactly one class, and
    the classes add up. Exit code 1 when a file is damaged: it is named, with what to do, and the rest is shown.
    The object of --json is described in twigma.builder.status.status.

    \b
      twigma status
      twigma status --json | jq .ids.not_asked
    """
    from twigma.builder.status.status import status as read

    facts = dict(read(work))
    click.echo(json.dumps(facts, indent=1) if as_json else "\n".join(_page(facts)))
    if facts["damaged"]:
        raise RuntimeError(
            f"{work} is damaged: the lines that begin with `damaged` say where, and what to do"
        )


def _page(facts: dict[str, Any]) -> Iterator[str]:
    for what, process in (facts["running"] or {}).items():
        yield f"a {what} is running (process {process})\n"
    yield from _ids(facts)
    yield from _photos(facts)
    yield from _stages(facts)
    yield from _money_and_disk(facts)
    for sentence in facts["damaged"][:MOST_NAMED]:
        yield f"damaged: {sentence}"
    if (more := len(facts["damaged"]) - MOST_NAMED) > 0:
        yield f"damaged: {more:,} more, which --json lists"
    step = facts["next"]
    yield (
        f"next: {step['command']}\n      {step['why']}"
        if step["command"]
        else f"next: {step['why']}"
    )


def _line(count: int, name: str, about: str = "") -> str:
    return f"{count:>13,}  {name:<22}{about}".rstrip()


def _failed(failed: dict[str, int]) -> Iterator[str]:
    for name, count in sorted(failed.items(), key=lambda pair: (-pair[1], pair[0])):
        yield _line(count, f"failed: {name}")


def _ids(facts: dict[str, Any]) -> Iterator[str]:
    ids, work = facts["ids"], Path(facts["work"])
    if ids is None:
        yield "ids: not known, see what is damaged below\n"
        return
    source = (
        f"ids in {work / ids['list']}"
        if ids["list"]
        else f"ids known to {work / 'ledger.sqlite'}"
    )
    yield (
        f"{ids['total']:,} {source} ="
        if ids["total"] or ids["list"]
        else "no ids were given yet"
    )
    for name, count in ids.items():
        if name == "failed":
            yield from _failed(count)
        elif name in WORDS and count:
            yield _line(count, name, WORDS[name])
    if facts["set_aside"]:
        yield f"beside them {facts['set_aside']:,} lines that hold no usable id: {work / 'quarantine.csv'}"
    if ids["beyond_list"]:
        yield f"beside them {ids['beyond_list']:,} posts not in the list: collected, imported, or of another list"
    if (work / "outcomes.csv").exists():
        yield f"the outcome of every id of the last look-up: {work / 'outcomes.csv'}"
    yield ""


def _photos(facts: dict[str, Any]) -> Iterator[str]:
    photos, shards = facts["photos"], facts["shards"]
    if photos is None:
        yield "photos: not known, see what is damaged below\n"
        return
    yield f"{photos['total']:,} photos on {photos['rows']:,} rows" + (
        " =" if photos["total"] else ""
    )
    for name in ("stored", "waiting"):
        if photos[name]:
            yield _line(photos[name], name)
    yield from _failed(photos["failed"])
    yield f"in {shards['finished']:,} finished shards" + (
        f"; {shards['unfinished']:,} are begun" if shards["unfinished"] else ""
    )
    if photos["without_row"]:
        yield f"beside them {photos['without_row']:,} photos in shards whose post is not in the images table"
    yield ""


def _stages(facts: dict[str, Any]) -> Iterator[str]:
    yield f"{'stage':<9}{'done':>12}{'out of date':>14}{'to do':>12}  images"
    for name, stage in facts["stages"].items():
        numbers = (
            f"{stage['done']:>12,}{stage['out_of_date']:>14,}{stage['to_do']:>12,}"
        )
        yield f"{name:<9}{numbers}  {', '.join(stage['models'])}".rstrip()
        if empty := stage.get("not_decodable"):
            yield _line(empty, "not decodable", "done, but without a value")
    release = facts["release"]
    if release:
        state = (
            "older than the working folder" if release["out_of_date"] else "up to date"
        )
        about = f"{release['images']:,} images of {release['posts']:,} posts, {state}"
        yield f"release  {release['version']} in {release['folder']}: {about}"
    yield ""


def _money_and_disk(facts: dict[str, Any]) -> Iterator[str]:
    spent, searches = facts["spent"], facts["searches"] or {"done": 0, "open": 0}
    if any(searches.values()):
        yield f"searches and archives: {searches['done']:,} done, {searches['open']:,} open"
    if spent:
        yield f"spent: at most ${spent['dollars']:,.2f} ({spent['posts']:,} posts, {spent['users']:,} authors)"
    sizes = ", ".join(
        f"{name} {_size(size)}"
        for name, size in facts["bytes"].items()
        if name not in ("total", "free")
    )
    yield f"disk:  {_size(facts['bytes']['total'])} ({sizes}); {_size(facts['bytes']['free'])} free"


def _size(count: int) -> str:
    unit = next(
        (
            unit
            for unit in ("GB", "MB", "kB")
            if count >= {"GB": 1e9, "MB": 1e6, "kB": 1e3}[unit]
        ),
        "B",
    )
    return f"{count / {'GB': 1e9, 'MB': 1e6, 'kB': 1e3, 'B': 1}[unit]:,.{0 if unit == 'B' else 1}f} {unit}"
