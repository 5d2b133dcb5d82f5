"""Reference sets: data of others, or yours, in a folder `refs/NAME` with our columns, embedded as the studied images.

`twigma reference add NAME` makes those of `catalogue.TABLE`; `twigma reference add NAME PATH …` any other.
"""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twigma.builder.references import diffusiondb, file_readers, text_files
from twigma.builder.references.catalogue import TABLE, Known
from twigma.builder.references.folder import (
    add_images,
    add_texts,
    add_vectors,
    embed_texts,
)
from twigma.builder.references.model_choice import (
    choose_model,
    known_width,
    of_one_width,
    require_same_model,
    stated_model,
    studied_model,
)
from twigma.builder.references.record import Record, open_record, refuse_texts
from twigma.builder.references.sources import check_options, new_files
from twigma.builder.stages.embed import embed_shards
from twigma.core.files import file_sha256
from twigma.core.safety.failures import Failures
from twigma.core.workspace import AnyWorkspace, Workspace


def add_reference(
    name: str,
    sources: Sequence[str] = (),
    *,
    refs: AnyWorkspace = "refs",
    like: AnyWorkspace | None = None,
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
    embedded); of ready-made embeddings, `model` names what made them. What the set holds already is neither fetched
    nor embedded again.

    Parameters
    ----------
    group, column : the column that names artist or prompt, and the one to take, where there are several.
    role : photographs, paintings or prompts: whose place in the figures the set takes.
    files : patterns of the files of a dataset; parts : of DiffusionDB; revision : of the dataset.

    Returns
    -------
    The set's record; its `counts` are of this run. ValueError for an unknown name, and embeddings of another model than
    that of `like`, or of another width, and an option that is not of these sources. A file that is damaged, missing or
    of another kind does not stop the others: the record's `failures` has it, and `Failures.raise_any` names it once the
    rest is embedded. Where nothing could be added, a new folder does not stay.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name) or name == "twigma":
        raise ValueError(
            f"expected a name of letters, digits, - and _ other than twigma, found {name!r}"
        )
    known = _known(name, sources, files)
    check_options(known, sources, files, parts, revision)
    is_new = not (Path(refs) / name).exists()
    record = open_record(Path(refs) / name, known, role, licence)
    request = _Request(
        group or known.group,
        column or known.column,
        model or known.model,
        like,
        known.whole_words,
        role,
    )
    try:
        kinds = _kinds(known, sources, request.column)
        refuse_texts(record.name, kinds | {record.about.get("kind", "")}, role)
        _check_model(record, request, kinds)
        record.write()  # before anything is fetched, so that a stopped run recognises its folder
        if known.name == "diffusiondb" and not sources:
            diffusiondb.add_parts(record, known, parts, revision, endpoint)
        for key, fetch_file in new_files(record, known, sources, revision, endpoint):
            with record.failures.collect():
                _add_file(record, request, key, fetch_file())
        if record.is_empty():
            record.failures.raise_any()
    except (ValueError, OSError):
        if is_new:
            record.discard()
        raise
    if record.about.get("kind") in ("images", "texts"):
        _embed(record, request, device)
    record.write()
    return record


@dataclass(frozen=True)
class _Request:
    """How the files are to be read, and by which model embedded."""

    group: str | None
    column: str | None
    model: str | None
    like: AnyWorkspace | None
    whole_words: bool
    role: str | None


def _known(name: str, sources: Sequence[str], files: Sequence[str]) -> Known:
    """The entry of the table, or a blank one for the user's own."""
    if sources:
        return Known(name, "", "", "not stated", "", files=tuple(files))
    if name not in TABLE:
        raise ValueError(
            f"no reference set {name!r} is known: name PATH or ORG/NAME too, or one of {', '.join(TABLE)}"
        )
    return TABLE[name]


def _kinds(known: Known, sources: Sequence[str], column: str | None) -> set[str]:
    """The kinds of what will be added, as far as they are known before anything is fetched."""
    local = [Path(source) for source in sources if Path(source).exists()]
    kinds = set()
    for path in local:
        # What cannot be read is named when it is its turn.
        with contextlib.suppress(ValueError, OSError):
            kinds.add(file_readers.kind_of(path, column))
    if known.kind:
        kinds.add(known.kind)
    return kinds


def _check_model(record: Record, request: _Request, kinds: set[str]) -> None:
    """ValueError where the embeddings could not be compared with the studied images', before anything is fetched."""
    if kinds & {"images", "texts"}:
        choose_model(record.folder, request.like, request.model)
    if "embeddings" in kinds and request.model is not None:
        folder, studied = studied_model(request.like)
        require_same_model(stated_model(request.model), studied, folder)


# ------------------------------------------------------------------ files


def _add_file(record: Record, request: _Request, key: str, path: Path) -> None:
    """Add one file or folder to the set, unless it was added before; a download is deleted afterwards."""
    kind = file_readers.kind_of(path, request.column)
    file_readers.refuse_column(path, request.column)
    refuse_texts(path, {kind}, request.role)
    record.require_kind(kind, path)
    facts: dict[str, Any] = {}
    if path.is_file():
        facts["sha256"] = file_sha256(path)
        before = record.files.get(key, {})
        if before.get("sha256") == facts["sha256"]:
            return
    add = ADDERS[kind]
    stem = record.stem_of(key, path)
    record.add_file(key, {**add(record, request, path, stem), **facts})
    if path.parent == record.downloads:
        path.unlink(missing_ok=True)


def _add_images(
    record: Record, request: _Request, path: Path, stem: str
) -> dict[str, Any]:
    if path.parent == record.downloads and path.suffix.lower() == ".tar":
        # It is registered where it is, and downloads are deleted.
        tar = Workspace(record.folder).shards.absolute() / f"from_{path.name}"
        tar.parent.mkdir(exist_ok=True)
        path = path.replace(tar)
    failures = Failures()
    added = add_images(
        record.folder,
        record.name,
        [path],
        request.group,
        failures=failures,
        column=request.column,
    )
    record.count_images(added)
    failures.raise_any()  # once the rest of a folder is there
    if record.is_empty():
        raise ValueError(f"{path} holds no image that can be read")
    _note_groups(record, request, path)
    return {}


def _note_groups(record: Record, request: _Request, path: Path) -> None:
    """Say where no image has the field that --group names: of pictures, that is not known before they are read."""
    groups = Workspace(record.folder).image_rows("group")["group"]
    if request.group is not None and groups.null_count == len(groups):
        record.notes.append(
            f"{path}: no image has a field {request.group!r} beside it: {record.folder} has no groups"
        )


def _add_vectors(
    record: Record, request: _Request, path: Path, stem: str
) -> dict[str, Any]:
    if request.model is None:
        raise ValueError(
            f"{path} holds embeddings: name with --model the model that made them, such as ViT-L-14/openai"
        )
    folder, studied = studied_model(request.like)
    made_by = stated_model(request.model)
    require_same_model(made_by, studied, folder)
    if record.is_empty():
        record.about["model"] = dict(made_by)
    model = record.about.setdefault("model", dict(made_by))
    require_same_model(made_by, model, record.folder)
    width = known_width(record.folder, request.like, request.model)
    groups = file_readers.groups(path, request.group)
    provenance = {
        **made_by,
        "file": stem,
        "sha256_of_file": file_sha256(path),
    }
    first = sum(int(facts.get("parts", 0)) for facts in record.files.values())
    blocks = of_one_width(file_readers.vectors(path, request.column), width, path)
    added = add_vectors(
        record.folder,
        record.name,
        blocks,
        provenance,
        first=first,
        groups=groups,
        source=path,
    )
    record.count("embeddings", added.rows - added.unusable)
    record.count("rows of zeros, or not finite", added.unusable)
    if added.unusable:
        record.notes.append(
            f"{path}: {added.unusable:,} of {added.rows:,} rows are all zeros or not finite and have no embedding; "
            f"the first is row {added.first_unusable}, counted from 0"
        )
    return {"rows": added.rows, "parts": added.parts, "stem": stem}


def _add_texts(
    record: Record, request: _Request, path: Path, stem: str
) -> dict[str, Any]:
    if request.group is not None:
        raise ValueError(
            f"--group {request.group} is of images and embeddings, and {path} holds texts: leave --group out"
        )
    texts = text_files.texts(path, request.column, whole_words=request.whole_words)
    if not texts:
        raise ValueError(f"{path} holds no text")
    record.count("texts", add_texts(record.folder, record.name, texts, stem))
    return {"rows": len(texts), "stem": stem}


ADDERS = {"images": _add_images, "embeddings": _add_vectors, "texts": _add_texts}


# ------------------------------------------------------------------ embedding


def _embed(record: Record, request: _Request, device: str | None) -> None:
    """Embed images or texts that are not, by the model of the studied images."""
    choice, provenance = choose_model(record.folder, request.like, request.model)
    model = dict(provenance)
    record.about["model"] = model
    record.write()
    arguments = (choice.model, choice.pretrained, device, None)
    folder, revision = record.folder, choice.revision
    if record.about["kind"] == "images":
        count = embed_shards(folder, *arguments, revision=revision)
        record.count("images embedded", count)
    else:
        count = embed_texts(folder, model, *arguments, revision=revision)
        record.count("texts embedded", count)
