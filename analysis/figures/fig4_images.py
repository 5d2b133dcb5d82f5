"""Fig 4c and 4e, the images themselves: some of each cluster, and those most similar to a reference.

The report shows pictures when it is given them (`twigma report --work FOLDER`), else names only.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from twigma.analysis.figures.contract import ROLES, Chapter, Figure, weighting_notes
from twigma.analysis.inputs.load import OURS, Images, Inputs
from twigma.analysis.inputs.reference_similarity import reference_similarity
from twigma.analysis.inputs.requirements import Result, Settings
from twigma.analysis.page.formatting import Table, clean, listed, number, p_value, table
from twigma.analysis.page.gallery import Gallery, Row, drawn_images, sensitive, tile
from twigma.analysis.page.section import Pictures, Results, Section, records
from twigma.core import columns

MOST_PAIRS = 10  # shown as pictures, of each reference
LEVEL = 0.05  # the false discovery rate
SHOW = "`twigma report --work FOLDER` shows them from a working folder that holds them."
RIGHTS = "The pictures are other people's: this page is for your own eyes."
PAIRS_HEADER = (
    "Image",
    "Reference image",
    "Similarity",
    "Mutual",
    "Nearest to",
    "By CSLS",
    "p, adjusted",
)

# ------------------------------------------------------------------ Fig 4c: images of the clusters


def compute_cluster_images(data: Inputs, settings: Settings) -> Result:
    """Ten random images of each cluster. Table: `cluster_images` (cluster, image_name, sensitive)."""
    drawn = drawn_images(data.images.table, seed=settings.seed)
    return Result(len(drawn), {"cluster_images": drawn})


def describe_cluster_images(results: Results) -> Section:
    """The images that were drawn, as pictures where there are any."""
    drawn = results.tables["cluster_images"]
    pictures = results.pictures.get(OURS)
    if pictures is None:
        claim = f"Random images of each cluster: {SHOW}"
        galleries: tuple[Gallery, ...] = ()
    else:
        claim = f"Random images of each cluster. {RIGHTS}"
        galleries = (_cluster_gallery(pictures, drawn),)
    rows = drawn[["cluster", "image_name", "sensitive"]].to_numpy(object).tolist()
    header = ("Cluster", "Image", "May be sensitive")
    return Section(
        figure="Fig 4c",
        title="Images of the clusters",
        claim=claim,
        basis=f"{number(len(drawn))} images of {number(drawn['cluster'].nunique())} clusters, drawn at random.",
        paper="Ten random images of each cluster.",
        differs="Images that the detector or the platform flags, or that neither has seen, are shown as coarse "
        "squares.",
        tables=(table("Which images were drawn", header, rows, folded=True),),
        galleries=galleries,
    )


def _cluster_gallery(pictures: Pictures, drawn: pd.DataFrame) -> Gallery:
    """A row of pictures for each cluster."""
    rows = []
    for cluster, members in drawn.groupby("cluster"):
        tiles = []
        for row in records(members):
            alt = f"Image {row.image_name}"
            tiles.append(tile(pictures, row.image_name, alt, coarse=row.sensitive))
        rows.append(Row(f"Cluster {cluster}", tuple(tiles)))
    return Gallery("Ten random images of each cluster", tuple(rows))


# ------------------------------------------------------------------ Fig 4e: most similar images


def similar_to(role: str) -> Callable[[Inputs, Settings], Result]:
    """The function that computes the images most similar to one role of reference."""

    def compute(data: Inputs, settings: Settings) -> Result:
        """The most similar pairs, whether hubs make them so, and which may be sensitive.

        Table: `fig4e_ROLE`, a row per pair, most similar first.
        """
        from twigma.analysis.comparison.hubness import csls
        from twigma.analysis.themes.similar_pairs import neighbour_pairs

        images, reference = data.images, data.references[getattr(settings, role)]
        names = list(images.values("image_name"))
        reference_names = list(reference.values("image_name"))
        nearest = reference_similarity(data, settings, role)
        pairs = neighbour_pairs(
            images.embedding,
            reference.embedding,
            names,
            reference_names,
            seed=settings.seed,
            weights=images.weights(),
            neighbours=(nearest.similarity, nearest.row),
        )
        # Each image's nearest again, with hubs held back.
        again = csls(images.embedding, reference.embedding, pairs.pop("row"))
        pairs["sensitive"] = pairs["image_name"].map(_sensitive(images))
        flags = _sensitive(reference)
        pairs["reference_sensitive"] = pairs["reference_name"].map(flags)
        pairs["csls"] = again["csls"]
        pairs["csls_name"] = [reference_names[row] for row in again["reference"]]
        if reference.has("group"):
            groups = zip(reference_names, reference.values("group"), strict=True)
            pairs["group"] = pairs["reference_name"].map(dict(groups))
        tables = {f"fig4e_{role}": pairs}
        return Result(len(images.rows), tables, notes=weighting_notes(images))

    return compute


def _sensitive(images: Images) -> dict[str, bool]:
    """By name, whether an image that has an embedding may be sensitive."""
    flags = sensitive(images.table)[images.rows]
    return dict(zip(images.values("image_name"), flags, strict=True))


def describe_pairs(results: Results) -> Section:
    """How similar the most similar images are, and how many pairs are closer than references to one another."""
    roles = [role for role in ROLES if f"fig4e_{role}" in results.figures]
    claims: list[str] = []
    tables: list[Table] = []
    galleries: list[Gallery] = []
    for role in roles:
        pairs = results.tables[f"fig4e_{role}"]
        largest = number(float(pairs["similarity"].iloc[0]))
        closer = int((pairs["p_adjusted"] < LEVEL).sum())
        claims.append(
            f"to {role} is {largest}, and {closer} of the {len(pairs)} closest pairs are closer than {role} are to "
            "one another"
        )
        tables.append(_pairs_table(pairs, role))
        galleries.extend(_pairs_gallery(results, role))
    n = results.figures[f"fig4e_{roles[0]}"]["n"]
    return Section(
        figure="Fig 4e",
        title="Most similar images",
        claim=f"The largest similarity {'; '.join(claims)}.",
        basis=f"{number(n)} images; false discovery rate 5% over all of them.",
        paper="Shown as pairs of pictures, as potential inspiration.",
        differs="Similar does not mean copied: the null is how close reference images are to one another. “Mutual” "
        "pairs are each other's nearest; a hub is nearest to many images and says little. CSLS ranks each image's ten "
        "nearest again with hubs held back; where it names another image, the pair is less sure.",
        tables=tuple(tables),
        galleries=tuple(galleries),
    )


def _pairs_table(pairs: pd.DataFrame, role: str) -> Table:
    header = list(PAIRS_HEADER)
    rows = []
    for row in records(pairs):
        rows.append(
            [
                row.image_name,
                row.reference_name,
                row.similarity,
                row.mutual,
                row.hub,
                row.csls_name,
                p_value(row.p_adjusted),
            ]
        )
    if "group" in pairs:
        header.append("By or of")
        for row, group in zip(rows, pairs["group"], strict=True):
            row.append(group)
    return table(f"Images most similar to {role}", header, rows, folded=True)


def _pairs_gallery(results: Results, role: str) -> list[Gallery]:
    """The most similar pairs side by side; empty without pictures of both."""
    ours, theirs = results.pictures.get(OURS), results.pictures.get(role)
    pairs = results.tables[f"fig4e_{role}"]
    if ours is None or theirs is None or "sensitive" not in pairs:
        return []
    rows = [_pair(ours, theirs, pair) for pair in records(pairs.head(MOST_PAIRS))]
    caption = f"Most similar to {role}: ours left, the similar {role} right; potential inspiration"
    return [Gallery(caption, tuple(rows))]


def _pair(ours: Pictures, theirs: Pictures, pair: Any) -> Row:
    label = [f"similarity {number(pair.similarity)}"]
    if pair.mutual:
        label.append("each other's nearest")
    group = getattr(pair, "group", None)
    if group is not None:
        label.append(f"by or of {clean(group, 40)}")
    left_alt = f"Image {pair.image_name}"
    left = tile(ours, pair.image_name, left_alt, coarse=pair.sensitive)
    right_alt = f"Reference {pair.reference_name}"
    right = tile(
        theirs, pair.reference_name, right_alt, coarse=pair.reference_sensitive
    )
    return Row(listed(label), (left, right))


# ------------------------------------------------------------------ what they need

CLUSTER_IMAGES = Figure(
    "cluster_images", compute_cluster_images, needs=(columns.LABELS,)
)
FIG4E = tuple(
    Figure(f"fig4e_{role}", similar_to(role), needs=("embedding", f"@{role}"))
    for role in ROLES
)
IMAGES_OF_CLUSTERS = Chapter(describe_cluster_images, (CLUSTER_IMAGES,))
PAIRS = Chapter(describe_pairs, FIG4E)
