"""Results by image: what Fig 2d and Eq (1) computed of each, so that anyone can redo them with own covariates."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twigma.analysis.figures.contract import ROLES, Chapter, Figure, weighting_notes
from twigma.analysis.figures.fig2d_likes import mean_similarity
from twigma.analysis.inputs.load import Images, Inputs
from twigma.analysis.inputs.reference_similarity import reference_similarity
from twigma.analysis.inputs.requirements import Result, Settings, missing_requirements
from twigma.analysis.page.formatting import number, table
from twigma.analysis.page.section import Results, Section
from twigma.analysis.tables.long_table import BLOCK, LongTable
from twigma.core import columns
from twigma.core.safety.failures import DataError
from twigma.core.tables import take_table

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


class Against(NamedTuple):
    """Each image with an embedding against one role of reference, [n]; `names` are those of the reference, [m]."""

    similarity: NDArray[np.float32]
    quintile: NDArray[np.int8]
    nearest: NDArray[np.int64]  # which image of the reference
    nearest_similarity: NDArray[np.float32]
    names: pa.ChunkedArray

    def columns(self, role: str, some: slice) -> dict[str, Any]:
        """The columns of some of the images."""
        return {
            f"similarity_{role}": pa.array(self.similarity[some]),
            f"quintile_{role}": pa.array(self.quintile[some]),
            f"nearest_{role}": self.names.take(pa.array(self.nearest[some])),
            f"nearest_similarity_{role}": pa.array(self.nearest_similarity[some]),
        }


def compute_per_image(data: Inputs, settings: Settings) -> Result:
    """A row for each image with an embedding: similarity to the references, quintile, nearest image, month, cluster.

    Long table: `per_image` (image_name, id, month, cluster, and for each role similarity_ROLE, quintile_ROLE,
    nearest_ROLE, nearest_similarity_ROLE). Its rows are made when they are written.
    """
    images = data.images
    against: dict[str, Against] = {}
    reasons = []
    for role in ROLES:
        if missing_requirements(data, settings, [f"@{role}"]):
            continue
        try:
            against[role] = _against(data, settings, role)
        except ValueError as error:
            reasons.append(f"{role}: {error}")
    if not against:
        raise DataError("; ".join(reasons) or "no reference of either role is there")
    n = len(images.rows)

    def blocks() -> Iterator[pa.Table]:
        for start in range(0, n, BLOCK):
            yield _block(images, against, slice(start, start + BLOCK))

    schema = _block(images, against, slice(0)).schema
    notes = (*weighting_notes(images), *reasons)
    long = {"per_image": LongTable(schema, n, blocks)}
    return Result(n=n, tables={}, notes=notes, long=long)


def _against(data: Inputs, settings: Settings, role: str) -> Against:
    """What is known of each image against one role of reference."""
    from twigma.analysis.likes.quintiles import quintiles

    similarity = mean_similarity(data, settings, role)
    closest = reference_similarity(data, settings, role)
    reference = data.references[getattr(settings, role)]
    return Against(
        similarity=similarity,
        quintile=quintiles(similarity, data.images.weights()),
        nearest=closest.row,
        nearest_similarity=closest.similarity,
        names=reference.column("image_name"),
    )


def _block(images: Images, against: Mapping[str, Against], some: slice) -> pa.Table:
    """The rows of some of the images with an embedding."""
    label = columns.present([columns.LABELS], images.table.column_names)[0]
    names = ["image_name", "id"]
    for name in ("created_at", label):
        if images.has(name):
            names.append(name)
    rows = take_table(images.table.select(names), pa.array(images.rows[some]))
    cells: dict[str, Any] = {"image_name": rows["image_name"], "id": rows["id"]}
    if "created_at" in names:
        cells["month"] = pc.strftime(rows["created_at"], format="%Y-%m")
    if label in names:
        cells["cluster"] = rows[label].cast(pa.int32())
    for role, found in against.items():
        cells |= found.columns(role, some)
    return pa.table(cells)


def describe_per_image(results: Results) -> Section:
    """Where the table is, and what its columns mean."""
    per_image = results.long["per_image"]
    rows = []
    for column in per_image.columns:
        name, role = column, ""
        for each in ROLES:
            if column.endswith(f"_{each}"):
                name, role = column.removesuffix(f"_{each}"), f" ({each})"
        rows.append((column, COLUMNS[name] + role))
    n = number(len(per_image))
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
