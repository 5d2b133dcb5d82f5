"""`twigma publish hub` and `twigma publish zenodo`: a release to where others find it; dry unless --go."""

from pathlib import Path

import click

from twigma.cli.options import FOLDER


@click.group()
def publish() -> None:
    """Publish a release: on the Hugging Face Hub, or on Zenodo.

    Both only say what they would send, and where, until --go is given.
    """


release_option = click.option("--release", type=FOLDER, default="twigma", show_default=True, help="Release folder.")
go_option = click.option("--go", is_flag=True, help="Do it. Without, only say what would be done.")


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
def hub(repo: str, release: Path, go: bool, gated: str, private: bool, endpoint: str | None) -> None:
    """Publish on the Hugging Face Hub.

    Makes the repository if it is not there, gates it, sends the files that differ and tags the version. Stopped at
    any moment, it goes on where it was. The token is that of `hf auth login`, or $HF_TOKEN.

    \b
      twigma publish hub acme/twigma
      twigma publish hub acme/twigma --go
    """
    from twigma.builder.publish_hub import publish_hub

    found = publish_hub(release, repo, go=go, gated=gated, private=private, endpoint=endpoint)
    for path, state in found.files.items():
        click.echo(f"  {state:<9}  {path}")
    if not found.exists:
        click.echo(f"{repo}: {'made' if go else 'would be made'}, access {gated}")
    if not found.changes:
        click.echo(f"{repo}: nothing to send, {found.tag} {'is tagged' if found.tagged or go else 'would be tagged'}")
    else:
        verb = "sent" if go else "would be sent"
        click.echo(f"{repo}: {found.sending / 1e6:,.1f} MB {verb}, tag {found.tag}" + ("" if go else "; --go does it"))
