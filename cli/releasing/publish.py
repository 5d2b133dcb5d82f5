"""`twigma publish hub`: a release to where others find it; a dry run without --go. `zenodo.py` has the other place."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twigma.cli.facts import json_option, show, show_beside_question
from twigma.cli.options import HUB_URL, STORE_TO_READ, work_option
from twigma.core.values import size_text

if TYPE_CHECKING:
    from twigma.builder.publish.hub_plan import Publication
    from twigma.builder.publish.space.space import SpacePublication
    from twigma.cli.facts.releasing import HubFacts, SpaceFacts


@click.group()
def publish() -> None:
    """Publish a release: on the Hugging Face Hub, or on Zenodo.

    Both only list what they would send, and where, until --go is given.
    """


release_argument = click.argument("release", type=STORE_TO_READ, default="twigma")
go_option = click.option(
    "--go", is_flag=True, help="Send it. Without, only list what would be sent."
)


@publish.command()
@click.argument("repo", metavar="NAMESPACE/NAME")
@release_argument
@go_option
@click.option(
    "--gated",
    type=click.Choice(["auto", "manual", "none"]),
    help="Who may download: whoever accepts the conditions, whoever you let in, or everybody.  [default: as it is; "
    "auto for a new repository]",
)
@click.option(
    "--private/--public",
    default=None,
    help="Who sees the repository: members of its namespace, or everybody.  [default: as it is]",
)
@click.option(
    "--erase-history",
    is_flag=True,
    help="Delete tags, commits and stored files that hold rows removed on request. They cannot be restored.",
)
@click.option(
    "--space",
    is_flag=True,
    help="Also the explorer of the release, as a static Space; it replaces the page there, and its history.",
)
@click.option(
    "--space-name",
    metavar="NAMESPACE/NAME",
    help="With --space: its name.  [default: the one published before, or NAMESPACE/NAME-explorer]",
)
@click.option(
    "--ids",
    is_flag=True,
    help="With --space: the page holds the ids of the images, too.",
)
@work_option
@json_option("publish-hub")
def hub(
    repo: str,
    release: Path,
    go: bool,
    gated: str | None,
    private: bool | None,
    erase_history: bool,
    space: bool,
    space_name: str | None,
    ids: bool,
    work: Path,
) -> None:
    """Publish on the Hugging Face Hub.

    Creates the repository if it does not exist, gated, sends the files that differ and tags the version; an
    interrupted run resumes. Settings that you have made there stay unless you ask otherwise. Older versions that still
    hold rows removed on request are listed; at a terminal you are asked whether to erase them. The token is that of
    `hf auth login`, or $HF_TOKEN.

    With --space, whoever sees the Space sees place, cluster, month, likes and score of every image, also where the
    dataset is gated; --private hides both. After `twigma removals`, the next version replaces its page.

    \b
      twigma publish hub acme/twigma
      twigma publish hub acme/twigma --go
      twigma publish hub acme/twigma --space --go
    """
    from twigma.builder.publish.hub import publish_hub

    if not space and (space_name or ids):
        raise click.UsageError("--space-name and --ids are of a Space: add --space")
    # Before anything is sent: a release may have no map.
    page = _render_page(release, ids) if space else b""

    def confirm(plan: "Publication") -> bool:
        show({}, _plan_lines(plan, go))
        if not plan.places or erase_history or not is_terminal():
            return erase_history
        show_beside_question(_place_lines(plan))
        question = "Erase them there, for good? The new version is sent in any case."
        return click.confirm(question, err=True)

    result = publish_hub(
        release,
        repo,
        go=go,
        gated=gated,
        private=private,
        erase_history=erase_history,
        confirm=confirm,
        work=work,
        endpoint=HUB_URL.value or None,
    )
    lines = list(_result_lines(result))
    if not go:
        lines = [*_plan_lines(result, go), *_remedy_lines(result)]
    show(_hub_facts(result, go), lines)
    if not space:
        show({}, _outdated_lines(work, repo, result.tag))
        return
    from twigma.builder.publish.space.space import publish_space

    shown = publish_space(
        release,
        repo,
        page,
        space=space_name,
        with_ids=ids,
        go=go,
        private=private,
        work=work,
        endpoint=HUB_URL.value or None,
    )
    show({"space": _space_facts(shown)}, _space_lines(shown, ids))


def _hub_facts(result: "Publication", go: bool) -> "HubFacts":
    return {
        "repo": result.repo,
        "sent": go and not result.is_current,
        "current": go or result.is_current,
        "exists": result.exists,
        "tag": result.tag,
        "tags": list(result.tags),
        "files": result.files,
        "bytes": result.sending,
        "access": {"now": result.access.now, "then": result.access.then},
        "visibility": {"now": result.visibility.now, "then": result.visibility.then},
        "removed_rows": [
            {"name": place.name, "rows": place.rows, "remedy": place.remedy}
            for place in result.places
        ],
        "erased": result.erased,
    }


def is_terminal() -> bool:
    """Whether somebody is there to answer a question."""
    return sys.stdin.isatty()


def file_lines(states: Mapping[str, str]) -> Iterator[str]:
    """A line for each file: what is done with it, and its name."""
    for path, state in states.items():
        yield f"  {state:<9}  {path}"


def _plan_lines(plan: "Publication", go: bool) -> Iterator[str]:
    """What is on the Hub and what is to be there; nothing of it is done yet."""
    yield from file_lines(plan.files)
    then = "will be" if go else "would be"
    if not plan.exists:
        yield f"{plan.repo}: {then} created"
    yield f"access: {plan.access}"
    yield f"visibility: {plan.visibility}"
    new = [] if plan.tagged else [f"{plan.tag} ({then} new)"]
    yield f"tags: {', '.join([*plan.tags, *new])}"
    yield from _place_lines(plan)
    if go:
        return
    if plan.is_current:
        yield f"{plan.repo}: up to date, {plan.tag} is published"
        return
    size = f"{size_text(plan.sending)} would be sent"
    tagged = "" if plan.tagged else f", tagged {plan.tag}"
    yield f"{plan.repo}: {size}{tagged}; --go does it"


def _result_lines(result: "Publication") -> Iterator[str]:
    """What was done, and what still holds removed rows."""
    if result.erased:
        yield f"{result.erased:,} stored files deleted"
    if result.is_current:
        yield f"{result.repo}: up to date, {result.tag} is published"
    else:
        size = f"{size_text(result.sending)} sent"
        done = size if result.exists else f"created, {size}"
        yield f"{result.repo}: {done}, published as {result.tag}"
    yield from _place_lines(result)
    yield from _remedy_lines(result)


def _place_lines(publication: "Publication") -> Iterator[str]:
    if publication.places:
        yield "rows removed on request can still be downloaded from:"
    for place in publication.places:
        yield f"  {place}"


def _remedy_lines(publication: "Publication") -> Iterator[str]:
    if any(not place.remedy for place in publication.places):
        yield "--erase-history deletes these tags and commits, and the files that no other commit needs"


def _render_page(release: Path, ids: bool) -> bytes:
    """The explorer of a release."""
    from tempfile import TemporaryDirectory

    from twigma.analysis.explorer.page import explore

    with TemporaryDirectory(prefix="twigma-") as folder:
        return explore(release, Path(folder, "index.html"), ids=ids).path.read_bytes()


def _space_facts(shown: "SpacePublication") -> "SpaceFacts":
    return {
        "space": shown.space,
        "version": shown.version,
        "sent": shown.done and not shown.is_current,
        "current": shown.done or shown.is_current,
        "files": shown.files,
        "bytes": shown.sending,
        "visibility": {"now": shown.visibility.now, "then": shown.visibility.then},
        "forgotten": shown.earlier,
        "others": list(shown.others),
    }


def _space_lines(shown: "SpacePublication", ids: bool) -> Iterator[str]:
    """What is, or would be, in the Space."""
    yield from file_lines(shown.files)
    yield f"visibility of the Space: {shown.visibility}"
    named = "with the ids of the images" if ids else "without ids; --ids adds them"
    size = size_text(shown.sending)
    if shown.is_current:
        text = f"up to date, it shows version {shown.version}"
    elif shown.done:
        text = f"{size} sent, it shows version {shown.version} ({named})"
    else:
        text = f"{size} would be sent ({named}); --go does it"
    yield f"Space {shown.space}: {text}"
    if shown.earlier:
        yield f"  {shown.earlier:,} earlier commits there are forgotten"
    if shown.others:
        listed = ", ".join(shown.others)
        yield f"  somebody made {listed} there, which may hold earlier pages: delete them on the Hub"


def _outdated_lines(work: Path, repo: str, tag: str) -> Iterator[str]:
    """Which Spaces of this dataset show another version."""
    from twigma.builder.publish.publications import spaces, update_command

    for entry in spaces(work):
        if entry.repository == repo and f"v{entry.version}" != tag:
            shows = f"Space {entry.record} shows version {entry.version}"
            yield f"{shows}: `{update_command(entry)}` brings it to {tag}"
