"""Whether the data is the paper's, and whether its clusters are those of the table that the authors published.

Both are read from where the data says it is from (its MANIFEST.json), never from how many rows there are.
"""

from collections.abc import Mapping
from typing import Any

from twigma.builder.release.identity import TWIGMA

NO_MANIFEST = (
    "the paper's cluster numbers are those of the table its authors published, and no MANIFEST.json says that these "
    "labels are from there (`twigma.dataset.published_table.fetch()` gives that table with one)"
)
OTHER_SOURCE = (
    "the paper's cluster numbers are those of the table its authors published (Zenodo record {record}), which the "
    "MANIFEST.json of this data does not name as its source"
)


def is_twigma(identity: Mapping[str, Any] | None) -> bool:
    """Whether a dataset is TWIGMA, by the identity that its release states; None is that of data without one.

    >>> is_twigma({"name": "twigma"}), is_twigma({"name": "portraits"}), is_twigma(None)
    (True, False, False)
    """
    if identity is None:
        return False
    return str(identity["name"]).casefold() == TWIGMA.name.casefold()


def why_other_labels(manifest: Mapping[str, Any] | None) -> str:
    """Why the clusters are not known to be those of the published table; empty where they are.

    Parameters
    ----------
    manifest : the MANIFEST.json of the data; None where it has none.
    """
    from twigma.dataset.published_table import RECORD

    if manifest is None:
        return NO_MANIFEST
    # `published_table.fetch` writes it; a release names no source, since its clusters are its own.
    source = manifest.get("source") or {}
    if f"/records/{RECORD}" in str(source.get("url", "")):
        return ""
    return OTHER_SOURCE.format(record=RECORD)
