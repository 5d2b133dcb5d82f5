"""A release as the Hub gets it: the same files, with a card that says how to get it from there.

The release itself is not changed. MANIFEST.json is sent with the size and hash of that card, so that what is downloaded
is a complete release.
"""

import hashlib
from pathlib import Path

import twigma
from twigma.builder.publish.publications import LOADING, with_doi
from twigma.core.files import json_text

CARD, MANIFEST = "README.md", "MANIFEST.json"
EDITED = (CARD, MANIFEST)  # what may be corrected in a version that is published
FROM_THE_HUB = """\
**From the Hub.** {repo} publishes this dataset; version {version} is the revision `v{version}`.

```python
from datasets import load_dataset

metadata = load_dataset("{repo}", split="train", revision="v{version}")
```

```sh
hf download {repo} --repo-type dataset --revision v{version} --local-dir twigma
```

**From a folder.**
"""


def card_for_hub(release: Path, repo: str, doi: str = "") -> str:
    """The card of a release as `repo` (NAMESPACE/NAME) shows it: how to get it from there, and its DOI where known.

    ValueError where the card has no section on loading, so that it is not one of ours.
    """
    text = (release / CARD).read_text("utf-8")
    if doi:
        text = with_doi(text, doi)
    before, heading, after = text.partition(LOADING)
    if not heading:
        raise ValueError(
            f"{release / CARD} has no section {LOADING.strip()!r}: re-create the release with `twigma release`"
        )
    version = twigma.read_manifest(release)["version"]
    lines = FROM_THE_HUB.format(repo=repo, version=version)
    return f"{before}{heading}\n{lines}{after.lstrip()}"


def files_for_hub(release: Path, repo: str, doi: str = "") -> dict[str, Path | bytes]:
    """Every file of a release by its path on the Hub: where it is, or its bytes where the Hub gets others."""
    manifest = twigma.read_manifest(release)
    files: dict[str, Path | bytes] = {}
    for path in manifest["files"]:
        files[path] = release / path
    card = card_for_hub(release, repo, doi).encode()
    manifest["files"][CARD] = {
        "bytes": len(card),
        "sha256": hashlib.sha256(card).hexdigest(),
    }
    files[CARD] = card
    files[MANIFEST] = json_text(manifest).encode()
    return dict(sorted(files.items()))
