"""`twigma reference list` and `twigma reference add`: what the studied images are compared with."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import FOLDER, HUB_URL, count_lines

if TYPE_CHECKING:
    from twigma.cli.facts.releasing import (
        KnownSet,
        ListedSet,
        ReferenceAddFacts,
        ReferenceListFacts,
        ReferenceSet,
    )

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
@json_option("reference-list")
def list_(refs: Path) -> None:
    """Print the sets that are known by name, and those that are here.

    \b
      twigma reference list
    """
    from twigma.builder.references.catalogue import TABLE
    from twigma.builder.references.record import read_records

    known: list[KnownSet] = []
    for each in TABLE.values():
        known.append(
            {
                "name": each.name,
                "kind": each.kind,
                "use": each.use,
                "origin": each.origin,
                "licence": each.licence,
                "download": each.download,
                "role": each.role,
                "note": each.note,
            }
        )
    here: list[ListedSet] = []
    for record in read_records(refs):
        facts_of_set = _reference_set(record.folder, record.about)
        here.append({**facts_of_set, "problem": record.problem or None})
    facts: ReferenceListFacts = {"known": known, "here": here}
    show(facts, _list_lines(facts))


def _reference_set(folder: Path, about: Mapping[str, Any]) -> "ReferenceSet":
    """The facts of a set that is here, from its record."""
    return {
        "folder": str(folder),
        "kind": about.get("kind", "unknown"),
        "origin": about.get("origin", []),
        "licence": about.get("licence", "not stated"),
        "model": about.get("model", {}).get("model"),
        "note": about.get("note", ""),
    }


def _list_lines(facts: "ReferenceListFacts") -> Iterator[str]:
    for known in facts["known"]:
        yield from _known_lines(known)
    for one in facts["here"]:
        if one["problem"]:
            yield f"{one['folder']}: cannot be used: {one['problem']}"
            continue
        origin = ", ".join(one["origin"]) or "unknown"
        model = one["model"] or "not embedded"
        yield f"{one['folder']}: {one['kind']} from {origin}; {one['licence']}; {model}"


def _known_lines(known: "KnownSet") -> Iterator[str]:
    """One set of the catalogue: what it is for, and its facts."""
    yield f"{known['name']}: {known['use']}"
    plays = ""
    if known["role"]:
        plays = f"the {known['role']} of `twigma analyze`"
    texts = {
        "from": known["origin"],
        "licence": known["licence"],
        "download": known["download"],
        "plays": plays,
        "note": known["note"],
    }
    for name, text in texts.items():
        if text:
            yield f"  {name:<9} {text}"


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
@json_option("reference-add")
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
    facts: ReferenceAddFacts = {
        **_reference_set(record.folder, record.about),
        "counts": record.counts,
        "notes": record.notes,
    }
    show(facts, _set_lines(facts))
    record.failures.raise_any()
    if facts["kind"] != "texts":
        show({}, [f"next: {_analyze_command(name, record.folder, options['like'])}"])


def _analyze_command(name: str, folder: Path, like: Path | None) -> str:
    """The command that compares a set with the release that it is for."""
    words = ["twigma", "analyze"]
    if like is not None and (like / "MANIFEST.json").exists():
        words.append(str(like))
    is_default = folder.parent == Path("refs")
    words += ["--reference", name if is_default else f"{name}={folder}"]
    return shlex.join(words)


def _set_lines(facts: "ReferenceAddFacts") -> Iterator[str]:
    if facts["counts"]:
        yield from count_lines(facts["counts"], f"{facts['folder']}:")
    else:
        yield f"{facts['folder']}: nothing to do"
    yield from facts["notes"]
    origin = ", ".join(facts["origin"])
    yield f"from {origin}; licence: {facts['licence']}; model: {facts['model']}"
    if facts["note"]:
        yield facts["note"]
