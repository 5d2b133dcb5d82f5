"""Fig 4c and 4e, the images themselves: some of each cluster, and those most similar to a reference.

The report shows pictures when it is given them (`twigma report --work FOLDER`), else names only.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twigma.analysis.figures.contract import (
    ROLES,
    Chapter,
    Figure,
    set_name,
    weighting_notes,
)
from twigma.analysis.figures.overview.cluster_cards import cluster_cards
from twigma.analysis.inputs.load import OURS, Images, Inputs
from twigma.analysis.inputs.reference_similarity import reference_similarity
from twigma.analysis.inputs.requirements import Entry, Result, Settings
from twigma.analysis.page.formatting import (
    Table,
    clean,
    listed,
    number,
    p_value,
    plural,
    table,
)
from twigma.analysis.page.gallery import Gallery, Row, drawn_images, sensitive, tile
from twigma.analysis.page.section import Pictures, Results, Section, records
from twigma.analysis.themes.nearest_null import NEAR
from twigma.core import columns

LOCAL = "cluster_images/local"  # a value
MOST_PAIRS = 10  # shown as pictures, of each reference
MOST_LISTED = 50  # rows of the table of all that stand out
SHOW = "`twigma report --work FOLDER` shows them from a working folder that holds them."
OWN_RIGHTS = "This page is for your own eyes, unless you may publish the pictures."
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
LISTED_HEADER = ("Image", "Reference image", "Similarity", "p, adjusted")

# ------------------------------------------------------------------ Fig 4c: images of the clusters


def compute_cluster_images(data: Inputs, settings: Settings) -> Result:
    """Ten random images of each cluster. Table: `cluster_images` (cluster, image_name, sensitive).

    Value: `cluster_images/local`, where all images were added by hand.
    """
    drawn = drawn_images(data.images.table, seed=settings.seed)
    values: dict[str, Entry] = {}
    if data.images.is_local:
        values[LOCAL] = {"value": True}
    return Result(len(drawn), {"cluster_images": drawn}, values)


def describe_cluster_images(results: Results) -> Section:
    """The images that were drawn, as pictures where there are any."""
    drawn = results.tables["cluster_images"]
    pictures = results.pictures.get(OURS)
    rights = OWN_RIGHTS if LOCAL in results.values else RIGHTS
    claim = f"Random images of each cluster. {rights}"
    if pictures is None:
        claim = f"Random images of each cluster: {SHOW}"
    rows = drawn[["cluster", "image_name", "sensitive"]].to_numpy(object).tolist()
    header = ("Cluster", "Image", "May be sensitive")
    return Section(
        figure="Fig 4c",
        title="Images of the clusters",
        claim=claim,
        basis=f"{plural(len(drawn), 'image')} of {plural(drawn['cluster'].nunique(), 'cluster')}, drawn at random.",
        paper="Ten random images of each cluster.",
        differs="Images that the detector or the platform flags, or that neither has seen, are shown as coarse "
        "squares.",
        tables=(table("Which images were drawn", header, rows, folded=True),),
        galleries=(cluster_cards(results),),
    )


# ------------------------------------------------------------------ Fig 4e: most similar images


def similar_to(role: str) -> Callable[[Inputs, Settings], Result]:
    """The function that computes the images most similar to one role of reference."""

    def compute(data: Inputs, settings: Settings) -> Result:
        """The most similar pairs, whether hubs make them so, and which may be sensitive.

        Tables: `fig4e_ROLE`, a row for each of the 20 most similar pairs, `set` being the reference set in the role;
        `fig4e_ROLE_listed`, for every pair that is
        near-identical or closer than reference images are to one another.
        Values: `similar/ROLE/near` and `similar/ROLE/closer`, how many images these are; `similar/ROLE/null`.
        """
        from twigma.analysis.comparison.hubness import csls
        from twigma.analysis.themes.similar_pairs import names_of, similar_pairs

        name = getattr(settings, role)
        images, reference = data.images, data.references[name]
        names = images.column("image_name")
        reference_names = reference.column("image_name")
        nearest = reference_similarity(data, settings, role)
        found = similar_pairs(
            images.embedding,
            reference.embedding,
            names,
            reference_names,
            weights=images.weights(),
            neighbours=(nearest.similarity, nearest.row),
            search=data.search,
        )
        pairs = found.top
        # Each image's nearest again, with hubs held back.
        rows = pairs.pop("row").to_numpy()
        again = csls(images.embedding, reference.embedding, rows)
        closest = nearest.row[rows]
        pairs["sensitive"] = _sensitive(images)[rows]
        pairs["reference_sensitive"] = _sensitive(reference)[closest]
        pairs["csls"] = again["csls"]
        pairs["csls_name"] = names_of(reference_names, again["reference"])
        if reference.has("group"):
            pairs["group"] = names_of(reference.column("group"), closest)
        pairs["set"] = name
        listed_pairs = found.listed.drop(columns="row")
        authors = images.known_numbered("author_id")
        counts = found.counts(authors)
        return Result(
            n=len(images.rows),
            tables={f"fig4e_{role}": pairs, f"fig4e_{role}_listed": listed_pairs},
            values={f"similar/{role}/{key}": entry for key, entry in counts.items()},
            notes=weighting_notes(images),
        )

    return compute


def _sensitive(images: Images) -> NDArray[np.bool_]:
    """Whether each image that has an embedding may be sensitive, [n]."""
    flags: NDArray[np.bool_] = sensitive(images.table)[images.rows]
    return flags


def describe_pairs(results: Results) -> Section:
    """How similar the most similar images are, and how many are closer than references are to one another."""
    roles = [role for role in ROLES if f"fig4e_{role}" in results.figures]
    claims: list[str] = []
    shortlists: list[str] = []
    tables: list[Table] = []
    galleries: list[Gallery] = []
    for role in roles:
        claims.append(_claim(results, role))
        shortlists.append(_shortlist(results, role))
        tables.append(_pairs_table(results, role))
        tables.extend(_listed_table(results, role))
        galleries.extend(_pairs_gallery(results, role))
    n = results.figures[f"fig4e_{roles[0]}"]["n"]
    return Section(
        figure="Fig 4e",
        title="Most similar images",
        claim=" ".join(claims),
        basis=f"{plural(n, 'image')}, each with its most similar reference image by exact search. "
        + " ".join(shortlists),
        paper="Shown as pairs of pictures, as potential inspiration.",
        differs="Similar does not mean copied: the null is how close reference images are to one another, without "
        f"those at {NEAR} or more, which are taken as repeats; its tail is fitted, so that p has no floor. “Mutual” "
        "pairs are each other's nearest; a hub is nearest to many images and says little. CSLS ranks each image's ten "
        "nearest again with hubs held back; where it names another image, the pair is less sure.",
        tables=tuple(tables),
        galleries=tuple(galleries),
    )


def _claim(results: Results, role: str) -> str:
    """What stands out among the pairs with one role of reference."""
    name = set_name(results, role)
    largest = number(float(results.tables[f"fig4e_{role}"]["similarity"].iloc[0]))
    near = results.values[f"similar/{role}/near"]
    have = "has" if near["n"] == 1 else "have"
    claim = (
        f"The largest similarity to {name} is {largest}: {number(near['value'])} of {plural(near['n'], 'image')} "
        f"{have} an image of {name} at {NEAR} or more"
    )
    closer = results.values[f"similar/{role}/closer"]
    if closer["value"] is None:
        why = results.values[f"similar/{role}/null"]["why"]
        return f"{claim}. How many are closer than images of {name} are to one another cannot be tested: {why}."
    if near["value"] and not closer["value"]:
        return f"{claim}, which images of {name} also are to one another too often for a test to tell them apart."
    by = ""
    if closer["value"] and closer.get("authors"):
        by = f", by {plural(closer['authors'], 'author')}"
    return f"{claim}, and {number(closer['value'])} are closer than images of {name} are to one another{by}."


def _shortlist(results: Results, role: str) -> str:
    """Which images were tested, against how many pairs of the reference."""
    name = set_name(results, role)
    null = results.values[f"similar/{role}/null"]
    repeats = f"{number(null['near'])} of {number(null['n'])} images of {name} have another one at {NEAR} or more."
    if null["value"] is None:
        return repeats
    tested = results.values[f"similar/{role}/closer"]["tested"]
    are = "is" if tested == 1 else "are"
    return (
        f"Tested {are} {plural(tested, 'image')} above {number(null['value'])}, where the tail of {name} begins "
        f"({plural(null['pairs'], 'pair')}), at a false discovery rate of 5% among them; {repeats}"
    )


def _pairs_table(results: Results, role: str) -> Table:
    pairs = results.tables[f"fig4e_{role}"]
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
                _adjusted(row),
            ]
        )
    if "group" in pairs:
        header.append("By or of")
        for row, group in zip(rows, pairs["group"], strict=True):
            row.append(group)
    caption = f"Images most similar to {set_name(results, role)}"
    return table(caption, header, rows, folded=True)


def _adjusted(pair: Any) -> str:
    """The adjusted p value of a pair; those outside the shortlist have none."""
    return "not tested" if math.isnan(pair.p_adjusted) else p_value(pair.p_adjusted)


def _listed_table(results: Results, role: str) -> list[Table]:
    """The first pairs that are near-identical or closer than chance; nothing where there are none."""
    file = f"fig4e_{role}_listed"
    pairs = results.tables[file]
    if pairs.empty:
        return []
    rows = []
    for row in records(pairs.head(MOST_LISTED)):
        rows.append(
            [row.image_name, row.reference_name, row.similarity, _adjusted(row)]
        )
    name = set_name(results, role)
    caption = f"All images at {NEAR} or more to {name}, or closer than images of {name} are to one another"
    if len(pairs) > MOST_LISTED:
        caption += f": the first {MOST_LISTED} of {number(len(pairs))}, which results/{file}.csv has"
    return [table(caption, LISTED_HEADER, rows, folded=True)]


def _pairs_gallery(results: Results, role: str) -> list[Gallery]:
    """The most similar pairs side by side; empty without pictures of both."""
    ours, theirs = results.pictures.get(OURS), results.pictures.get(role)
    pairs = results.tables[f"fig4e_{role}"]
    if ours is None or theirs is None or "sensitive" not in pairs:
        return []
    rows = [_pair(ours, theirs, pair) for pair in records(pairs.head(MOST_PAIRS))]
    name = set_name(results, role)
    caption = f"Most similar to {name}: ours left, the similar image of {name} right; potential inspiration"
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
