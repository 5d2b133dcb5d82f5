"""`twigma publish zenodo`: a release to a repository that gives it a DOI."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import ZENODO_URL, work_option
from twigma.cli.releasing.publish import file_lines, go_option, release_argument
from twigma.core.values import size_text

if TYPE_CHECKING:
    from twigma.builder.publish.zenodo import Deposit
    from twigma.cli.facts.releasing import ZenodoFacts


@click.command()
@release_argument
@go_option
@click.option(
    "--record",
    metavar="ID",
    help="Publish as the next version of this record.  [default: the one published from --work, or a new one]",
)
@click.option(
    "--sandbox",
    is_flag=True,
    help="Try it on sandbox.zenodo.org, which has tokens of its own.",
)
@work_option
@json_option("publish-zenodo")
def zenodo(
    release: Path,
    go: bool,
    record: str | None,
    sandbox: bool,
    work: Path,
) -> None:
    """Publish on Zenodo, with a DOI.

    Sends the files that differ and publishes the record, which cannot be undone. Interrupted before that, the next run
    resumes in the same draft. Record and DOI are remembered in the working folder, for the next version and its card;
    the release stays as it is. Title, authors and licence are those of dataset.toml (`twigma init`). The token is
    $ZENODO_TOKEN.

    \b
      twigma publish zenodo --sandbox
      twigma publish zenodo --record 8031785 --go
    """
    from twigma.builder.publish.removed_rows import ON_ZENODO, has_removals
    from twigma.builder.publish.zenodo import publish_zenodo

    result = publish_zenodo(
        release,
        work,
        go=go,
        record=record,
        sandbox=sandbox,
        url=ZENODO_URL.value or None,
    )
    facts: ZenodoFacts = {
        "server": result.server,
        "record": result.record or None,
        "version": result.version,
        "doi": result.doi or None,
        "published": result.published,
        "files": result.files,
        "bytes": result.sending,
        "removed_rows": bool(result.record) and has_removals(release),
    }
    lines = list(_deposit_lines(result, go))
    if facts["removed_rows"]:
        lines.append(ON_ZENODO)
    show(facts, lines)


def _deposit_lines(result: "Deposit", go: bool) -> Iterator[str]:
    yield from file_lines(result.files)
    where = f"record {result.record}" if result.record else "a new record"
    where = f"{where} on {result.server}"
    version = f"version {result.version}"
    size = size_text(result.sending)
    if not result.changes:
        yield f"{where}: nothing to send, {version} is published as {result.doi}"
    elif go:
        yield f"{where}: {size} sent, {version} published as {result.doi}"
    else:
        yield f"{where}: {size} would be sent as {version}; --go does it{_lacking()}"


def _lacking() -> str:
    """What --go would be refused without, where it is not there."""
    from twigma.builder.publish.zenodo_calls import TOKEN_VARIABLE

    is_set = bool(os.environ.get(TOKEN_VARIABLE))
    return "" if is_set else f", with a token in ${TOKEN_VARIABLE}"
