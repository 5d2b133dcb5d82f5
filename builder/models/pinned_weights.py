"""Where a model's weights come from: a local folder, or one fixed commit of a Hub repository; safetensors only.

A commit nobody named is asked of the Hub once and written, with the hashes of its weights, to
`WORK/models/pins.json`; from then on this working folder uses that commit and no other. Used by `twigma embed`
and `twigma caption`.
"""

import fnmatch
import hashlib
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twigma.core.files import file_sha256, write_json

# Names of weights, the best first; large models come in several files.
OPEN_CLIP = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
)
TRANSFORMERS = ("model.safetensors", "model-?????-of-?????.safetensors")
FILES = (
    "*.json",
    "*.txt",
    "*.model",
    "*.jinja",
)  # configuration and tokenizer; never a pickle
_hub = threading.RLock()  # held while something is fetched, and while nothing may be
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Pin:
    """One commit of a Hub repository, and the sha256 of each of its weights files where they are known."""

    repo: str
    revision: str
    sha256: Mapping[str, str] = field(default_factory=dict)


def weights_files(folder: Path, wanted: Sequence[str] = OPEN_CLIP) -> list[Path]:
    """The safetensors files of a model's folder; ValueError if there is none or the choice is unclear."""
    found = sorted(path.name for path in folder.glob("*.safetensors"))
    named = _choose(found, wanted) or found
    if not named or (named is found and len(found) > 1):
        names = sorted(path.name for path in folder.iterdir())
        raise ValueError(
            f"expected weights as {wanted[0]} in {folder}, found {names}: convert them to safetensors"
        )
    return [folder / name for name in named]


def _choose(names: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """The names that the first pattern with any of them matches."""
    return next(
        (
            matches
            for pattern in wanted
            if (matches := sorted(fnmatch.filter(names, pattern)))
        ),
        [],
    )


def hash_of(files: Sequence[Path]) -> str:
    """One SHA-256 for the weights in these files: that of the file, or of the hashes of several."""
    hashes = [file_sha256(path) for path in files]
    return (
        hashes[0]
        if len(hashes) == 1
        else hashlib.sha256("".join(hashes).encode()).hexdigest()
    )


def pin(
    work: Path | None, key: str, repo: str, revision: str | None, wanted: Sequence[str]
) -> Pin:
    """The commit of `repo` to load for the model `key`: the given one, the working folder's, or the newest.

    `wanted` are names of weights files, whose hashes the Hub states for that commit. ValueError when `revision` is no
    full commit hash, as a branch or tag can move, and when there are no such weights.
    """
    if revision is not None and not COMMIT.fullmatch(revision):
        raise ValueError(
            f"expected a commit of {repo} as 40 hex digits, found {revision!r}: branches and tags move"
        )
    known = read_pin(work, key)
    if known is not None and known.repo == repo and revision in (None, known.revision):
        return known
    found = _ask(repo, revision, wanted)
    if work is not None:
        write_pin(work, key, found)
    return found


def read_pin(work: Path | None, key: str) -> Pin | None:
    """What this working folder is pinned to for the model `key`; None if nothing yet."""
    known = _pins(work).get(key) if work is not None else None
    return (
        None
        if known is None
        else Pin(known["repo"], known["revision"], known["sha256"])
    )


def write_pin(work: Path, key: str, found: Pin) -> None:
    """Remember `found` for the model `key` in `WORK/models/pins.json`."""
    entry = {
        "repo": found.repo,
        "revision": found.revision,
        "sha256": dict(found.sha256),
    }
    write_json(work / "models" / "pins.json", _pins(work) | {key: entry})


def _pins(work: Path) -> dict[str, Any]:
    path = work / "models" / "pins.json"
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def _ask(repo: str, revision: str | None, wanted: Sequence[str]) -> Pin:
    """Ask the Hub which commit that is and which hashes it states for the weights."""
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
    hashes = {
        file.rfilename: file.lfs.sha256
        for file in info.siblings or []
        if file.lfs is not None
    }
    if not (chosen := _choose(hashes, wanted)):
        raise ValueError(
            f"{repo} has no weights as {wanted[0]}, only {sorted(hashes)}: convert them in a local folder"
        )
    return Pin(repo, str(info.sha), {name: hashes[name] for name in chosen})


def fetch_weights(found: Pin, wanted: Sequence[str]) -> Path:
    """Local folder of that commit: configuration, tokenizer and its weights, whose hashes are checked.

    Only configuration and tokenizer if no weights are `wanted`. From the cache where it is complete. OSError when it
    cannot be downloaded, ValueError on a wrong hash.
    """
    from huggingface_hub import snapshot_download

    names = (list(found.sha256) or list(wanted)) if wanted else []
    try:
        with _hub:
            folder = Path(
                snapshot_download(
                    found.repo, revision=found.revision, allow_patterns=[*FILES, *names]
                )
            )
    except Exception as error:
        raise OSError(
            f"cannot download {found.repo} at {found.revision} ({type(error).__name__}): give a local folder instead"
        ) from error
    for name in names and found.sha256:
        sha256, expected = file_sha256(folder / name), found.sha256[name]
        if sha256 != expected:
            raise ValueError(
                f"{folder / name}: expected sha256 {expected}, found {sha256}: delete it and run again"
            )
    return folder


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Ask nothing of the Hub meanwhile, whatever the files say; what is wrong with them becomes one sentence."""
    from huggingface_hub import constants

    with _hub:
        before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
        try:
            yield
        except ModuleNotFoundError:
            raise
        except (
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            AssertionError,
            ImportError,
            OSError,
        ) as error:
            lines = str(error).split("\n")
            raise ValueError(
                f"{what} cannot be loaded: {lines[0].strip() or type(error).__name__}"
            ) from error
        finally:
            constants.HF_HUB_OFFLINE = before
