"""Whether the data is the paper's, and whether its clusters are those of the table that the authors published.

Both are read from where the data says it is from (its MANIFEST.json), never from how many rows there are. Labels are
also theirs where images and labels are those of the authors' table, if that is in the cache or beside the data.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.reference_sets import ROLES
from twigma.analysis.inputs.requirements import Settings
from twigma.builder.references import TABLE
from twigma.builder.release.identity import TWIGMA
from twigma.core import columns

PAIR = ("image_name", columns.label_column(columns.PAPER_K))
PAPERS_SET = {
    "photographs": "LAION",
    "paintings": "ArtBench",
    "prompts": "DiffusionDB",
}
SAME = 0.95  # of the labelled images; of another clustering hardly more than the largest cluster agrees by chance
NO_MANIFEST = (
    "the paper's cluster numbers are those of the table its authors published, and no MANIFEST.json says that these "
    "labels are from there (`twigma.dataset.published.published_table.fetch()` gives that table with one)"
)
OTHER_SOURCE = (
    "the paper's cluster numbers are those of the table its authors published (Zenodo record {record}), which the "
    "MANIFEST.json of this data does not name as its source"
)
NOT_COMPARED = (
    "nor were the labels compared with that table, which is neither in the cache nor beside the data (`twigma ids "
    "zenodo` stores it in the cache)"
)
NOT_TWIGMA = "the paper counts posts, images and clusters of TWIGMA, and nothing says that this data is TWIGMA"
OTHER_SET = "the paper states it of {paper}, and the record of the reference set {name} names another origin"
UNNAMED_SET = "the paper states it of {paper}, and nothing says that the reference set {name} is that"
DIFFERENT = (
    "and {percent:.0f}% of the labelled images are in that table with the same label"
)


def is_twigma(identity: Mapping[str, Any] | None) -> bool:
    """Whether a dataset is TWIGMA, by the identity that its release states; None is that of data without one.

    >>> is_twigma({"name": "twigma"}), is_twigma({"name": "portraits"}), is_twigma(None)
    (True, False, False)
    """
    if identity is None:
        return False
    return str(identity["name"]).casefold() == TWIGMA.name.casefold()


def why_other_set(role: str, name: str, about: Mapping[str, Any]) -> str:
    """Why a reference set is not known to be the paper's in this role; empty where it is.

    It is by its name, or by an origin in its record. A folder without a record is taken as what its role calls it.

    Parameters
    ----------
    role : photographs, paintings or prompts. name : of the set. about : its reference.json, empty without one.

    >>> why_other_set("photographs", "laion", {}), why_other_set("photographs", "photographs", {})
    ('', '')
    >>> why_other_set("photographs", "mine", {})
    'the paper states it of LAION, and nothing says that the reference set mine is that'
    """
    known = next(each for each in TABLE.values() if each.role == role)
    if name == known.name:
        return ""
    # Records of sets that were made before origins were stored have none.
    origins = about.get("origin") or ()
    if known.origin in origins:
        return ""
    paper = PAPERS_SET[role]
    if origins:
        return OTHER_SET.format(paper=paper, name=name)
    return "" if name == role else UNNAMED_SET.format(paper=paper, name=name)


def other_sets(data: Inputs, settings: Settings) -> dict[str, str]:
    """Why the reference set of a role is not known to be the paper's, by role; without those that are."""
    others = {}
    for role in ROLES:
        name = getattr(settings, role)
        if name in data.references:
            why = why_other_set(role, name, data.references[name].about)
            if why:
                others[role] = why
    return others


def why_other_labels(
    manifest: Mapping[str, Any] | None,
    table: pa.Table | None = None,
    published: pa.Table | None = None,
) -> str:
    """Why the clusters are not known to be those of the published table; empty where they are.

    They are where the data says that it is from there, and where its ids and labels say so: then somebody filtered the
    table or stored it again.

    Parameters
    ----------
    manifest : the MANIFEST.json of the data; None where it has none.
    table : the data, a row an image and post, with the columns image_name and that of its labels.
    published : the authors' table, a row an image with the columns image_name and label_10_cluster; None where it is
        neither in the cache nor beside the data.
    """
    from twigma.dataset.published.published_table import RECORD

    # `published_table.fetch` writes it; a release names no source, since its clusters are its own.
    source = (manifest or {}).get("source") or {}
    if f"/records/{RECORD}" in str(source.get("url", "")):
        return ""
    reason = NO_MANIFEST if manifest is None else OTHER_SOURCE.format(record=RECORD)
    if manifest is not None and "counts" in manifest:
        return reason
    if published is None or table is None:
        return f"{reason}; {NOT_COMPARED}"
    shared = shared_labels(table, published)
    if shared >= SAME:
        return ""
    return f"{reason}; {DIFFERENT.format(percent=100 * shared)}"


def shared_labels(table: pa.Table, published: pa.Table) -> float:
    """The share of the labelled images of a table that have this name and this label in another; 0 without labels.

    Parameters
    ----------
    table, published : a row an image and post, with the columns image_name and label_10_cluster; an image on several
        posts counts once.

    >>> published = pa.table({"image_name": ["1", "2", "3"], "label_10_cluster": [4, 5, 6]})
    >>> shared_labels(pa.table({"image_name": ["3", "1"], "label_10_cluster": [6.0, 5.0]}), published)
    0.5
    """
    if not set(PAIR) <= set(table.column_names):
        return 0.0
    own = _pairs(table)
    if own.empty:
        return 0.0
    return len(own.merge(_pairs(published))) / len(own)


def _pairs(table: pa.Table) -> pd.DataFrame:
    """Every image_name and label once, as text and number; without images that have no label."""
    frame: pd.DataFrame = table.select(list(PAIR)).to_pandas().dropna()
    name, label = PAIR
    frame[label] = pd.to_numeric(frame[label]).astype(float)
    frame[name] = frame[name].astype(str)
    return frame.drop_duplicates()
