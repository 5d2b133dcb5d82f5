"""The licence of the models that made a column, as far as it is known here; the release and its card state it.

It is read from the model's own README, which lies beside its weights: in a local folder when `twigma embed` or
`caption` uses it (noted in `WORK/models/licences.json`), in the Hub's cache otherwise. A small table knows the default
models; of any other the release says that it does not know. Nothing is asked of the network.
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
LAION_DETECTOR = "mit"  # `stages/nsfw_detector.LICENSE.txt`


def note_license(work: AnyWorkspace, model: str, folder: Path | None) -> None:
    """Write down what a local model's folder states, as the columns name the model but not its place."""
    work = Workspace(work)
    stated = None if folder is None else read_license(folder)
    noted = _noted(work)
    if noted.get(model) == stated:
        return
    noted.pop(model, None)
    if stated is not None:
        noted[model] = stated
    write_json(work.model_licenses, noted)


def license_of(work: AnyWorkspace, provenance: Mapping[str, Any]) -> str:
    """The licence of the model in a part's provenance, as its makers spell it; `unknown: see MODEL` where not known."""
    model = str(provenance["model"])
    stated = _noted(Workspace(work)).get(model) or _cached(provenance)
    is_local = "sha256" in provenance and "revision" not in provenance
    if stated is None and not is_local:  # a folder may bear any name
        stated = KNOWN.get(model)
    return stated or f"unknown: see {model}"


def detector_license(sha256: str) -> str:
    """The licence of an NSFW detector by the hash of its file."""
    if sha256 == file_sha256(DETECTOR):
        return LAION_DETECTOR
    return f"unknown: see the detector of SHA-256 {sha256[:12]}"


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


def _noted(work: Workspace) -> dict[str, str]:
    path = work.model_licenses
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


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
