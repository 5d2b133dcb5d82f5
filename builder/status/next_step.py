"""The one command to run next on a working folder, and why. Part of `twigma status`."""

import shlex
from collections.abc import Iterator, Mapping

from twigma.builder.maps import FEWEST
from twigma.builder.stages.nsfw import model_of
from twigma.builder.status.facts import (
    NextStep,
    Progress,
    SearchFacts,
    ShardFacts,
    StageFacts,
)
from twigma.core.names import command_of, split_name
from twigma.core.values import plural
from twigma.core.workspace import Workspace
from twigma.rehydrate.accounting import (
    IdCounts,
    PhotoCounts,
    describe_missing_photos,
)
from twigma.rehydrate.sources.x.budget import plan_lookup

# FILE and DOLLARS are for the user to fill in.
LOOK_UP = "twigma rehydrate --ids FILE"
DEFAULT_FOLDER = Workspace("work")  # of every command, so that it need not be named


def next_step(work: Workspace, facts: Progress) -> NextStep:
    """The most urgent step; no command while a run is going on or something must be repaired first."""
    command, why = next(_steps(work, facts))
    if command and work != DEFAULT_FOLDER:
        command += f" --work {shlex.quote(str(work))}"
    return {"command": command, "why": why}


def describe_running(running: Mapping[str, int | None]) -> Iterator[str]:
    """A sentence for each run that is at work.

    >>> list(describe_running({"fetch": 71, "look-up": None}))
    ['a fetch is running (process 71)', 'a look-up is running (on another machine or in a container)']
    """
    for run, process in running.items():
        where = "on another machine or in a container"
        if process is not None:
            where = f"process {process}"
        yield f"a {run} is running ({where})"


def _steps(work: Workspace, facts: Progress) -> Iterator[tuple[str | None, str]]:
    """(command, why) of everything that is open, most urgent first."""
    for sentence in describe_running(facts["running"]):
        yield None, f"{sentence}: try again later"
    if facts["damaged"]:
        yield None, "repair what is listed as damaged first"
    # These are missing only when a file is damaged.
    if facts["photos"] is not None:
        yield from _open_posts(facts["ids"], facts["searches"], facts["photos"])
        yield from _unshown_photos(work, facts["not_looked_up"], facts["unshown"])
        yield from _open_photos(facts["photos"], facts["shards"])
        no_photos = describe_missing_photos(work)
        if no_photos:
            unanswered = _unanswered(facts["ids"])
            yield "twigma import FILE", f"{no_photos}{unanswered}"
    release_command = "twigma release"
    for name, stage in facts["stages"].items():
        due = stage["to_do"] + stage["out_of_date"]
        if not due:
            continue
        command: str | None = stage["command"]
        if name == "cluster" and due < FEWEST:
            command = None
        elif name == "nsfw":
            command = _nsfw_command(facts["stages"])
        if command is None:
            release_command += f" --without {name}"
            continue
        models = ", ".join(stage["models"])
        so_far = f"; so far with {models}" if models else ""
        yield command, f"{plural(due, 'image')} to do or out of date{so_far}"
    release = facts["release"]
    unanswered = _unanswered(facts["ids"])
    if release is None:
        yield release_command, f"every stage is done{unanswered}"
        return
    if release["out_of_date"]:
        yield release_command, "the release is older than the working folder"
    yield (
        f"twigma analyze {shlex.quote(release['folder'])}",
        f"every stage is done, and so is the release{unanswered}",
    )


def _nsfw_command(stages: Mapping[str, StageFacts]) -> str | None:
    """The command that scores the images; None where no embeddings are of the model that the detector reads."""
    detector_reads = model_of()
    models = set(stages["nsfw"]["models"]) or {detector_reads}
    command = command_of("nsfw")
    possible = []
    for name, stage in stages.items():
        kind, label = split_name(name)
        if kind == "embed" and not models.isdisjoint(stage["models"]):
            possible.append(f"{command} --embedding {label}" if label else command)
    if not possible:
        return None
    chosen = possible[0]
    if stages["nsfw"]["command"] in possible:
        chosen = stages["nsfw"]["command"]
    if detector_reads not in models:
        chosen += " --detector FILE"
    return chosen


def _unanswered(ids: IdCounts | None) -> str:
    """What is to be said of the ids of which X has said nothing."""
    if ids is None or not ids["absent"]:
        return ""
    return f"; X has said nothing of {ids['absent']:,} ids, which the next look-up asks for again"


def _open_posts(
    ids: IdCounts | None, searches: SearchFacts | None, photos: PhotoCounts
) -> Iterator[tuple[str, str]]:
    no_ids = ids is None or not ids["total"]
    if no_ids and not photos["total"]:
        yield (
            LOOK_UP,
            "the folder is empty: begin with a list of post ids, or with `twigma collect`, `import` or `add`",
        )
    if ids is not None and ids["not_asked"]:
        plan = plan_lookup(ids["not_asked"])
        price = f"at most ${plan.dollars:,.2f}, about {plan.minutes} minutes"
        yield (
            LOOK_UP,
            f"{ids['not_asked']:,} ids were never asked: {price}; repeat with the same list and options",
        )
    if ids is not None and ids["unlisted"]:
        yield (
            LOOK_UP,
            f"{ids['unlisted']:,} posts were found by a run that ended early: repeat it to list their photos",
        )
    if searches is None:
        return
    if searches["resume"]:
        why = "this collection is not at its end; what it has is not searched again"
        if searches["resume"].endswith("DOLLARS"):
            why += ". Its budget is spent: name a larger one, or ask for the price with --dry-run"
        yield searches["resume"], why
    if searches["archives"]:
        yield (
            "twigma import FILE",
            f"{searches['archives']:,} archives were not read to their end: import the same files again",
        )


def _unshown_photos(
    work: Workspace, not_looked_up: int, unshown: int
) -> Iterator[tuple[str, str]]:
    """Posts whose photos no page shows: those that X was never asked for, and those that it may be asked for again."""
    if not_looked_up:
        dollars = plan_lookup(not_looked_up).dollars
        yield (
            f"twigma rehydrate --ids {shlex.quote(str(work.photos_unknown_file))}",
            f"no archive or search shows which photos are on {plural(not_looked_up, 'post')}: "
            f"looking them up costs at most ${dollars:,.2f}",
        )
    if unshown:
        dollars = plan_lookup(unshown).dollars
        yield (
            "twigma rehydrate --retry failed",
            f"{unshown:,} posts have photos that no answer has shown: one more look-up, at most ${dollars:,.2f}",
        )


def _open_photos(photos: PhotoCounts, shards: ShardFacts) -> Iterator[tuple[str, str]]:
    waiting, unfinished = photos["waiting"], shards["unfinished"]
    if waiting or unfinished:
        reason = "a fetch was stopped"
        if waiting:
            reason = f"{waiting:,} photos are waiting"
        yield "twigma rehydrate", f"{reason}, {unfinished:,} shards are begun"
    if photos["tried_once"]:
        yield (
            "twigma rehydrate --retry failed",
            f"{photos['tried_once']:,} photos failed once for a passing reason; "
            "with a token it also looks posts up once more whose photo is gone",
        )
