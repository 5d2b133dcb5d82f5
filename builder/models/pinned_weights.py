"""Where a model's weights come from: a local folder, or one fixed commit of a Hub repository; safetensors only.

Where no commit is named, the Hub is asked once for the newest, which is written with the hashes of its weights to
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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from twigma.core.files import file_sha256, name_in_errors, write_json
from twigma.core.parts import Provenance
from twigma.core.services.user_agent import HUB_LIBRARY
from twigma.core.workspace import AnyWorkspace, Workspace

# Names of weights, the best first; large models come in several files.
OPEN_CLIP = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
)
TRANSFORMERS = ("model.safetensors", "model-?????-of-?????.safetensors")
# Configuration and tokenizer; never a pickle.
# README.md states the licence.
FILES = ("*.json", "*.txt", "*.model", "*.jinja", "README.md")
# Held while something is downloaded, and while nothing may be.
_hub = threading.RLock()
COMMIT = re.compile(r"[0-9a-f]{40}")
# What open_clip and transformers raise where a model's files are wrong.
LOADING_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ImportError,
    OSError,
    RuntimeError,  # torch's, where weights have other names or shapes
)
LONGEST_REASON = (
    300  # characters of such an error that are shown: torch names every weight
)


@dataclass(frozen=True)
class Pin:
    """One commit of a Hub repository, and the sha256 of each of its weights files where they are known."""

    repo: str
    revision: str
    sha256: Mapping[str, str] = field(default_factory=dict)

    def provenance(self, model: str) -> Provenance:
        """What a part says of the model that it was made by: name, commit, and the hash of the weights if known."""
        made_by = Provenance(model=model, repo=self.repo, revision=self.revision)
        if self.sha256:
            hashes = [self.sha256[name] for name in sorted(self.sha256)]
            made_by["sha256"] = join_hashes(hashes)
        return made_by


def weights_files(folder: Path, wanted: Sequence[str] = OPEN_CLIP) -> list[Path]:
    """The safetensors files of a model's folder; ValueError if there is none or the choice is unclear."""
    names = sorted(path.name for path in folder.glob("*.safetensors"))
    chosen = _choose(names, wanted)
    if not chosen and len(names) == 1:
        chosen = names  # under a name of its own
    if not chosen:
        present = sorted(path.name for path in folder.iterdir())
        raise ValueError(
            f"expected weights as {wanted[0]} in {folder}, found {present}: convert them to safetensors"
        )
    return [folder / name for name in chosen]


def _choose(names: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """The names that the first pattern with any of them matches."""
    names = list(names)
    for pattern in wanted:
        matches = sorted(fnmatch.filter(names, pattern))
        if matches:
            return matches
    return []


def hash_of(files: Sequence[Path]) -> str:
    """One SHA-256 for the weights in these files: that of the file, or of the hashes of several."""
    return join_hashes([file_sha256(path) for path in files])


def join_hashes(hashes: Sequence[str]) -> str:
    """One SHA-256 for several, in hex: itself where there is one."""
    if len(hashes) == 1:
        return hashes[0]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def pin(
    work: AnyWorkspace | None,
    key: str,
    repo: str,
    revision: str | None,
    wanted: Sequence[str],
) -> Pin:
    """The commit of `repo` to load for the model `key`: `revision`, the working folder's, or the newest.

    `wanted` are names of weights files, whose hashes the Hub states for that commit. ValueError when `revision` is no
    full commit hash, as a branch or tag can move, and when there are no such weights.
    """
    if revision is not None and not COMMIT.fullmatch(revision):
        raise ValueError(
            f"expected a commit of {repo} as 40 hex digits, found {revision!r}: branches and tags move"
        )
    known = _usable_pin(work, key, repo, revision)
    if known is not None:
        return known
    if work is None:
        return _ask_hub(repo, revision, wanted)
    work = Workspace(work)
    # Others wait, and take what this process pins: all slices of a stage use one commit.
    with work.lock_models():
        pinned = _usable_pin(work, key, repo, revision)
        if pinned is None:
            pinned = _ask_hub(repo, revision, wanted)
            _write_pin(work, key, pinned)
    return pinned


def _usable_pin(
    work: AnyWorkspace | None, key: str, repo: str, revision: str | None
) -> Pin | None:
    """The pin of the working folder, where it is of this repository and no other commit is asked for."""
    known = read_pin(work, key)
    if known is None or known.repo != repo:
        return None
    return known if revision in (None, known.revision) else None


def read_pin(work: AnyWorkspace | None, key: str) -> Pin | None:
    """The commit that this working folder is pinned to for the model `key`; None before the first run."""
    if work is None:
        return None
    entry = _read_pins(Workspace(work)).get(key)
    if entry is None:
        return None
    return Pin(entry["repo"], entry["revision"], entry["sha256"])


def write_pin(work: AnyWorkspace, key: str, pinned: Pin) -> None:
    """Pin this working folder to a commit for the model `key`, in `WORK/models/pins.json`."""
    work = Workspace(work)
    with work.lock_models():
        _write_pin(work, key, pinned)


def _write_pin(work: Workspace, key: str, pinned: Pin) -> None:
    pins = _read_pins(work)
    pins[key] = asdict(pinned)
    write_json(work.model_pins, pins)


def _read_pins(work: Workspace) -> dict[str, Any]:
    path = work.model_pins
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def _ask_hub(repo: str, revision: str | None, wanted: Sequence[str]) -> Pin:
    """Ask the Hub which commit that is and which hashes it states for the weights."""
    from twigma.core.services.hub_calls import hub_api, retried

    def ask() -> Any:
        return hub_api().model_info(repo, revision=revision, files_metadata=True)

    try:
        # A named commit may lie in the local cache: no wait for a Hub that cannot be reached.
        info = retried(ask, repo) if revision is None else ask()
    except Exception as error:
        if revision is not None:
            return Pin(repo, revision)
        raise _explained(
            f"ask the Hub which commit of {repo} to load", repo, error
        ) from error
    hashes = {}
    for file in info.siblings or []:
        if file.lfs is not None:  # stated for large files only, as weights are
            hashes[file.rfilename] = file.lfs.sha256
    chosen = _choose(hashes, wanted)
    if not chosen:
        raise ValueError(
            f"{repo} has no weights as {wanted[0]}, only {sorted(hashes)}: convert them in a local folder"
        )
    return Pin(repo, str(info.sha), {name: hashes[name] for name in chosen})


def fetch_weights(pinned: Pin, wanted: Sequence[str]) -> Path:
    """Local folder of that commit: configuration, tokenizer and its weights, whose hashes are checked.

    Only configuration and tokenizer if no weights are `wanted`. From the cache where it is complete. OSError when it
    cannot be downloaded, ValueError on a wrong hash.
    """
    from huggingface_hub import constants, snapshot_download

    hashes = pinned.sha256 if wanted else {}
    names = list(hashes) or list(wanted)
    try:
        with _hub, name_in_errors(Path(constants.HF_HUB_CACHE)):
            path = snapshot_download(
                pinned.repo,
                revision=pinned.revision,
                allow_patterns=[*FILES, *names],
                **HUB_LIBRARY,
            )
    except Exception as error:
        doing = f"download {pinned.repo} at {pinned.revision}"
        raise _explained(doing, pinned.repo, error) from error
    folder = Path(path)
    for name, expected in hashes.items():
        sha256 = file_sha256(folder / name)
        if sha256 != expected:
            raise ValueError(
                f"{folder / name}: expected sha256 {expected}, found {sha256}: delete it and run again"
            )
    return folder


def _explained(doing: str, repo: str, error: Exception) -> Exception:
    """An error of the Hub's client with the reason and what to do; one of the system, as a full disk, as it is."""
    from twigma.core.services.hub_calls import FAILURES, refusal

    if isinstance(error, OSError) and error.errno is not None:
        return error
    # Where the Hub refuses, its client looks into the cache, and may say only that nothing is there.
    cause = error if isinstance(error, FAILURES) else error.__cause__
    reason: Exception = OSError(f"{type(error).__name__}: {error}")
    if isinstance(cause, FAILURES):
        reason = refusal(repo, cause)
    kind = PermissionError if isinstance(reason, PermissionError) else OSError
    return kind(f"cannot {doing}: {reason}; or give a local folder")


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Load a model offline, whatever its files ask for; an error in them becomes one sentence that names `what`."""
    from huggingface_hub import constants
    from safetensors import SafetensorError

    with _hub:
        before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
        try:
            yield
        except ModuleNotFoundError:
            raise
        except (SafetensorError, *LOADING_ERRORS) as error:
            raise ValueError(f"{what} cannot be loaded: {_reason(error)}") from error
        finally:
            constants.HF_HUB_OFFLINE = before


def _reason(error: Exception) -> str:
    """The first line of an error, and the second where a colon announces it; of bounded length."""
    lines = [line.strip() for line in str(error).split("\n")]
    reason = lines[0]
    if reason.endswith(":") and len(lines) > 1:
        reason = f"{reason} {lines[1]}"
    if len(reason) > LONGEST_REASON:
        reason = f"{reason[:LONGEST_REASON]}…"
    return reason or type(error).__name__
