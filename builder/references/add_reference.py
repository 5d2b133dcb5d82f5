"""Reference sets: data of others, or yours, in a folder `refs/NAME` with our columns, embedded as the studied images.

`twigma reference add NAME` makes those of `reference_table.TABLE`; `twigma reference add NAME PATH …` any other.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twigma.builder.references import diffusiondb, file_readers
from twigma.builder.references.catalogue import TABLE, Known
from twigma.builder.references.folder import (
    add_images,
    add_texts,
    add_vectors,
    embed_texts,
    pack,
)
from twigma.builder.references.hub_files import hub_file
from twigma.builder.references.model_choice import (
    choose_model,
    require_same_model,
    stated_model,
    studied_model,
)
from twigma.builder.references.record import Record, open_record
from twigma.builder.references.sources import commit_of, new_files
from twigma.builder.stages.embed import embed_shards
from twigma.core.files import file_sha256


def add_reference(
    name: str,
    sources: Sequence[str] = (),
    *,
    refs: Path = Path("refs"),
    like: Path | None = None,
    model: str | None = None,
    device: str | None = None,
    group: str | None = None,
    column: str | None = None,
    role: str | None = None,
    licence: str | None = None,
    files: Sequence[str] = (),
    parts: Sequence[int] = (1,),
    revision: str | None = None,
    endpoint: str | None = None,
) -> Record:
    """Make the reference set `name`, or add to it: from the table, or from `sources` (paths, or datasets ORG/NAME).

    Images and texts are embedded by the model of `like` (a working folder or a release; ./work or ./twigma if
    embedded); of embeddings that are given, `model` says what made them. What is there already is neither fetched nor
    embedded again.

    Parameters
    ----------
    group, column : the column that names artist or prompt, and the one to take, where there are several.
    role : photographs, paintings or prompts: whose place in the figures the set takes.
    files : patterns of the files of a dataset; parts : of DiffusionDB; revision : of the dataset.

    Returns
    -------
    The set's record; `counts` say what this run did. ValueError for an unknown name, damaged files, and embeddings of
    another model than that of `like`.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name) or name == "twigma":
        raise ValueError(
            f"expected a name of letters, digits, - and _ other than twigma, found {name!r}"
        )
    known = _known(name, sources, files)
    record = open_record(refs / name, known, role, licence)
    ask = _Ask(
        group or known.group,
        column or known.column,
        model or known.model,
        like,
        known.whole_words,
    )
    _check_model(record, ask, _kinds(known, sources, ask.column))
    record.write()  # before anything else is there, so that a stopped run finds its folder again
    if known.name == "diffusiondb" and not sources:
        _diffusiondb(record, known, parts, revision, endpoint)
    for key, path in new_files(record, known, sources, revision, endpoint):
        _take(record, ask, key, path)
    if record.about["kind"] != "embeddings":
        _embed(record, ask, device)
    record.write()
    return record


@dataclass(frozen=True)
class _Ask:
    """How the files are to be read, and by which model embedded."""

    group: str | None
    column: str | None
    model: str | None
    like: Path | None
    whole_words: bool


def _known(name: str, sources: Sequence[str], files: Sequence[str]) -> Known:
    """The entry of the table, or a blank one for the user's own."""
    if sources:
        return Known(name, "", "", "not stated", "", files=tuple(files))
    if name not in TABLE:
        raise ValueError(
            f"no reference set {name!r} is known: give PATH or ORG/NAME too, or one of {', '.join(TABLE)}"
        )
    return TABLE[name]


def _kinds(known: Known, sources: Sequence[str], column: str | None) -> set[str]:
    """What will be taken in, as far as it is known before anything is fetched."""
    here = [Path(source) for source in sources if Path(source).exists()]
    return {file_readers.kind_of(path, column) for path in here} | (
        {known.kind} if known.kind else set()
    )


def _check_model(record: Record, ask: _Ask, kinds: set[str]) -> None:
    """ValueError where the embeddings could not be compared with the studied images', before anything is fetched."""
    if kinds & {"images", "texts"}:
        choose_model(record.folder, ask.like, ask.model)
    if "embeddings" in kinds and ask.model is not None:
        folder, ours = studied_model(ask.like)
        require_same_model(stated_model(ask.model), ours, folder)


# ------------------------------------------------------------------ taking files in


def _take(record: Record, ask: _Ask, key: str, path: Path) -> None:
    """Take one file or folder into the set, unless it was taken before; a download is deleted then."""
    kind = file_readers.kind_of(path, ask.column)
    record.is_of(kind, path)
    facts = {"sha256": file_sha256(path)} if path.is_file() else {}
    if facts and record.files.get(key, {}).get("sha256") == facts["sha256"]:
        return
    take = {"images": _take_images, "embeddings": _take_vectors, "texts": _take_texts}[
        kind
    ]
    record.took(key, take(record, ask, path) | facts)
    if path.parent == record.downloads:
        path.unlink(missing_ok=True)


def _take_images(record: Record, ask: _Ask, path: Path) -> dict[str, Any]:
    label = ask.group or "group"
    if path.suffix.lower() == ".parquet":
        rows = file_readers.image_rows(path, ask.column, ask.group)
        path, without = pack(
            record.folder,
            path.stem,
            ((name, data, {label: text}) for name, data, text in rows),
        )
        record.count("rows without an image", without)
    elif path.parent == record.downloads:
        goal = record.folder.absolute() / "shards" / f"from_{path.name}"
        goal.parent.mkdir(exist_ok=True)
        path = path.replace(goal)
    added = add_images(record.folder, record.name, [path], label)
    record.count("images", added["images"])
    record.count("images that cannot be read", added["failed"])
    return {}


def _take_vectors(record: Record, ask: _Ask, path: Path) -> dict[str, Any]:
    if ask.model is None:
        raise ValueError(
            f"{path} holds embeddings: say with --model which model made them, such as ViT-L-14/openai"
        )
    folder, ours = studied_model(ask.like)
    made_by = stated_model(ask.model)
    require_same_model(made_by, ours, folder)
    require_same_model(
        made_by, record.about.setdefault("model", made_by), record.folder
    )
    made_from = dict(made_by) | {"file": path.stem, "sha256_of_file": file_sha256(path)}
    first = sum(int(facts.get("parts", 0)) for facts in record.files.values())
    blocks = file_readers.vectors(path, ask.column)
    rows, parts = add_vectors(record.folder, record.name, blocks, made_from, first)
    record.count("embeddings", rows)
    return {"rows": rows, "parts": parts}


def _take_texts(record: Record, ask: _Ask, path: Path) -> dict[str, Any]:
    found = file_readers.texts(path, ask.column, whole_words=ask.whole_words)
    if not found:
        raise ValueError(f"{path} holds no text")
    record.count("texts", add_texts(record.folder, record.name, found, path.stem))
    return {"rows": len(found)}


def _diffusiondb(
    record: Record,
    known: Known,
    parts: Sequence[int],
    revision: str | None,
    endpoint: str | None,
) -> None:
    """Take parts that are not there; the metadata stays, as it says what to leave out of further ones."""
    commit = commit_of(record, known.repo, revision, endpoint)
    record.is_of("images", record.folder)
    keys = {
        part: f"{known.repo}@{commit}/{diffusiondb.part_file(part)}" for part in parts
    }
    due = [part for part in parts if keys[part] not in record.files]
    if not due:
        return
    metadata = hub_file(
        known.repo, diffusiondb.METADATA, commit, record.downloads, endpoint
    )
    for part in due:
        path = hub_file(
            known.repo, diffusiondb.part_file(part), commit, record.downloads, endpoint
        )
        tar, left_out = pack(
            record.folder,
            path.stem,
            diffusiondb.images(path, diffusiondb.blurred(metadata, part)),
        )
        added = add_images(record.folder, record.name, [tar], known.group)
        record.count("images", added["images"])
        record.count("images that cannot be read", added["failed"])
        record.count("images blurred as NSFW, left out", left_out)
        record.took(keys[part], {"blurred": left_out})
        path.unlink()
    record.about["repeats"] = diffusiondb.mark_repeats(record.folder)
    record.count("repeated generations, marked", record.about["repeats"])
    richest = diffusiondb.prompts_by_part(metadata)
    best = ", ".join(f"{part} ({count})" for part, count in list(richest.items())[:5])
    have = sum(richest.get(part, 0) for part in parts)
    record.notes.append(
        f"prompts with ten images, which Fig 3c needs: {have} in these parts; most in {best}"
    )


# ------------------------------------------------------------------ embedding


def _embed(record: Record, ask: _Ask, device: str | None) -> None:
    """Embed images or texts that are not, by the model of the studied images."""
    chosen, made_from = choose_model(record.folder, ask.like, ask.model)
    record.about["model"] = made_from
    record.write()
    spelt = (chosen.model, chosen.pretrained, device, None)
    if record.about["kind"] == "images":
        record.count(
            "images embedded",
            embed_shards(record.folder, *spelt, revision=chosen.revision),
        )
    else:
        record.count(
            "texts embedded",
            embed_texts(record.folder, made_from, *spelt, revision=chosen.revision),
        )
