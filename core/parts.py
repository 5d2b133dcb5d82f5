"""Column parts: what one stage adds to the images of one shard, `WORK/columns/STAGE/SHARD.arrow`.

A part is an uncompressed Arrow file, memory-mapped when it is read. It carries a checksum and its provenance: inputs,
settings and the revision of the code that made it. A part is current while its provenance is the one that the stage
would write today.

Every stage module has an integer `REVISION`, which goes into its provenance as `code_revision`. Raise it when the stage
gives another answer for the same inputs and settings: the next run re-creates the parts, and says so.
"""

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

import pyarrow as pa

from twigma.core import checksum
from twigma.core.files import atomic
from twigma.core.model_identity import (
    IDENTITY,
    describe,
    differing,
    differing_columns,
    refuse_mixture,
)
from twigma.core.names import STAGES, command_of, split_name, with_name
from twigma.core.progress import notice

SHORT = 40  # characters of a setting that a notice shows; longer ones are hashes


class Provenance(TypedDict, total=False):
    """What a part was made from: one JSON record, of which each stage fills the entries that it depends on.

    Parts of reference sets hold further entries of their own, such as the file that vectors came from.
    """

    # The code.
    code_revision: int  # `REVISION` of the stage's module
    near_revision: int | None  # of the near-duplicate search; null where it did not run

    # The model: its name, and what fixes its weights (commit and hash, or a seed).
    model: str
    repo: str
    revision: str  # commit of `repo`
    sha256: str  # of the weights
    config: str  # SHA-256 of the configuration in a local folder
    seed: int  # of random weights, or of a clustering

    # Settings.
    precision: str
    deviation: float | None  # of int8 from fp32, the largest; null without an image
    resize: str
    num_beams: int
    max_new_tokens: int
    detector: str  # SHA-256 of the NSFW detector
    near: float | None
    k: int
    for_few: bool  # nobody named `k`: it was taken for the few images there were
    drop: list[str]

    # Inputs, each named by a hash or by the fingerprint of a part.
    shard: str
    part: str
    embed: dict[str, str]  # by part
    embedding: dict[str, Any]  # the model of these: `model_identity.identity`
    embedding_name: str  # under which they are kept; only where it is not the default
    dedupe: str
    images: str
    stored: str
    texts: str
    fit: str


def fingerprint(value: object) -> str:
    """SHA-256 of a JSON value: names the settings and inputs that a part was made from."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


# ------------------------------------------------------------------ writing and reading


def write_part(path: Path, table: pa.Table, provenance: Mapping[str, object]) -> None:
    """Write one part, one row per image, as uncompressed Arrow IPC, with its provenance and a checksum.

    Only the owner of the working folder can read it.
    """
    metadata = {
        "fingerprint": fingerprint(provenance),
        "provenance": json.dumps(provenance, sort_keys=True),
        "crc32": checksum.UNSEALED,
    }
    schema = table.schema.with_metadata(metadata)
    with atomic(path, private=True) as partial:
        with (
            pa.OSFile(str(partial), "wb") as sink,
            pa.ipc.new_file(sink, schema) as writer,
        ):
            writer.write_table(table)
        checksum.seal(partial)


def read_part(path: Path) -> pa.Table:
    """A part, one row per image, memory-mapped; ValueError when it has changed since it was written."""
    if not checksum.is_sound(path):
        raise ValueError(
            f"{path} is damaged: delete it and run `{command_of(path.parent.name)}` again, "
            "which re-creates it"
        )
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def read_provenance(path: Path) -> dict[str, Any]:
    """The provenance that a part was written with; ValueError when the part is damaged."""
    provenance: dict[str, Any] = json.loads(_metadata(path)[b"provenance"])
    return provenance


def follow_inputs(
    path: Path, renamed: dict[str, str], table: pa.Table | None = None
) -> None:
    """Write a part again where what it was made from has another hash now, or with `table`, one row an image, if given.

    `renamed` maps hashes of inputs to those of today, and learns the fingerprint of this part.
    """
    provenance = read_provenance(path)
    updated = {}
    for name, value in provenance.items():
        updated[name] = renamed.get(value, value) if isinstance(value, str) else value
    if updated == provenance and table is None:
        return
    if table is None:
        table = read_part(path)
    write_part(path, table.replace_schema_metadata().combine_chunks(), updated)
    renamed[fingerprint(provenance)] = fingerprint(updated)


def last_settings(path: Path, *names: str) -> dict[str, Any]:
    """These settings as in the run that wrote a part; empty before the first, or where the part is damaged."""
    try:
        provenance = read_provenance(path)
    except (ValueError, OSError):
        return {}
    return {name: provenance[name] for name in names if name in provenance}


def read_fingerprint(path: Path) -> str:
    """The fingerprint of a part's provenance, by which later stages name it; ValueError when it is damaged."""
    return _metadata(path)[b"fingerprint"].decode()


def read_parts(folder: Path) -> pa.Table:
    """All parts of one stage, one row per image, in name order; the errors of `read_model`."""
    read_model(folder)
    paths = sorted(folder.glob("*.arrow"))
    # Parts differ in their metadata, and tables are joined only where it is equal.
    tables = [read_part(path).replace_schema_metadata() for path in paths]
    for path, table in zip(paths, tables, strict=True):
        if table.schema.types != tables[0].schema.types:
            raise ValueError(
                f"{path} has other columns than {paths[0].name}: run `{command_of(folder.name)}` again"
            )
    return pa.concat_tables(tables)


def read_model(folder: Path) -> dict[str, Any]:
    """The provenance of the first part of a stage, of which every other is by the same model, run in the same way.

    FileNotFoundError when the stage has not run. ValueError when a change of model was stopped in the middle, so that
    parts of two lie beside each other.
    """
    paths = sorted(folder.glob("*.arrow"))
    if not paths:
        raise FileNotFoundError(_no_columns(folder))
    provenances = {path.name: read_provenance(path) for path in paths}
    remedy = f"run `{command_of(folder.name)}` again with the one you want, which finishes it"
    refuse_mixture(str(folder), provenances, remedy)
    return provenances[paths[0].name]


def refuse_other_embeddings(folder: Path, stages: Iterable[str]) -> None:
    """ValueError when stages in `WORK/columns` were computed from embeddings of two models, as far as that is known."""
    first: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for stage in stages:
        provenance = read_model(folder / stage)
        is_computed = not stage.startswith("embed")
        model = provenance.get("embedding") if is_computed else provenance
        if not model:
            continue
        # Embeddings of several names lie side by side: those of one name are compared.
        source = embedding_stage(provenance) if is_computed else stage
        other, theirs = first.setdefault(source, (stage, model))
        key = differing_columns(model, theirs)
        if key is not None:
            raise ValueError(
                f"{folder / stage} was computed from embeddings by {describe(model, key)}, {folder / other} from "
                f"those by {describe(theirs, key)}: run `{_computed_again(stage, provenance)}` again, or leave it out"
            )


def embedding_stage(provenance: Mapping[str, Any]) -> str:
    """The stage whose embeddings columns were computed from, by their provenance."""
    return with_name("embed", provenance.get("embedding_name", ""))


def refuse_other_model(folder: Path, model: Mapping[str, Any]) -> None:
    """ValueError when a stage of this name has columns, and none of them by this model: they are not overwritten.

    Of a change of model that was stopped some are, so that it can be finished.
    """
    parts = [last_settings(path, *IDENTITY) for path in sorted(folder.glob("*.arrow"))]
    readable = [part for part in parts if part]  # damaged ones are made again anyway
    keys = [differing(theirs, model) for theirs in readable]
    if not keys or None in keys:
        return
    stage, _ = split_name(folder.name)
    key = str(keys[0])
    raise ValueError(
        f"{folder} is by {describe(readable[0], key)}, and not by {describe(model, key)}: keep both with "
        f"`twigma {stage} --name NAME`, or put this one in its place with `{command_of(folder.name)} --replace`"
    )


def _computed_again(stage: str, provenance: Mapping[str, Any]) -> str:
    name = provenance.get("embedding_name")
    return f"twigma {stage} --embedding {name}" if name else command_of(stage)


def _no_columns(folder: Path) -> str:
    """That a stage has no columns, the command that writes them, and which others there are."""
    there = sorted({path.parent.name for path in folder.parent.glob("*/*.arrow")})
    base, _ = split_name(folder.name)
    if base not in STAGES:
        return f"no columns in {folder}, and no command makes them; there are {', '.join(there) or 'none'}"
    same = [stage for stage in there if split_name(stage)[0] == base]
    names = [split_name(stage)[1] or "the default" for stage in same]
    others = f"; there are those of another name: {', '.join(names)}" if names else ""
    return f"no columns in {folder}: run `{command_of(folder.name)}` on this working folder first{others}"


def _metadata(path: Path) -> dict[bytes, bytes]:
    return read_part(path).schema.metadata or {}


# ------------------------------------------------------------------ current or out of date


def part_is_current(path: Path, provenance: Mapping[str, object]) -> bool:
    """Whether `path` is a finished, sound part with exactly this provenance."""
    if not path.exists():
        return False
    try:
        metadata = _metadata(path)
    except (ValueError, OSError):
        return False  # damaged: to be re-created
    return metadata.get(b"fingerprint") == fingerprint(provenance).encode()


def changes(path: Path, provenance: Mapping[str, object]) -> list[str]:
    """In what an existing part's provenance differs from this one, in words; empty where the part is missing.

    `["code revision 1 → 2", "k 10 → 12", "images"]`: long values, which are hashes, are named only.
    """
    if not path.exists():
        return []
    try:
        before = read_provenance(path)
    except (ValueError, OSError, KeyError):
        return ["damaged"]
    after = json.loads(json.dumps(provenance))  # tuples are lists in JSON
    names = dict.fromkeys([*after, *before])
    changed = [name for name in names if before.get(name) != after.get(name)]
    return [_change(name, before.get(name), after.get(name)) for name in changed]


def _change(name: str, before: object, after: object) -> str:
    words = name.replace("_", " ")
    values = f"{_value(before)} → {_value(after)}"
    if isinstance(before, dict) or isinstance(after, dict) or len(values) > SHORT:
        return words
    return f"{words} {values}"


def _value(value: object) -> str:
    return "unset" if value is None else str(value)


def announce_recreated(
    stage: str, parts: Iterable[tuple[Path, Mapping[str, object]]]
) -> None:
    """Print one line when parts of a stage are about to be replaced: how many, and what has changed since."""
    reasons = [changes(path, provenance) for path, provenance in parts]
    replaced = [reason for reason in reasons if reason]
    if not replaced:
        return
    # Each reason once, in the order in which they came up.
    distinct = ", ".join(dict.fromkeys(itertools.chain.from_iterable(replaced)))
    noun = "part" if len(replaced) == 1 else "parts"
    text = f"{stage}: re-creating {len(replaced)} {noun}, changed since: {distinct}"
    notice(text)
