"""The licence of the models that made a column, as far as it is known here; the release and its card state it.

It is read from the model's own README, which lies beside its weights: in a local folder when `twigma embed` or
`caption` uses it, in the Hub's cache otherwise. A small table knows the default models. Of a model of your own, state
it by its name in `WORK/models/licences.json`, which counts before all of these:

    {"my-clip": "cc-by-4.0"}

Of any other the release says that it does not know. Nothing is asked of the network.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from twigma.core.files import file_sha256, write_json
from twigma.core.workspace import AnyWorkspace, Workspace

README = "README.md"
CONFIG = "config.json"
LONGEST = 100  # characters of what a stranger's file states
DETECTOR = Path(__file__).parents[1] / "stages" / "nsfw_detector.safetensors"
# What the pages of the default models state (28 November 2026).
KNOWN = {
    "ViT-L-14/openai": "apache-2.0",  # timm/vit_large_patch14_clip_224.openai
    "Salesforce/blip-image-captioning-large": "bsd-3-clause",
    "Salesforce/blip-image-captioning-base": "bsd-3-clause",
}
# Keys of an entry that was read, and not stated by a user.
STATED, READ_FROM = "licence", "read_from"
EXPECTED = 'expected licences by model, such as {"my-clip": "cc-by-4.0"}'
LAION_DETECTOR = "mit"  # `stages/nsfw_detector.LICENSE.txt`


def note_license(work: AnyWorkspace, model: str, folder: Path | None) -> None:
    """Write down what a local model's folder states, as the columns name the model but not its place.

    What a user has stated of the model stays.
    """
    work = Workspace(work)
    stated = None if folder is None else read_license(folder)
    noted = None if stated is None else {STATED: stated, READ_FROM: README}
    if _entries(work).get(model) != noted:
        with work.lock_models():
            _note(work, model, noted)


def _note(work: Workspace, model: str, noted: dict[str, str] | None) -> None:
    entries = _entries(work)
    before = entries.get(model)
    if isinstance(before, str) or noted == before:
        return
    entries.pop(model, None)
    if noted is not None:
        entries[model] = noted
    write_json(work.model_licenses, entries)


def license_of(work: AnyWorkspace, provenance: Mapping[str, Any]) -> str:
    """The licence of the model in a part's provenance, as its makers spell it, or a sentence where it is not known.

    ValueError where `WORK/models/licences.json` is no table of licences.
    """
    model = str(provenance["model"])
    entry = _entries(Workspace(work)).get(model)
    stated = entry[STATED] if isinstance(entry, dict) else entry
    stated = stated or _cached(provenance)
    is_local = "sha256" in provenance and "revision" not in provenance
    if stated is None and not is_local:  # a folder may bear any name
        stated = KNOWN.get(model)
    if stated is None:
        return f"unknown: {model} comes without a licence"
    return stated


def detector_license(sha256: str) -> str:
    """The licence of an NSFW detector by the hash of its file."""
    if sha256 == file_sha256(DETECTOR):
        return LAION_DETECTOR
    return f"unknown: the detector of SHA-256 {sha256[:12]} comes without a licence"


def read_license(folder: Path) -> str | None:
    """What a model's folder states of its licence, and whether access to it is gated; None where it states nothing."""
    header = _header(folder / README)
    stated = header.get("license")
    if stated == "other":
        stated = header.get("license_name") or header.get("license_link") or stated
    if not stated:
        stated = _config(folder / CONFIG).get("license")
    if isinstance(stated, list):
        stated = " and ".join(str(one) for one in stated)
    if not stated:
        return None
    text = " ".join(str(stated).split())[:LONGEST]
    gated = any(str(key).startswith("extra_gated_") for key in header)
    return f"{text} (gated)" if gated else text


def _cached(provenance: Mapping[str, Any]) -> str | None:
    """What the README of that commit states, where it is in the Hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    revision = provenance.get("revision")
    repo = str(provenance.get("repo") or provenance["model"])
    if revision is None or repo.count("/") != 1:
        return None
    path = try_to_load_from_cache(repo, README, revision=str(revision))
    return read_license(Path(path).parent) if isinstance(path, str) else None


def _entries(work: Workspace) -> dict[str, Any]:
    """The table of a working folder: by model what a user states, as text, or what was read from a folder."""
    path = work.model_licenses
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {EXPECTED}, found {error}: correct it") from None
    if not isinstance(entries, dict):
        raise ValueError(
            f"{path}: {EXPECTED}, found a {type(entries).__name__}: correct it"
        )
    for model, entry in entries.items():
        stated = entry.get(STATED) if isinstance(entry, dict) else entry
        if not isinstance(stated, str) or not stated.strip():
            raise ValueError(
                f"{path}: {EXPECTED}, found {stated!r} of {model!r}: correct it"
            )
    return entries


def _header(path: Path) -> dict[str, Any]:
    """The YAML between the first two lines of dashes; empty where there is none that can be read."""
    try:
        parts = path.read_text("utf-8").split("---\n", 2)
        values = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else {}
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return values if isinstance(values, dict) else {}


def _config(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
