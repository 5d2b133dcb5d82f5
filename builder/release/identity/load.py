"""The identity of a working folder and of a release: read, written for the user to fill in, or neutral."""

from pathlib import Path

import twigma
from twigma.builder.release.identity.checks import one_line
from twigma.builder.release.identity.dataset_identity import TWIGMA, Identity
from twigma.builder.release.identity.dataset_toml import read_identity, to_toml
from twigma.core.files import atomic
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.dataset.own_release import neutral_name


def init(work: AnyWorkspace, identity: Identity | None = None) -> bool:
    """Write a dataset.toml to fill in, or that of `identity`; False, and nothing is changed, when there is one."""
    work = Workspace(work)
    if work.identity_file.exists():
        return False
    work.create()
    text = to_toml(identity or neutral_identity(work))
    with atomic(work.identity_file) as partial:
        partial.write_text(text, "utf-8")
    return True


def load_identity(work: AnyWorkspace) -> Identity:
    """The identity of a working folder: that of its dataset.toml, else a neutral one by the folder's name.

    Raises ValueError naming the file and the entry when dataset.toml is not as it should be.
    """
    work = Workspace(work)
    if work.identity_file.exists():
        return read_identity(work.identity_file)
    return neutral_identity(work)


def neutral_identity(work: AnyWorkspace) -> Identity:
    """What can be said without asking: "Images of FOLDER"."""
    folder = Workspace(work).path.absolute().name
    title = one_line(f"Images of {folder}")
    return Identity(title=title, name=neutral_name(work))


def identity_of_release(release: Path) -> Identity:
    """The identity of a release folder; that of TWIGMA for the table its authors published.

    Raises ValueError when the folder is no release, or its MANIFEST.json states no sound identity.
    """
    manifest = twigma.read_manifest(release)
    if "identity" not in manifest:
        if "source" in manifest:  # `dataset/published/published_table.py` wrote it
            return TWIGMA
        raise ValueError(
            f"{release}: its MANIFEST.json does not say what dataset it is: re-create it with `twigma release`"
        )
    try:
        return Identity.from_json(manifest["identity"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{release}: the identity in its MANIFEST.json is damaged ({error}): re-create it with `twigma release`"
        ) from None
