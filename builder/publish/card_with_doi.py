"""A release as it is uploaded to the Hub once it has a DOI: its card names the DOI, and nothing else is different.

The release itself stays as it was published on Zenodo, byte for byte.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import twigma
from twigma.builder.publish.publications import with_doi
from twigma.core.files import file_sha256, write_json

CARD, MANIFEST = "README.md", "MANIFEST.json"


@contextmanager
def release_with_doi(release: Path, doi: str) -> Iterator[Path]:
    """A folder of the release's files with the DOI in the card, and the card's hash in MANIFEST.json.

    The release itself where `doi` is "". All other files are links to those of the release; the folder is deleted
    afterwards.
    """
    if not doi:
        yield release
        return
    manifest = twigma.read_manifest(release)
    with tempfile.TemporaryDirectory(prefix="twigma-card-") as name:
        folder = Path(name)
        card = folder / CARD
        text = (release / CARD).read_text("utf-8")
        card.write_text(with_doi(text, doi), "utf-8")
        facts = {"bytes": card.stat().st_size, "sha256": file_sha256(card)}
        manifest["files"][CARD] = facts
        write_json(folder / MANIFEST, manifest)
        for path in sorted(set(manifest["files"]) - {CARD}):
            link = folder / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((release / path).resolve())
        yield folder
