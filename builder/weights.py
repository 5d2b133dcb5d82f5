"""Where a model's weights come from: a local folder, or one fixed commit of a Hub repository; safetensors only.

A commit nobody named is asked of the Hub once and written, with the hashes of its files, to
`WORK/models/pins.json`; from then on this working folder uses that commit and no other. Used by `twigma embed`
and `twigma caption`.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twigma import columns

PREFERRED = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")
FILES = ("*.json", "*.txt", "*.model")  # configuration and tokenizer; never a pickle
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Pin:
    """One commit of a Hub repository, and the sha256 of its weights where it is known."""

    repo: str
    revision: str
    sha256: str | None = None


def weights_file(folder: Path) -> Path:
    """The one safetensors file of a model's folder; ValueError if there is none or the choice is unclear."""
    found = sorted(folder.glob("*.safetensors"))
    named = [folder / name for name in PREFERRED if (folder / name) in found]
    if not named and len(found) != 1:
        names = sorted(path.name for path in folder.iterdir())
        raise ValueError(f"expected weights as one .safetensors file in {folder}, found {names}: convert them first")
    return (named or found)[0]


def pin(work: Path | None, key: str, repo: str, revision: str | None, weights: str) -> Pin:
    """The commit of `repo` to load for the model `key`: the given one, the working folder's, or the newest.

    `weights` is the name of the weights file whose hash the Hub states for that commit. ValueError when
    `revision` is no full commit hash: a branch or tag can move.
    """
    if revision is not None and not COMMIT.fullmatch(revision):
        raise ValueError(f"expected a commit of {repo} as 40 hex digits, found {revision!r}: branches and tags move")
    known = read_pin(work, key)
    if known is not None and known.repo == repo and revision in (None, known.revision):
        return known
    found = _ask(repo, revision, weights)
    if work is not None:
        write_pin(work, key, found)
    return found


def read_pin(work: Path | None, key: str) -> Pin | None:
    """What this working folder is pinned to for the model `key`; None if nothing yet."""
    known = _pins(work).get(key) if work is not None else None
    return None if known is None else Pin(known["repo"], known["revision"], known["sha256"])


def write_pin(work: Path, key: str, found: Pin) -> None:
    """Remember `found` for the model `key` in `WORK/models/pins.json`."""
    entry = {"repo": found.repo, "revision": found.revision, "sha256": found.sha256}
    columns.write_json(work / "models" / "pins.json", _pins(work) | {key: entry})


def _pins(work: Path) -> dict[str, Any]:
    path = work / "models" / "pins.json"
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def _ask(repo: str, revision: str | None, weights: str) -> Pin:
    """Ask the Hub which commit that is and which hash it states for the weights."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(repo, revision=revision, files_metadata=True)
    except Exception as error:
        if revision is not None:
            return Pin(repo, revision)  # a named commit may lie in the local cache
        raise OSError(
            f"cannot ask the Hub which commit of {repo} to load ({type(error).__name__}): "
            "give a local folder, or a revision that is already downloaded"
        ) from error
    hashes = {file.rfilename: file.lfs.sha256 for file in info.siblings or [] if file.lfs is not None}
    return Pin(repo, str(info.sha), hashes.get(weights))


def fetch(found: Pin, weights: Sequence[str]) -> Path:
    """Local folder of that commit: configuration, tokenizer and these weights files, hash checked.

    From the cache where it is complete. OSError when it cannot be downloaded, ValueError on a wrong hash.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(found.repo, revision=found.revision, allow_patterns=[*FILES, *weights]))
    except Exception as error:
        raise OSError(
            f"cannot download {found.repo} at {found.revision} ({type(error).__name__}): give a local folder instead"
        ) from error
    file = weights_file(folder)
    if found.sha256 is not None and (sha256 := columns.file_sha256(file)) != found.sha256:
        raise ValueError(f"{file}: expected sha256 {found.sha256}, found {sha256}: delete it and download again")
    return folder
