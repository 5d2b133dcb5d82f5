"""What the report shows of the images themselves (Fig 4c, 4e), when it was given them; `twigma report` prints it."""

from typing import Any

import pandas as pd

from twigma.analysis.page.formatting import clean, listed, number, table
from twigma.analysis.page.gallery import Gallery, Row, tile
from twigma.analysis.page.section import Pictures, Results, Section, records

OURS = "ours"
PAIRS = 10  # pairs shown of each reference set
SHOW = "`twigma report --work FOLDER` shows them from a working folder that holds them."
RIGHTS = "The pictures are other people's: this page is for your own eyes."


def clusters(found: Results) -> Section:
    """Fig 4c, ten images of each cluster."""
    drawn = found.tables["cluster_images"]
    images = found.pictures.get(OURS)
    shown = f"Random images of each cluster{f'. {RIGHTS}' if images is not None else f': {SHOW}'}"
    rows = [(r.cluster, r.image_name, r.sensitive) for r in records(drawn)]
    galleries: tuple[Gallery, ...] = ()
    if images is not None:
        made = [
            Row(f"Cluster {cluster}", tuple(
                tile(images, r.image_name, f"Image {r.image_name}", coarse=r.sensitive) for r in records(members)
            ))
            for cluster, members in drawn.groupby("cluster")
        ]  # fmt: skip
        galleries = (Gallery("Ten random images of each cluster", tuple(made)),)
    return Section(
        "Fig 4c",
        "Images of the clusters",
        shown,
        f"{number(len(drawn))} images of {number(drawn['cluster'].nunique())} clusters, drawn at random.",
        "Ten random images of each cluster.",
        "Images that the detector or the platform flags, or that neither has seen, are shown as coarse squares.",
        tables=(
            table(
                "Which images were drawn",
                ("Cluster", "Image", "May be sensitive"),
                rows,
                True,
            ),
        ),
        galleries=galleries,
    )


def pairs(found: Results, role: str, top: pd.DataFrame) -> tuple[Gallery, ...]:
    """Fig 4e, the most similar pairs side by side; nothing when the images were not given."""
    ours, theirs = found.pictures.get(OURS), found.pictures.get(role)
    if ours is None or theirs is None or "sensitive" not in top:
        return ()
    rows = [_pair(ours, theirs, row) for row in records(top.head(PAIRS))]
    return (
        Gallery(
            f"Most similar to {role}: ours left, the similar {role} right; potential inspiration",
            tuple(rows),
        ),
    )


def _pair(ours: Pictures, theirs: Pictures, row: Any) -> Row:
    label = [f"similarity {number(row.similarity)}"]
    label += ["each other's nearest"] if row.mutual else []
    label += (
        [f"by or of {clean(row.group, 40)}"]
        if getattr(row, "group", None) is not None
        else []
    )
    return Row(
        listed(label),
        (
            tile(ours, row.image_name, f"Image {row.image_name}", coarse=row.sensitive),
            tile(
                theirs,
                row.reference_name,
                f"Reference {row.reference_name}",
                coarse=row.reference_sensitive,
            ),
        ),
    )
