"""`twigma reference list` and `twigma reference add`: what the studied images are compared with."""

from pathlib import Path
from typing import Any

import click

from twigma.cli.options import FOLDER, device_option, say

refs_option = click.option(
    "--refs", type=FOLDER, default="refs", show_default=True, help="Folder of the sets."
)


@click.group()
def reference() -> None:
    """Get the sets that the paper compares with, or take your own.

    A reference set is a folder refs/NAME with the same columns as a working folder, embedded by the same model as the
    studied images. `twigma analyze --reference NAME` uses it.
    """


@reference.command("list")
@refs_option
def list_(refs: Path) -> None:
    """Print the sets that are known by name, and those that are here."""
    from twigma.builder.references.catalogue import TABLE
    from twigma.builder.references.record import read_records

    for known in TABLE.values():
        click.echo(f"{known.name}: {known.use}")
        role = {"plays": f"the {known.role} of `twigma analyze`"} if known.role else {}
        facts = {
            "from": known.origin,
            "licence": known.licence,
            "download": known.download,
            **role,
            "note": known.note,
        }
        for name, text in facts.items():
            if text:
                click.echo(f"  {name:<9} {text}")
    for about in read_records(refs):
        model = about.get("model", {}).get("model", "not embedded")
        origin = ", ".join(about["origin"]) or "unknown"
        click.echo(
            f"{refs / about['name']}: {about.get('kind')} from {origin}; {about['licence']}; {model}"
        )


@reference.command()
@click.argument("name")
@click.argument("sources", nargs=-1, metavar="[PATH | ORG/NAME]...")
@refs_option
@click.option(
    "--like",
    type=FOLDER,
    help="Working folder or release it is for.  [default: work or twigma]",
)
@click.option(
    "--model",
    help="ARCHITECTURE/TAG, hf-hub:ORG/NAME or a folder.  [default: the one that embedded --like]",
)
@click.option(
    "--group",
    metavar="COLUMN",
    help="Column, or field of the JSON in a tar, with the artist or prompt.",
)
@click.option(
    "--column", help="Column with the images, embeddings or texts.  [default: found]"
)
@click.option(
    "--role",
    type=click.Choice(["photographs", "paintings", "prompts"]),
    help="Whose place it takes in the figures.",
)
@click.option(
    "--licence",
    help="Licence of the data, to be shown.  [default: that of the dataset's card]",
)
@click.option(
    "--files",
    multiple=True,
    metavar="PATTERN",
    help="Files of ORG/NAME.  [default: *.parquet, *.tar]",
)
@click.option(
    "--parts",
    default="1",
    show_default=True,
    help="Parts of DiffusionDB, such as 1,4-6.",
)
@click.option(
    "--revision",
    help="Commit, branch or tag of the dataset.  [default: the newest, then kept]",
)
@click.option("--endpoint", help="Another Hub than https://huggingface.co.")
@device_option
def add(name: str, sources: tuple[str, ...], parts: str, **options: Any) -> None:
    """Make a reference set, or add to it.

    One of `twigma reference list` by its NAME alone. Or any other, of images (a folder, files, WebDataset tars,
    Parquet), embeddings (.npy, .h5, Parquet; --model says what made them), texts (.txt, .csv, Parquet), or a dataset of
    the Hub. Images and texts are embedded by the model of --like. Stopped at any moment, it goes on where it was; run
    again, it does nothing.

    \b
      twigma reference add artbench
      twigma reference add diffusiondb --parts 1-3
      twigma reference add mine photos/ --role photographs
      twigma reference add theirs vectors.npy --model ViT-L-14/openai
    """
    from twigma.builder.references.add_reference import add_reference
    from twigma.builder.references.diffusiondb import parts_of

    record = add_reference(name, sources, parts=parts_of(parts), **options)
    if record.counts:
        say(record.counts, f"{record.folder}:")
    else:
        click.echo(f"{record.folder}: nothing to do")
    for note in record.notes:
        click.echo(note)
    about = record.about
    click.echo(
        f"from {', '.join(about['origin'])}; licence: {about['licence']}; model: {about['model']['model']}"
    )
    if about.get("note"):
        click.echo(about["note"])
    if about["kind"] != "texts":
        click.echo(f"next: twigma analyze --reference {name}")
