"""`twigma liked`: a fine-tuning set of liked images, for diffusers, kohya's trainers, WebDataset and `datasets`.

    liked/README.md  kohya.toml  MANIFEST.json
          train/metadata.jsonl  train/000/<image_name>.jpg and .txt      (validation/ and test/ likewise)

Which images are liked is decided in `fairness.py`; this file applies the gates, splits and writes. The same input gives
the same bytes, and the SHA-256 of MANIFEST.json names the set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import twigma
from twigma.builder.finetuning.like_residuals import SPLITS, select_liked, split
from twigma.builder.finetuning.trainer_files import write_files
from twigma.builder.release.row_filter import (
    ORDER,
    exclusion_reasons,
    join_stages,
    refuse_repeated,
)
from twigma.core.files import file_sha256, write_json
from twigma.core.parts import fingerprint
from twigma.core.safety import owned_folders
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.posts.removed_ids import read_removed

STAGES = ("embed", "caption", "nsfw", "dedupe")
# Of the code that makes the set: raise it whenever the same working folder gives another set.
REVISION = 1
QUANTILE = 0.9  # the top tenth
PER_AUTHOR = 10  # images
NSFW = 0.5  # the highest score
X_TERMS = (
    "X's developer agreement forbids using its content to train or fine-tune a foundation or frontier model, and the "
    "images belong to the people who posted them"
)


@dataclass(frozen=True)
class Liked:
    """What became of every row: images in each split, rows left out by reason, and the SHA-256 of MANIFEST.json."""

    splits: Mapping[str, int]
    dropped: Mapping[str, int]
    sha256: str


def liked(
    work: AnyWorkspace,
    out: Path | str = Path("liked"),
    *,
    quantile: float = QUANTILE,
    per_author: int = PER_AUTHOR,
    nsfw_threshold: float = NSFW,
    acknowledge_x_terms: bool = False,
    webdataset: bool = False,
    seed: int = 0,
) -> Liked:
    """Write the liked images of a working folder to `out`; nothing is written when the set there is up to date.

    In it are images whose likes, compared with posts of as many followers in the same month, are in the top
    1 - `quantile`; at most `per_author` of an author; with a caption, not marked sensitive, scored `nsfw_threshold` at
    most, and no duplicate. Rows from X are left out unless `acknowledge_x_terms`. `webdataset` writes tars too.
    Raises FileNotFoundError when a stage has not run, ValueError when nothing is left, or `out` holds something else.
    """
    _check_options(quantile, per_author, nsfw_threshold)
    work = Workspace(work)
    out = Path(out).resolve()
    _refuse_foreign(out, work)
    table = join_stages(work, STAGES)
    removed = read_removed(work.path)
    reasons = exclusion_reasons(table, removed, "drop", nsfw_threshold)
    reasons = _gates(table, reasons, acknowledge_x_terms)
    reasons = select_liked(table, reasons, quantile, per_author)
    which, reasons = split(table, reasons, seed)
    dropped = _count_reasons(reasons)
    if not which.count("train"):
        raise ValueError(_nothing_left(work, dropped))
    table = table.append_column("split", pa.array(which))
    rows = table.filter(reasons.is_null()).sort_by(ORDER)
    refuse_repeated(rows)
    settings = {
        "quantile": quantile,
        "per_author": per_author,
        "nsfw_threshold": nsfw_threshold,
        "seed": seed,
        "webdataset": webdataset,
    }
    counts = {name: which.count(name) for name in SPLITS}
    about = {"settings": settings, "splits": counts, "dropped": dropped}
    return Liked(counts, dropped, _write(work, out, rows, about))


def _count_reasons(reasons: pa.ChunkedArray) -> dict[str, int]:
    counts = reasons.drop_null().value_counts().to_pylist()
    return {str(each["values"]): int(each["counts"]) for each in counts}


def _write(work: Workspace, out: Path, rows: pa.Table, about: Mapping[str, Any]) -> str:
    """Write beside `out`, then swap; the SHA-256 of MANIFEST.json."""
    public = rows.select(["image_name", "split", "all_captions", "like_count"])
    versions = [REVISION, twigma.__version__]
    inputs = fingerprint([public.to_pylist(), about, versions])
    manifest_file = out / "MANIFEST.json"
    if manifest_file.exists() and twigma.read_liked(out)["inputs"] == inputs:
        return file_sha256(manifest_file)
    with owned_folders.replacing(out) as folder:
        write_files(
            work,
            folder,
            rows,
            name=out.name,
            content=inputs[:16],
            webdataset=about["settings"]["webdataset"],
        )
        manifest = {
            "dataset": "twigma-liked",
            "inputs": inputs,
            **about,
            "files": _files(folder),
        }
        write_json(folder / "MANIFEST.json", manifest)
    return file_sha256(manifest_file)


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    """Every file in a folder by its relative path, with bytes and SHA-256."""
    files = {}
    for path in folder.rglob("*"):
        if path.is_file():
            facts = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
            files[path.relative_to(folder).as_posix()] = facts
    return files


def _gates(
    table: pa.Table, reasons: pa.ChunkedArray, acknowledge_x_terms: bool
) -> pa.ChunkedArray:
    """Why a row may not be trained on, where it may not: the release's reasons, then rights, content and captions."""
    own = pc.fill_null(pc.equal(table["source"], "local"), False).to_numpy()
    from_x = ~own
    if acknowledge_x_terms:
        from_x = np.zeros(len(table), bool)
    sensitive = pc.fill_null(table["possibly_sensitive"], False)
    caption = pc.utf8_trim_whitespace(table["all_captions"])
    no_caption = pc.fill_null(pc.equal(caption, ""), True)
    gates = {
        "from X, whose terms were not acknowledged": from_x,
        "marked as possibly sensitive": sensitive.to_numpy(),
        "no NSFW score": table["nsfw_score"].is_null().to_numpy(),
        "no caption": no_caption.to_numpy(),
        "likes not known": table["like_count"].is_null().to_numpy(),
    }
    first = reasons.to_numpy(zero_copy_only=False)
    for reason, applies in gates.items():
        free = first == None  # noqa: E711 - element by element
        first = np.where(applies & free, reason, first)
    return pa.chunked_array([pa.array(first, pa.string())])


def _nothing_left(work: Workspace, dropped: Mapping[str, int]) -> str:
    counts = [f"{count:,} {reason}" for reason, count in sorted(dropped.items())]
    sentence = f"no image of {work} is left to train on: {'; '.join(counts)}"
    if any(reason.startswith("from X") for reason in dropped):
        sentence += f". {X_TERMS}: where your use is allowed all the same, pass --acknowledge-x-terms"
    return sentence


def _check_options(quantile: float, per_author: int, nsfw_threshold: float) -> None:
    if not 0 <= quantile < 1:
        raise ValueError(
            f"quantile: expected a share from 0 to below 1, found {quantile}"
        )
    if per_author < 1:
        raise ValueError(
            f"per_author: expected at least 1 image of an author, found {per_author}"
        )
    if not 0 <= nsfw_threshold <= 1:
        raise ValueError(
            f"nsfw_threshold: expected a score from 0 to 1, found {nsfw_threshold}"
        )


def _refuse_foreign(out: Path, work: Workspace) -> None:
    """ValueError unless `out` is missing, empty, or a set of ours with nothing beside it."""
    owned_folders.require_apart(out, work.path)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    twigma.read_liked(out)
    made = owned_folders.recognize(out)
    others = [] if made is None else owned_folders.foreign(made)
    if others:
        raise ValueError(
            f"{out} holds {owned_folders.name_files(others)}, which is not part of the set: move it away first"
        )
