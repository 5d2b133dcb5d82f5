"""`twigma publish hub` and `twigma publish zenodo`: a release to where others find it; a dry run without --go."""

from collections.abc import Mapping
from pathlib import Path

import click

from twigma.cli.options import FOLDER, HUB_URL, ZENODO_URL, work_option


@click.group()
def publish() -> None:
    """Publish a release: on the Hugging Face Hub, or on Zenodo.

    Both only list what they would send, and where, until --go is given.
    """


release_argument = click.argument("release", type=FOLDER, default="twigma")
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
    default="auto",
    show_default=True,
    help="Who may download: whoever accepts the conditions, whoever you let in, or everybody.",
)
@click.option("--private", is_flag=True, help="Make a new repository private.")
@work_option
def hub(
    repo: str, release: Path, go: bool, gated: str, private: bool, work: Path
) -> None:
    """Publish on the Hugging Face Hub.

    Creates the repository if it does not exist, gates it, sends the files that differ and tags the version; an
    interrupted run resumes. The card names the DOI of a version that was published on Zenodo before. The token is that
    of `hf auth login`, or $HF_TOKEN.

    \b
      twigma publish hub acme/twigma
      twigma publish hub acme/twigma --go
    """
    from twigma.builder.publish.hub import publish_hub

    endpoint = HUB_URL.value or None
    result = publish_hub(
        release, repo, work, go=go, gated=gated, private=private, endpoint=endpoint
    )
    _print_files(result.files)
    if not result.exists:
        click.echo(f"{repo}: {'created' if go else 'would be created'}, access {gated}")
    if not result.changes:
        tagged = "is tagged" if result.tagged or go else "would be tagged"
        click.echo(f"{repo}: nothing to send, {result.tag} {tagged}")
        return
    size = f"{result.sending / 1e6:,.1f} MB"
    if go:
        click.echo(f"{repo}: {size} sent, tag {result.tag}")
    else:
        click.echo(f"{repo}: {size} would be sent, tag {result.tag}; --go does it")


@publish.command()
@release_argument
@go_option
@click.option(
    "--record",
    metavar="ID",
    help="Publish as the next version of this record.  [default: the one published from --work, or a new one]",
)
@click.option(
    "--creator",
    "creators",
    multiple=True,
    metavar="'FAMILY, GIVEN'",
    help="Author of a new record; repeat.",
)
@click.option(
    "--sandbox",
    is_flag=True,
    help="Try it on sandbox.zenodo.org, which has tokens of its own.",
)
@work_option
def zenodo(
    release: Path,
    go: bool,
    record: str | None,
    creators: tuple[str, ...],
    sandbox: bool,
    work: Path,
) -> None:
    """Publish on Zenodo, with a DOI.

    Sends the files that differ and publishes the record, which cannot be undone. Interrupted before that, the next run
    resumes in the same draft. Record and DOI are remembered in the working folder, for the next version and its card;
    the release stays as it is. The token is $ZENODO_TOKEN.

    \b
      twigma publish zenodo --creator "Chen, Yiqun T." --creator "Zou, James" --sandbox
      twigma publish zenodo --record 8031785 --go
    """
    from twigma.builder.publish.zenodo import publish_zenodo

    result = publish_zenodo(
        release,
        work,
        go=go,
        record=record,
        creators=creators,
        sandbox=sandbox,
        url=ZENODO_URL.value or None,
    )
    _print_files(result.files)
    where = f"record {result.record}" if result.record else "a new record"
    where = f"{where} on {result.server}"
    version = f"version {result.version}"
    size = f"{result.sending / 1e6:,.1f} MB"
    if not result.changes:
        click.echo(f"{where}: nothing to send, {version} is published as {result.doi}")
    elif go:
        click.echo(f"{where}: {size} sent, {version} published as {result.doi}")
    else:
        click.echo(f"{where}: {size} would be sent as {version}; --go does it")


def _print_files(states: Mapping[str, str]) -> None:
    for path, state in states.items():
        click.echo(f"  {state:<9}  {path}")
