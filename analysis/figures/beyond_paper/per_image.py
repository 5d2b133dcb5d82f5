"""Results by image: what Fig 2d and Eq (1) computed of each, so that anyone can redo them with own covariates."""

import pandas as pd
import pyarrow as pa

from twigma.analysis.figures.contract import ROLES, Chapter, Figure, weighting_notes
from twigma.analysis.figures.fig2d_likes import mean_similarity
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.reference_similarity import reference_similarity
from twigma.analysis.inputs.requirements import Result, Settings, missing_requirements
from twigma.analysis.page.formatting import number, table
from twigma.analysis.page.section import Results, Section
from twigma.core import columns
from twigma.core.numeric.months import month_labels

COLUMNS = {
    "image_name": "id of the image; with id, the key",
    "id": "id of the post",
    "month": "month of the post, in UTC",
    "cluster": "label of the cluster, as released",
    "similarity": "mean of the five largest cosines to the reference, as in Fig 2d",
    "quintile": "of that mean: 1 the least similar, 5 the most",
    "nearest": "image_name of the most similar image of the reference",
    "nearest_similarity": "its cosine",
}


def compute_per_image(data: Inputs, settings: Settings) -> Result:
    """A row for each image with an embedding: similarity to the references, quintile, nearest image, month, cluster.

    Table: `per_image` (image_name, id, month, cluster, and for each role similarity_ROLE, quintile_ROLE, nearest_ROLE,
    nearest_similarity_ROLE).
    """
    images = data.images
    rows = pd.DataFrame(
        {"image_name": images.values("image_name"), "id": images.values("id")}
    )
    if images.has("created_at"):
        rows["month"] = month_labels(pd.Series(images.values("created_at")))
    if images.has(columns.LABELS):
        cluster = pd.Series(images.values(columns.LABELS))
        rows["cluster"] = cluster.astype("Int32")
    reasons = []
    for role in ROLES:
        if missing_requirements(data, settings, [f"@{role}"]):
            continue
        try:
            rows = rows.join(_against(data, settings, role))
        except ValueError as error:
            reasons.append(f"{role}: {error}")
    if not any(f"similarity_{role}" in rows for role in ROLES):
        raise ValueError("; ".join(reasons) or "no reference of either role is there")
    notes = (*weighting_notes(images), *reasons)
    return Result(n=len(rows), tables={"per_image": rows}, notes=notes)


def _against(data: Inputs, settings: Settings, role: str) -> pd.DataFrame:
    """What is known of each image against one role of reference."""
    from twigma.analysis.likes.quintiles import quintiles

    similarity = mean_similarity(data, settings, role)
    closest = reference_similarity(data, settings, role)
    reference = data.references[getattr(settings, role)]
    names = reference.table["image_name"].take(pa.array(reference.rows))
    return pd.DataFrame(
        {
            f"similarity_{role}": similarity,
            f"quintile_{role}": quintiles(similarity, data.images.weights()),
            f"nearest_{role}": names.take(pa.array(closest.row)).to_pandas(),
            f"nearest_similarity_{role}": closest.similarity,
        }
    )


def describe_per_image(results: Results) -> Section:
    """Where the table is, and what its columns mean."""
    columns = results.tables["per_image"].columns
    rows = []
    for column in columns:
        name, role = column, ""
        for each in ROLES:
            if column.endswith(f"_{each}"):
                name, role = column.removesuffix(f"_{each}"), f" ({each})"
        rows.append((column, COLUMNS[name] + role))
    n = number(len(results.tables["per_image"]))
    return Section(
        figure="Data",
        title="Results by image",
        claim=f"results/per_image.parquet has the similarity, quintile and nearest reference image of each of {n} "
        "images, with the key image_name and id.",
        basis="Every image with an embedding. There is a .csv beside it for up to 100,000 rows.",
        paper="Not in the paper.",
        differs="Join it with your own columns by image_name and id, and Eq (1) can be fitted with any covariates: "
        "`twigma.analysis.eq1`. It holds nothing of authors.",
        tables=(table("Columns", ("Column", "Meaning"), rows, folded=True),),
    )


FIGURE = Figure("per_image", compute_per_image, needs=("embedding", "@"))
PER_IMAGE = Chapter(describe_per_image, (FIGURE,))
