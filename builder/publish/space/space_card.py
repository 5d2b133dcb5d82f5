"""The README.md of the Space that shows a release: its settings for the Hub, and what the page holds."""

from pathlib import Path
from typing import Any

import yaml

import twigma
from twigma.builder.release.card.header import license_values
from twigma.builder.release.card.wording import contact
from twigma.builder.release.identity import Identity, identity_of_release

PAGE = "index.html"
TEXT = """\
# {title}

All images of [{dataset}](https://huggingface.co/datasets/{dataset}), version {version}, as a map: images near one
another look alike. Colour and filter them, draw around some and save them as a selection, which
`twigma analyze --select` and other commands take.

The page holds the place, cluster, month, likes and score of every image{ids}, and no pictures. It asks nobody for
anything. The terms of the dataset hold for it.

**Removal.** To have an image taken out, {contact}. A new version of the dataset replaces this page and its history.

Made by `twigma publish hub {dataset} --space`.
"""


def space_card(release: Path, dataset: str, *, with_ids: bool) -> str:
    """The card of the Space of a release that `dataset` (NAMESPACE/NAME) publishes on the Hub."""
    identity = identity_of_release(release)
    version = str(twigma.read_manifest(release)["version"])
    header = yaml.safe_dump(
        _settings(identity, dataset), sort_keys=False, allow_unicode=True
    )
    text = TEXT.format(
        title=identity.title,
        dataset=dataset,
        version=version,
        ids=", with its id" if with_ids else " without its id",
        contact=contact(identity),
    )
    return f"---\n{header}---\n\n{text}"


def _settings(identity: Identity, dataset: str) -> dict[str, Any]:
    return {
        "title": f"{identity.title}: explorer",
        "emoji": "🗺️",
        "colorFrom": "blue",
        "colorTo": "green",
        "sdk": "static",
        "app_file": PAGE,
        "pinned": False,
        **license_values(identity),
        "datasets": [dataset],
    }
