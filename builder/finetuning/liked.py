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
from twigma.rehydrate.posts.removed_ids import read_removed

STAGES = ("embed", "caption", "nsfw", "dedupe")
QUANTILE, PER_AUTHOR, NSFW = (
    0.9,
    10,
    0.5,
)  # the top tenth, images of one author, highest NSFW score
X_TERMS = (
    "X's developer agreement forbids using its content to train or fine-tune a foundation or frontier model, and the "
    "images belong to the people who posted them"
)


@dataclass(frozen=True)
class Liked:
    """Where every row went: images in each split, rows left out by reason, and the SHA-256 of MANIFEST.json."""

    splits: Mapping[str, int]
    dropped: Mapping[str, int]
    sha256: str


def liked(
    work: Path,
    out: Path = Path("liked"),
    *,
    quantile: float = QUANTILE,
    per_author: int = PER_AUTHOR,
    nsfw_threshold: float = NSFW,
    acknowledge_x_terms: bool = False,
    webdataset: bool = False,
    seed: int = 0,
) -> Liked:
    """Write the liked images of a working folder to `out`; nothing is written when they stand there already.

    Kept are images whose likes, compared with posts of as many followers in the same month, are in the top
    1 - `quantile`; at most `per_author` of an author; with a caption, not marked sensitive, scored `nsfw_threshold` at
    most, and no duplicate. Rows from X are left out unless `acknowledge_x_terms`. `webdataset` writes tars too.
    Raises FileNotFoundError when a stage has not run, ValueError when nothing is left, or `out` holds something else.
    """
    _check_options(quantile, per_author, nsfw_threshold)
    work, out = Path(work), Path(out).resolve()
    _refuse_foreign(out, work)
    table = join_stages(work, STAGES)
    reasons = _gates(
        table,
        exclusion_reasons(table, read_removed(work), "drop", nsfw_threshold),
        acknowledge_x_terms,
    )
    reasons = select_liked(table, reasons, quantile, per_author)
    which, reasons = split(table, reasons, seed)
    dropped = {
        str(each["values"]): int(each["counts"])
        for each in reasons.drop_null().value_counts().to_pylist()
    }
    if not which.count("train"):
        raise ValueError(_nothing_left(work, dropped))
    kept = (
        table.append_column("split", pa.array(which))
        .filter(reasons.is_null())
        .sort_by(ORDER)
    )
    refuse_repeated(kept)
    settings = {
        "quantile": quantile,
        "per_author": per_author,
        "nsfw_threshold": nsfw_threshold,
        "seed": seed,
    }
    counts = {name: which.count(name) for name in SPLITS}
    about = {
        "settings": settings | {"webdataset": webdataset},
        "splits": counts,
        "dropped": dropped,
    }
    return Liked(counts, dropped, _write(work, out, kept, about))


def _write(work: Path, out: Path, kept: pa.Table, about: Mapping[str, Any]) -> str:
    """Write beside `out`, then swap; the SHA-256 of MANIFEST.json."""
    rows = kept.select(
        ["image_name", "split", "all_captions", "like_count"]
    ).to_pylist()
    inputs = fingerprint([rows, about, twigma.__version__])
    if (out / "MANIFEST.json").exists() and twigma.read_liked(out)["inputs"] == inputs:
        return file_sha256(out / "MANIFEST.json")
    with owned_folders.replacing(out) as folder:
        write_files(
            work,
            folder,
            kept,
            name=out.name,
            content=inputs[:16],
            webdataset=about["settings"]["webdataset"],
        )
        files = {
            path.relative_to(folder).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": file_sha256(path),
            }
            for path in folder.rglob("*")
            if path.is_file()
        }
        manifest = {
            "dataset": "twigma-liked",
            "inputs": inputs,
            **about,
            "files": files,
        }
        write_json(folder / "MANIFEST.json", manifest)
    return file_sha256(out / "MANIFEST.json")


def _gates(
    table: pa.Table, reasons: pa.ChunkedArray, acknowledge_x_terms: bool
) -> pa.ChunkedArray:
    """Why a row may not be trained on, where it may not: the release's reasons, then rights, content and captions."""
    by_hand = pc.fill_null(pc.equal(table["source"], "local"), False)
    barred = np.zeros(len(table), bool) if acknowledge_x_terms else ~by_hand.to_numpy()
    more = {
        "from X, whose terms were not acknowledged": barred,
        "marked as possibly sensitive": pc.fill_null(
            table["possibly_sensitive"], False
        ).to_numpy(),
        "no NSFW score": table["nsfw_score"].is_null().to_numpy(),
        "no caption": pc.fill_null(
            pc.equal(pc.utf8_trim_whitespace(table["all_captions"]), ""), True
        ).to_numpy(),
        "likes not known": table["like_count"].is_null().to_numpy(),
    }
    found = reasons.to_numpy(zero_copy_only=False)
    for reason, applies in more.items():
        found = np.where(applies & (found == None), reason, found)  # noqa: E711 - element by element
    return pa.chunked_array([pa.array(found, pa.string())])


def _nothing_left(work: Path, dropped: Mapping[str, int]) -> str:
    listed = "; ".join(
        f"{count:,} {reason}" for reason, count in sorted(dropped.items())
    )
    barred = any(reason.startswith("from X") for reason in dropped)
    why = (
        f". {X_TERMS}: where your use is allowed all the same, pass --acknowledge-x-terms"
        if barred
        else ""
    )
    return f"no image of {work} is left to train on: {listed}{why}"


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


def _refuse_foreign(out: Path, work: Path) -> None:
    """`out` may be missing, empty, or a set of ours with nothing beside it: anything else stays as it is."""
    owned_folders.require_apart(out, work)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    twigma.read_liked(out)
    made = owned_folders.recognize(out)
    if made is not None and (others := owned_folders.foreign(made)):
        raise ValueError(
            f"{out} holds {owned_folders.listed(others)}, which is not part of the set: move it away first"
        )
