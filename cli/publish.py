"""`twigma publish hub` and `twigma publish zenodo`: a release to where others find it; dry unless --go."""

from pathlib import Path

import click

from twigma.cli.options import FOLDER


@click.group()
def publish() -> None:
    """Publish a release: on the Hugging Face Hub, or on Zenodo.

    Both only say what they would send, and where, until --go is given.
    """


release_option = click.option(
    "--release",
    type=FOLDER,
    default="twigma",
    show_default=True,
    help="Release folder.",
)
go_option = click.option(
    "--go", is_flag=True, help="Do it. Without, only say what would be done."
)


@publish.command()
@click.argument("repo", metavar="NAMESPACE/NAME")
@release_option
@go_option
@click.option(
    "--gated",
    type=click.Choice(["auto", "manual", "none"]),
    default="auto",
    show_default=True,
    help="Who may download: whoever accepts the conditions, whoever you let in, or everybody.",
)
@click.option("--private", is_flag=True, help="Make a new repository private.")
@click.option("--endpoint", help="Another Hub than https://huggingface.co.")
def hub(
    repo: str, release: Path, go: bool, gated: str, private: bool, endpoint: str | None
) -> None:
    """Publish on the Hugging Face Hub.

    Makes the repository if it is not there, gates it, sends the files that differ and tags the version. Stopped at
    any moment, it goes on where it was. The token is that of `hf auth login`, or $HF_TOKEN.

    \b
      twigma publish hub acme/twigma
      twigma publish hub acme/twigma --go
    """
    from twigma.builder.publish.hub import publish_hub

    found = publish_hub(
        release, repo, go=go, gated=gated, private=private, endpoint=endpoint
    )
    for path, state in found.files.items():
        click.echo(f"  {state:<9}  {path}")
    if not found.exists:
        click.echo(f"{repo}: {'made' if go else 'would be made'}, access {gated}")
    if not found.changes:
        click.echo(
            f"{repo}: nothing to send, {found.tag} {'is tagged' if found.tagged or go else 'would be tagged'}"
        )
    else:
        verb = "sent" if go else "would be sent"
        click.echo(
            f"{repo}: {found.sending / 1e6:,.1f} MB {verb}, tag {found.tag}"
            + ("" if go else "; --go does it")
        )


@publish.command()
@release_option
@go_option
@click.option(
    "--record",
    metavar="ID",
    help="Publish as the next version of this record.  [default: a new record]",
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
@click.option("--endpoint", help="Another server that speaks the InvenioRDM API.")
def zenodo(
    release: Path,
    go: bool,
    record: str | None,
    creators: tuple[str, ...],
    sandbox: bool,
    endpoint: str | None,
) -> None:
    """Publish on Zenodo, with a DOI.

    Reserves the DOI, writes it into the card, sends the files that differ and publishes the record, which cannot be
    undone. Stopped at any moment before that, it goes on in the same draft. The token is $ZENODO_TOKEN.

    \b
      twigma publish zenodo --creator "Chen, Yiqun T." --creator "Zou, James" --sandbox
      twigma publish zenodo --record 8031785 --go
    """
    from twigma.builder.publish.zenodo import SANDBOX, ZENODO, publish_zenodo

    url = endpoint or (SANDBOX if sandbox else ZENODO)
    found = publish_zenodo(release, go=go, record=record, creators=creators, url=url)
    for path, state in found.files.items():
        click.echo(f"  {state:<9}  {path}")
    where = f"record {found.record}" if found.record else f"a new record on {url}"
    if not found.changes:
        click.echo(
            f"{where}: nothing to send, version {found.version} is published as {found.doi}"
        )
    elif go:
        click.echo(
            f"{where}: {found.sending / 1e6:,.1f} MB sent, version {found.version} published as {found.doi}"
        )
    else:
        click.echo(
            f"{where}: {found.sending / 1e6:,.1f} MB would be sent as version {found.version}; --go does it"
        )
