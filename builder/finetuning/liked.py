"""`twigma liked`: a fine-tuning set of liked images, for diffusers, sd-scripts, OneTrainer, ai-toolkit, WebDataset and
`datasets`.

    liked/README.md  kohya.toml  kohya.jsonl  MANIFEST.json
          train/README.md  metadata.parquet  <image_name>.jpg  <image_name>.txt      (validation/ and test/ likewise)

`row_gates.py` decides what may be trained on, `selection.py` what is liked, `splits.py` where it goes; this file calls
them and writes. The same input gives the same bytes, and the SHA-256 of MANIFEST.json names the set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import twigma
from twigma.builder.finetuning.recipes import Facts, write_recipes
from twigma.builder.finetuning.row_gates import (
    FROM_X,
    read_images,
    training_reasons,
    training_text,
)
from twigma.builder.finetuning.row_keys import images_at, included_rows
from twigma.builder.finetuning.selection import TOO_MANY, select_liked
from twigma.builder.finetuning.settings import (
    CAPTION_COLUMNS,
    NSFW,
    PER_AUTHOR,
    QUANTILE,
    RESOLUTION,
    Settings,
)
from twigma.builder.finetuning.share_table import (
    Stratum,
    share_table,
    uneven_sentence,
)
from twigma.builder.finetuning.splits import RULE, split
from twigma.builder.finetuning.trainer_files import (
    write_images,
    write_lists,
    write_tars,
)
from twigma.builder.release.chosen import (
    find_selection,
    names_hash,
    with_selection,
)
from twigma.builder.release.row_filter import (
    exclusion_reasons,
    join_stages,
    refuse_repeated,
)
from twigma.core import columns
from twigma.core.files import file_sha256, write_json
from twigma.core.parts import fingerprint
from twigma.core.safety import folder_replacement, owned_folders
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.dataset.release_folder import missing_files, read_liked_manifest
from twigma.dataset.selections import Selection as SelectedImages
from twigma.rehydrate.posts.removed_ids import read_removed

# Of the code that makes the set: raise it whenever the same working folder gives another set.
REVISION = 4
X_TERMS = (
    "X's developer agreement forbids using its content to train or fine-tune a foundation or frontier model, and the "
    "images belong to the people who posted them"
)


@dataclass(frozen=True)
class Liked:
    """What became of every row: images in each split, rows left out by reason, and the SHA-256 of MANIFEST.json.

    `shares` is what was chosen by followers and year (empty with `everything`); `warnings` what is not as asked for.
    """

    splits: Mapping[str, int]
    dropped: Mapping[str, int]
    shares: Sequence[Stratum]
    warnings: Sequence[str]
    sha256: str


def liked(
    work: AnyWorkspace,
    out: Path | str = Path("liked"),
    *,
    everything: bool = False,
    quantile: float = QUANTILE,
    per_author: int = PER_AUTHOR,
    nsfw_threshold: float = NSFW,
    captions: str = "caption",
    trigger: str = "",
    min_side: int = 0,
    max_aspect: float = 0,
    resolution: int = RESOLUTION,
    repeats: int = 1,
    acknowledge_x_terms: bool = False,
    webdataset: bool = False,
    seed: int = 0,
    select: Path | str | None = None,
) -> Liked:
    """Write the liked images of a working folder to `out`; nothing is written when the set there is current.

    In it are images with likes in the top 1 - `quantile` of posts with as many followers at about the same time, at
    most `per_author` of an author; or `everything`, whatever its likes. All have a text (`captions`: BLIP's "caption",
    "prompt" or "text"; `trigger` goes before it), are not marked sensitive, are scored `nsfw_threshold` at most, have
    sides of `min_side` pixels at least and of `max_aspect` to 1 at most, and are no duplicates. Rows from X are left
    out unless `acknowledge_x_terms`. With `select`, a file that names images, only these are compared and chosen from.
    `resolution` (pixels) and `repeats` are for the recipes; `webdataset` writes tars.
    Raises FileNotFoundError when a stage has not run, ValueError when nothing is left, or `out` holds something else.
    """
    settings = Settings(
        everything=everything,
        quantile=quantile,
        per_author=per_author,
        nsfw_threshold=nsfw_threshold,
        captions=captions,
        trigger=trigger,
        min_side=min_side,
        max_aspect=max_aspect,
        resolution=resolution,
        repeats=repeats,
        webdataset=webdataset,
        seed=seed,
    )
    work = Workspace(work)
    out = Path(out).resolve()
    _refuse_foreign(out, work)
    selected = find_selection(select, work)
    selection = choose_images(work, settings, acknowledge_x_terms, selected)
    sha256 = _write(work, out, selection, settings)
    return Liked(
        splits=selection.splits,
        dropped=selection.dropped,
        shares=selection.strata,
        warnings=selection.warnings(),
        sha256=sha256,
    )


# ------------------------------------------------------------------ which images


@dataclass(frozen=True)
class Selection:
    """The rows of the set (with `split` and `training_text`), and how they came to be those."""

    rows: pa.Table
    splits: Mapping[str, int]
    dropped: Mapping[str, int]
    strata: Sequence[Stratum]
    uneven: str
    split_warning: str
    split_rule: str
    names: str  # a hash of the names that a file selects, "" without one

    def warnings(self) -> list[str]:
        """What is not as asked for."""
        texts = [self.uneven, self.split_warning]
        if self.split_rule != RULE:
            texts.append(self.split_rule)
        return [text for text in texts if text]


def choose_images(
    work: Workspace,
    settings: Settings,
    acknowledge_x_terms: bool,
    selected: SelectedImages | None = None,
) -> Selection:
    """The images of the set that `liked` writes; raises as it does."""
    stages = ["embed", "nsfw", "dedupe"]
    if settings.captions == "caption":
        stages.append("caption")
    table = join_stages(work, stages, read_images(work, settings))
    table = table.append_column("training_text", training_text(table, settings))
    # Texts are most of the memory: once are enough.
    table = table.drop_columns([CAPTION_COLUMNS[settings.captions]])
    removed = read_removed(work.path)
    reasons = exclusion_reasons(table, removed, "drop", settings.nsfw_threshold)
    if selected is not None:
        reasons = with_selection(reasons, table, selected, work)
    reasons = training_reasons(table, reasons, settings, acknowledge_x_terms)
    compared = included_rows(reasons)
    if not settings.everything:
        reasons = select_liked(
            table, reasons, settings.quantile, settings.per_author, settings.seed
        )
    chosen = included_rows(reasons)
    splits = split(table, reasons, settings.seed)
    dropped = _count_reasons(splits.reasons)
    if not splits.counts()["train"]:
        raise ValueError(_nothing_left(work, dropped))
    strata: Sequence[Stratum] = []
    uneven = ""
    if not settings.everything:
        over_author = reasons.take(pa.array(compared)).to_numpy() == TOO_MANY
        strata = share_table(
            images_at(table, compared),
            np.isin(compared, chosen),
            over_author,
            np.isin(compared, included_rows(splits.reasons)),
        )
        uneven = uneven_sentence(strata)
    table = table.append_column("split", pa.array(splits.of_row, pa.string()))
    rows = table.filter(splits.reasons.is_null()).sort_by(columns.sort_keys())
    refuse_repeated(rows)
    return Selection(
        rows=rows,
        splits=splits.counts(),
        dropped=dropped,
        strata=strata,
        uneven=uneven,
        split_warning=splits.warning,
        split_rule=splits.rule,
        names="" if selected is None else names_hash(selected),
    )


def _count_reasons(reasons: pa.ChunkedArray) -> dict[str, int]:
    counts = reasons.drop_null().value_counts().to_pylist()
    return {str(each["values"]): int(each["counts"]) for each in counts}


def _nothing_left(work: Workspace, dropped: Mapping[str, int]) -> str:
    counts = [f"{count:,} {reason}" for reason, count in sorted(dropped.items())]
    sentence = f"no image of {work} is left to train on: {'; '.join(counts)}"
    if FROM_X in dropped:
        sentence += f". {X_TERMS}: where your use is allowed all the same, pass --acknowledge-x-terms"
    if "likes not known" in dropped:
        sentence += ". Images without likes are taken with --all"
    return sentence


# ------------------------------------------------------------------ what is written


def _write(work: Workspace, out: Path, selection: Selection, settings: Settings) -> str:
    """Write beside `out`, then swap; the SHA-256 of MANIFEST.json."""
    rows = selection.rows
    written = rows.select(["image_name", "split", "training_text", "like_count"])
    about: dict[str, Any] = {
        "settings": asdict(settings),
        "splits": selection.splits,
        "dropped": selection.dropped,
        "shares": [
            {**asdict(each), "share": round(each.share, 4)} for each in selection.strata
        ],
        "warnings": selection.warnings(),
    }
    if selection.names:
        about["selection"] = selection.names
    versions = [REVISION, twigma.__version__]
    inputs = fingerprint([written.to_pylist(), about, versions])
    manifest_file = out / "MANIFEST.json"
    if manifest_file.exists() and _is_current(out, inputs):
        return file_sha256(manifest_file)
    facts = Facts(
        name=out.name,
        content=inputs[:16],
        strata=selection.strata,
        uneven=selection.uneven,
        split_warning=selection.split_warning,
        split_rule=selection.split_rule,
        selected=bool(selection.names),
    )
    with folder_replacement.replacing(out) as folder:
        images = write_images(work, folder, rows)
        write_lists(folder, images)
        write_recipes(folder, images, settings, facts)
        if settings.webdataset:
            write_tars(folder, images)
        manifest = {
            "dataset": "twigma-liked",
            "inputs": inputs,
            **about,
            "files": _files(folder),
        }
        write_json(folder / "MANIFEST.json", manifest)
    return file_sha256(manifest_file)


def _is_current(out: Path, inputs: str) -> bool:
    """Whether the set in `out` was made from these inputs and is complete."""
    manifest = read_liked_manifest(out)
    return manifest.get("inputs") == inputs and not missing_files(out, manifest)


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    """Every file in a folder by its relative path, with bytes and SHA-256."""
    files = {}
    for path in folder.rglob("*"):
        if path.is_file():
            facts = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
            files[path.relative_to(folder).as_posix()] = facts
    return files


def _refuse_foreign(out: Path, work: Workspace) -> None:
    """ValueError unless `out` is missing, empty, or a set of ours, complete or not, with nothing beside it."""
    owned_folders.require_apart(out, work.path)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    read_liked_manifest(out)
    made = owned_folders.recognize(out)
    others = [] if made is None else owned_folders.foreign(made)
    if others:
        raise ValueError(
            f"{out} holds {owned_folders.name_files(others)}, which is not part of the set: move it away first"
        )
