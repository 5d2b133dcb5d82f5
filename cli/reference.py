"""`twigma reference list` and `twigma reference add`: what the studied images are compared with."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twigma.cli.options import FOLDER, HUB_URL, print_counts

if TYPE_CHECKING:
    from twigma.builder.references.catalogue import Known

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
    """Print the sets that are known by name, and those that are here.

    \b
      twigma reference list
    """
    from twigma.builder.references.catalogue import TABLE
    from twigma.builder.references.record import read_records

    for known in TABLE.values():
        _print_known(known)
    for about in read_records(refs):
        model = about.get("model", {}).get("model", "not embedded")
        origin = ", ".join(about["origin"]) or "unknown"
        facts = f"{about.get('kind')} from {origin}; {about['licence']}; {model}"
        click.echo(f"{refs / about['name']}: {facts}")


def _print_known(known: "Known") -> None:
    """One set of the catalogue: what it is for, and its facts."""
    click.echo(f"{known.name}: {known.use}")
    facts = {
        "from": known.origin,
        "licence": known.licence,
        "download": known.download,
        "plays": f"the {known.role} of `twigma analyze`" if known.role else "",
        "note": known.note,
    }
    for name, text in facts.items():
        if text:
            click.echo(f"  {name:<9} {text}")


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
    metavar="MODEL",
    help="As of `twigma embed`.  [default: the one that embedded --like]",
)
@click.option(
    "--group",
    metavar="COLUMN",
    help="Column, or field of the JSON in a tar, with the artist or prompt.",
)
@click.option(
    "--column",
    help="Column with the images, embeddings or texts.  [default: recognised by type]",
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
    help="Commit, branch or tag of the dataset.  [default: the newest, then pinned]",
)
def add(name: str, sources: tuple[str, ...], parts: str, **options: Any) -> None:
    """Make a reference set, or add to it.

    One of `twigma reference list` by its NAME alone. Or any other, of images (whatever `twigma add` takes), embeddings
    (.npy, .h5, Parquet; --model names their model), texts (.txt, .csv, Parquet), or a dataset of the Hub. Images and
    texts are embedded by the model of --like. An interrupted run resumes; a finished one does nothing.

    \b
      twigma reference add artbench
      twigma reference add diffusiondb --parts 1-3
      twigma reference add mine photos/ --role photographs
      twigma reference add theirs vectors.npy --model ViT-L-14/openai
    """
    from twigma.builder.references.add_reference import add_reference
    from twigma.builder.references.diffusiondb import parts_of

    record = add_reference(
        name,
        sources,
        parts=parts_of(parts),
        endpoint=HUB_URL.value or None,
        **options,
    )
    if record.counts:
        print_counts(record.counts, f"{record.folder}:")
    else:
        click.echo(f"{record.folder}: nothing to do")
    for note in record.notes:
        click.echo(note)
    about = record.about
    origin, model = ", ".join(about["origin"]), about["model"]["model"]
    click.echo(f"from {origin}; licence: {about['licence']}; model: {model}")
    if about.get("note"):
        click.echo(about["note"])
    record.failures.raise_any()
    if about["kind"] != "texts":
        click.echo(f"next: twigma analyze --reference {name}")
