"""Score every embedded image with LAION's CLIP-based NSFW detector (paper, Fig 4d). Run by `twigma nsfw`.

The detector replaces five dimensions of the embedding by their place in a vocabulary, normalises, and runs four dense
layers. LAION's own weights for ViT-L/14 are part of this package: `nsfw_detector.safetensors`, under the MIT licence
beside it, converted from LAION's archive by `tools/convert_nsfw_detector.py`.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twigma.builder.engine.engine import Stage, map_parts
from twigma.builder.engine.slices import Slice
from twigma.builder.engine.vectors import as_matrix
from twigma.core import columns
from twigma.core.files import file_sha256
from twigma.core.model_identity import identity
from twigma.core.names import DEFAULT, with_name
from twigma.core.parts import Provenance, read_model
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.stage import stage
from twigma.core.workspace import AnyWorkspace, Workspace

REVISION = 3  # raise it when the same embeddings and detector get other scores
DETECTOR = Path(__file__).with_name("nsfw_detector.safetensors")
LAYERS = 4
BLOCK = 1024  # rows scored at once
# Keras: the smallest standard deviation that its Normalization layer divides by.
EPSILON = 1e-7

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Tensors = Mapping[str, npt.NDArray[np.generic]]
Vocabulary = npt.NDArray[np.int64]  # values times 1e6, in the order of the original


@dataclass(frozen=True)
class Detector:
    """Weights of one detector: `detector(embeddings)` returns scores.

    Attributes
    ----------
    model : the CLIP model whose embeddings it reads.
    vocabularies : by dimension of the embedding, int64[words] in millionths.
    mean, var : float32[dim], of the normalisation.
    layers : kernel float32[inputs, outputs] and bias float32[outputs] of each dense layer; the last has one output.
    """

    model: str
    vocabularies: Mapping[int, Vocabulary]
    mean: Floats
    var: Floats
    layers: tuple[tuple[Floats, Floats], ...]

    @property
    def deviation(self) -> Floats:
        """Standard deviation float32[dim] the embeddings are divided by, as Keras bounds it from below."""
        return np.maximum(np.sqrt(self.var), EPSILON).astype(np.float32)

    @functools.cached_property
    def _layers_of_doubles(self) -> list[tuple[Doubles, Doubles]]:
        return [
            (kernel.astype(np.float64), bias.astype(np.float64))
            for kernel, bias in self.layers
        ]

    @property
    def dim(self) -> int:
        """Length of the embeddings it reads."""
        return len(self.mean)

    def __call__(self, embeddings: npt.NDArray[np.floating]) -> Floats:
        """Scores float32[n], 0 to 1, of unit embeddings [n, dim]; ValueError for another length.

        Rows are rounded to float16 first: the vocabularies were made from such values, and float32 input would
        turn known values into unseen ones (4% of labels at .5 flip). The score of a row is the same to the bit
        whatever rows it is scored with and however many threads there are: the last bits of a product depend on both,
        and on the kind of CPU, but products are of doubles, and rounded at the end.
        """
        from threadpoolctl import threadpool_limits

        rows = np.asarray(embeddings, np.float16)
        if rows.ndim != 2 or rows.shape[1] != self.dim:
            raise ValueError(
                f"the NSFW detector for {self.model} reads embeddings of {self.dim}, found {rows.shape}"
            )
        scores = np.empty(len(rows), np.float32)
        block = np.zeros((BLOCK, self.dim), np.float32)
        with threadpool_limits(1, user_api="blas"):
            for start in range(0, len(rows), BLOCK):
                count = min(BLOCK, len(rows) - start)
                block[:count] = rows[start : start + count]
                scores[start : start + count] = self._score(block)[:count]
        return scores

    def _score(self, embeddings: Floats) -> Floats:
        """Scores of one block."""
        x = embeddings.copy()
        for dimension, vocabulary in self.vocabularies.items():
            x[:, dimension] = _lookup(x[:, dimension], vocabulary)
        x = (x - self.mean) / self.deviation
        x = x.astype(np.float64)
        for kernel, bias in self._layers_of_doubles[:-1]:
            x = np.maximum(x @ kernel + bias, 0)
        kernel, bias = self._layers_of_doubles[-1]
        logit = (x @ kernel + bias)[:, 0]
        # The logistic function by tanh, which cannot overflow.
        scores = 0.5 * (1 + np.tanh(logit / 2))
        return scores.astype(np.float32)


def _lookup(values: Floats, vocabulary: Vocabulary) -> Floats:
    """Place in the vocabulary counted from 1, 0 where unseen; values are compared as `"%f" % value` would print."""
    micro = np.rint(values.astype(np.float64) * 1e6).astype(np.int64)
    order = np.argsort(vocabulary, kind="stable")
    insertion = np.searchsorted(vocabulary, micro, sorter=order)
    candidate = order[insertion.clip(max=len(vocabulary) - 1)]
    is_known = vocabulary[candidate] == micro
    return np.where(is_known, candidate + 1, 0).astype(np.float32)


# ------------------------------------------------------------------ loading


def load_detector(path: str | Path | None = None) -> Detector:
    """A detector in a .safetensors file; LAION's for ViT-L/14 without a path.

    The file holds the tensors `vocab.<dimension>` (integers), `norm.mean`, `norm.var`, `dense.<0 to 3>.kernel` and
    `.bias`, and in its metadata the `model` whose embeddings it reads. FileNotFoundError where there is no such file,
    ValueError where it is of another kind.
    """
    path = DETECTOR if path is None else Path(path)
    metadata, tensors = _read(path)
    if "model" not in metadata:
        raise ValueError(
            f'{path} does not say which CLIP model it fits: its metadata needs {{"model": name}}'
        )
    try:
        layers = tuple(_dense(tensors, layer) for layer in range(LAYERS))
        mean = _float32(tensors["norm.mean"])
        var = _float32(tensors["norm.var"])
    except KeyError as error:
        raise ValueError(
            f"{path} is not an NSFW detector: it has no tensor {error}, only {sorted(tensors)}"
        ) from None
    vocabularies = {}
    for name in sorted(tensors):
        if name.startswith("vocab."):
            dimension = int(name.removeprefix("vocab."))
            vocabularies[dimension] = tensors[name].astype(np.int64)
    return Detector(metadata["model"], vocabularies, mean, var, layers)


def model_of(path: str | Path | None = None) -> str:
    """Name of the CLIP model whose embeddings a detector reads; the errors of `load_detector`."""
    return load_detector(path).model


def _read(path: Path) -> tuple[dict[str, str], Tensors]:
    """Metadata and tensors of a safetensors file."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(
            f"no NSFW detector at {path}: give a .safetensors file, or nothing for LAION's"
        )
    try:
        with safe_open(path, "np") as file:
            names = list(file.keys())
            tensors = {name: file.get_tensor(name) for name in names}
            return dict(file.metadata() or {}), tensors
    except SafetensorError as error:
        raise ValueError(
            f"{path} is not a safetensors file ({error}): leave out --detector for LAION's own, "
            "which comes with twigma"
        ) from error


def _dense(tensors: Tensors, layer: int) -> tuple[Floats, Floats]:
    kernel = _float32(tensors[f"dense.{layer}.kernel"])
    bias = _float32(tensors[f"dense.{layer}.bias"])
    return kernel, bias


def _float32(array: npt.NDArray[np.generic]) -> Floats:
    return np.ascontiguousarray(array, np.float32)


# ------------------------------------------------------------------ the stage


@stage(reads=("image_name", "embedding"), adds=("nsfw_score",))
def nsfw(
    table: pa.Table, detector: Callable[[npt.NDArray[np.floating]], Floats]
) -> pa.Table:
    """Add `nsfw_score` (float32, 0 to 1) by `detector(float16[n, dim]) -> float32[n]`; null without an embedding."""
    embedded = np.asarray(table["embedding"].is_valid())
    scores = np.zeros(len(table), np.float32)
    scores[embedded] = detector(as_matrix(table["embedding"].drop_null()))
    return columns.add(table, nsfw_score=pa.array(scores, mask=~embedded))


def nsfw_parts(
    work: AnyWorkspace,
    detector: str | Path | None = None,
    *,
    embedding: str = DEFAULT,
    engine: Engine = LOCAL,
    only: Slice | None = None,
) -> int:
    """Score every part of the embeddings of a name that has no current score; the number of images scored now.

    `detector` is a .safetensors file (see `load_detector`); LAION's without. FileNotFoundError before `twigma embed`,
    ValueError when the embeddings were made by another CLIP model than the one the detector reads.
    """
    work = Workspace(work)
    path = DETECTOR if detector is None else Path(detector)
    loaded = load_detector(path)
    embed = with_name("embed", embedding)
    embeddings = read_model(work.stage_folder(embed))
    if embeddings["model"] != loaded.model:
        raise ValueError(
            f"{work.stage_folder(embed)} holds embeddings of {embeddings['model']}, but this NSFW detector reads "
            f"those of {loaded.model}: give the detector that fits, name embeddings by {loaded.model} with "
            "--embedding, or make them with `twigma embed`"
        )
    provenance = Provenance(
        code_revision=REVISION,
        model=loaded.model,
        detector=file_sha256(path),
        embedding=identity(embeddings),
    )
    if embedding:
        provenance["embedding_name"] = embedding
    return map_parts(
        work.path,
        "nsfw",
        dict(provenance),
        partial(_start, loaded),
        of=embed,
        desc="nsfw",
        engine=engine,
        only=only,
    )


def _start(detector: Detector, device: str | None) -> Stage:
    return partial(nsfw, detector=detector)
