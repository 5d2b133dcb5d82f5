"""Embeddings behind the served explorer: the neighbours of an image, and images by words or by a picture.

Every image is compared, exactly (`search.closest`). Only images that are on the map are shown.
"""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twigma.analysis.explorer.page import Explorer
from twigma.analysis.explorer.search import closest, model_of
from twigma.builder.engine.vectors import Vectors
from twigma.core.installing import install_command
from twigma.core.names import named_column, with_name
from twigma.core.workspace import Workspace
from twigma.dataset.release_folder import embedded_by

if TYPE_CHECKING:
    from twigma.builder.stages.clip_encoder import Encoder

MOST = 24  # images that are shown
SPARE = 4  # times as many are compared by name: one image may be on several posts

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """A point of the map, and its cosine similarity to what was looked for."""

    point: int
    similarity: float


class Embedded:
    """The embeddings of the images on a map.

    Attributes
    ----------
    point : int64[m], the point of each embedded row, -1 for an image without one.
    row : int64[n], the embedded row of each point, -1 where there is none.
    """

    def __init__(self, explorer: Explorer, work: Workspace, name: str = "") -> None:
        release, points = explorer.release, explorer.points
        self.name = name
        self.names: list[str] = points.table["image_name"].to_pylist()
        self.rows = points.rows
        try:
            table = release.embeddings_of(name)
            self.made_by = release.folder
        except FileNotFoundError:
            # A release may leave them out; FileNotFoundError where the working folder has none either.
            table = work.read(with_name("embed", name))
            self.made_by = work.path
        # In a release the column bears the name, in a working folder it does not.
        column = named_column("embedding", name)
        if column not in table.column_names:
            column = "embedding"
        if table[column].null_count:
            table = table.filter(table[column].is_valid())
        self.column: pa.ChunkedArray = table[column]
        self._vectors = Vectors(self.column.chunks, table["image_name"])
        self.row = self._rows_of_points(explorer, table["image_name"])
        self.point = np.full(len(table), -1, np.int64)
        known = np.flatnonzero(self.row >= 0)
        # An image on several posts is shown where the first of its points is.
        self.point[self.row[known][::-1]] = known[::-1]
        self.model = model_name(self.made_by, name)

    def _rows_of_points(self, explorer: Explorer, names: pa.ChunkedArray) -> Rows:
        points = explorer.points
        shown = points.table["image_name"].take(pa.array(points.rows))
        row = pc.index_in(shown, value_set=names.combine_chunks())
        return np.asarray(pc.fill_null(row, -1)).astype(np.int64)

    def known(self) -> NDArray[np.bool_]:
        """The points that have an embedding, bool[n]."""
        return np.asarray(self.row >= 0)

    def vectors(self, points: Rows) -> NDArray[np.floating]:
        """The embeddings of points int64[m] that have one, float16[m, d]."""
        return self._vectors.take(self.row[points])

    def similar(self, point: int, most: int = MOST) -> list[Found]:
        """The images most similar to that of a point, itself left out; ValueError where it has no embedding."""
        if self.row[point] < 0:
            raise ValueError("This image has no embedding to compare: `twigma embed`.")
        query = self.vectors(np.array([point]))[0].astype(np.float32)
        length = np.linalg.norm(query)
        return self.nearest(query / max(length, 1e-12), most, beside=point)

    def nearest(
        self, query: NDArray[np.float32], most: int = MOST, beside: int | None = None
    ) -> list[Found]:
        """The images most similar to a unit vector float32[d], each once; `beside` is a point that is left out."""
        similarity, rows = closest(self.column, query, most * SPARE)
        named = set() if beside is None else {self._name(beside)}
        found = []
        for value, row in zip(similarity.tolist(), rows.tolist(), strict=True):
            point = int(self.point[row])
            if point < 0 or self._name(point) in named:
                continue
            named.add(self._name(point))
            found.append(Found(point, value))
        return found[:most]

    def _name(self, point: int) -> str:
        return str(self.names[self.rows[point]])


def model_name(folder: Any, name: str) -> dict[str, Any]:
    """Which model made the embeddings of a folder; empty where that is not known."""
    try:
        return embedded_by(folder, name)
    except (OSError, ValueError):
        return {}


class Encoding:
    """The model that made the embeddings, loaded when something is first looked for."""

    def __init__(
        self, embedded: Embedded, model: str | None = None, weights: str | None = None,
        revision: str | None = None,
    ) -> None:  # fmt: skip
        self.embedded = embedded
        self.wanted = model, weights, revision
        self._encoder: Encoder | None = None
        self._loading = threading.Lock()

    def words(self, text: str) -> NDArray[np.float32]:
        """Words as a unit vector, float32[d]; ValueError or OSError where the model cannot do it."""
        try:
            rows = self.encoder().encode_text([text])
        except (AttributeError, NotImplementedError, TypeError) as error:
            raise ValueError(
                f"The model of these images has no half for text, so only a picture can be looked for ({error})."
            ) from None
        return np.asarray(rows[0], np.float32)

    def picture(self, data: bytes) -> NDArray[np.float32]:
        """A picture in any format that `twigma add` takes as a unit vector, float32[d]; ValueError where it is none."""
        from twigma.rehydrate.images.decode import open_upright
        from twigma.rehydrate.sources.pictures.convert import stored_form

        try:
            image = open_upright(stored_form(data)[0])
        except ValueError as error:
            raise ValueError(f"This is no picture that can be read: {error}") from None
        return np.asarray(self.encoder().encode([image])[0], np.float32)

    def encoder(self) -> "Encoder":
        """The loaded model; ValueError, OSError or RuntimeError where it cannot be loaded."""
        with self._loading:
            if self._encoder is None:
                self._encoder = self._load()
            return self._encoder

    def _load(self) -> "Encoder":
        try:
            from twigma.builder.stages.clip_encoder import choose_placement, load_on
        except ModuleNotFoundError as error:
            raise ValueError(
                f"Searching needs {error.name}, which is not installed: {install_command('models')}"
            ) from None
        folder = self.embedded.made_by
        chosen = model_of(folder, self.embedded.model, *self.wanted)
        return load_on(chosen, *choose_placement(None, None))
