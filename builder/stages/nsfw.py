"""Score every embedded image with LAION's CLIP-based NSFW detector (paper, Fig 4d). Run by `twigma nsfw`.

The detector looks five dimensions of the embedding up in a vocabulary of texts, normalises, and runs four dense
layers. Its published archive is read as plain data (`builder/stages/keras_zip.py`): no TensorFlow, no unpickling.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twigma.builder.engine.engine import Stage, map_parts
from twigma.builder.engine.vectors import as_matrix
from twigma.builder.stages.keras_zip import read_keras_zip
from twigma.core import columns
from twigma.core.files import atomic, file_sha256
from twigma.core.parts import read_provenance
from twigma.core.progress import progress_bar
from twigma.core.stage import stage

DETECTOR_URL = "https://raw.githubusercontent.com/LAION-AI/CLIP-based-NSFW-Detector/main/clip_autokeras_binary_nsfw.zip"
DETECTOR_SHA256 = "905520bb0336accc73ee282c605d926aef90cf14248889d44b9cee50eef71f8a"
DETECTOR_MODEL = "ViT-L-14/openai"  # the embedding LAION trained it on
MAX_BYTES = 50_000_000  # the archive has 1.1 MB
EPSILON = (
    1e-7  # Keras: the smallest standard deviation its Normalization layer divides by
)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Detector:
    """Weights of one detector: vocabularies by dimension (micro-units), normalisation, dense layers; and the CLIP
    model whose embeddings it reads."""

    model: str
    vocabularies: Mapping[int, npt.NDArray[np.int64]]
    mean: Floats
    var: Floats
    layers: tuple[tuple[Floats, Floats], ...]

    @property
    def deviation(self) -> Floats:
        """Standard deviation the embeddings are divided by, as Keras bounds it from below."""
        return np.maximum(np.sqrt(self.var), EPSILON).astype(np.float32)

    @property
    def dim(self) -> int:
        """Length of the embeddings it reads."""
        return len(self.mean)

    def __call__(self, embeddings: npt.NDArray[np.floating]) -> Floats:
        """Scores float32[n] in 0..1 of unit embeddings [n, dim].

        Rows are rounded to float16 first: the vocabularies were made from such values, and float32 input would
        turn known values into unseen ones (4% of labels at .5 flip).
        """
        x: Floats = np.asarray(embeddings, np.float16).astype(np.float32)
        if x.ndim != 2 or x.shape[1] != self.dim:
            raise ValueError(
                f"the NSFW detector for {self.model} reads embeddings of {self.dim}, found {x.shape}"
            )
        for dimension, vocabulary in self.vocabularies.items():
            x[:, dimension] = _lookup(x[:, dimension], vocabulary)
        x = (x - self.mean) / self.deviation
        for kernel, bias in self.layers[:-1]:
            x = np.maximum(x @ kernel + bias, 0)
        kernel, bias = self.layers[-1]
        logit = (x @ kernel + bias)[:, 0].astype(np.float64)
        return (0.5 * (1 + np.tanh(logit / 2))).astype(
            np.float32
        )  # a sigmoid that cannot overflow


def _lookup(values: Floats, vocabulary: npt.NDArray[np.int64]) -> Floats:
    """Place in the vocabulary counted from 1, 0 where unseen; values are compared as `"%f" % value` would print."""
    micro = np.rint(values.astype(np.float64) * 1e6).astype(np.int64)
    order = np.argsort(vocabulary, kind="stable")
    place = np.searchsorted(vocabulary, micro, sorter=order).clip(
        max=len(vocabulary) - 1
    )
    found = order[place]
    return np.where(vocabulary[found] == micro, found + 1, 0).astype(np.float32)


# ------------------------------------------------------------------ loading


def load_detector(path: Path | None = None) -> Detector:
    """LAION's published archive (.zip), or a .safetensors file of ours; None downloads LAION's once, hash checked."""
    path = download_detector() if path is None else Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no NSFW detector at {path}: give LAION's .zip, a .safetensors, or nothing to download"
        )
    return _from_zip(path) if path.suffix == ".zip" else _from_safetensors(path)


def _from_zip(path: Path) -> Detector:
    _check(path.read_bytes(), str(path))
    return _detector(DETECTOR_MODEL, read_keras_zip(path))


def _from_safetensors(path: Path) -> Detector:
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        tensors = {name: file.get_tensor(name) for name in list(file.keys())}
    return _detector(model_of(path), tensors)


def _detector(model: str, tensors: Mapping[str, npt.NDArray[np.generic]]) -> Detector:
    names = sorted(name for name in tensors if name.startswith("vocab."))
    try:
        layers = tuple(
            (_f32(tensors[f"dense.{i}.kernel"]), _f32(tensors[f"dense.{i}.bias"]))
            for i in range(4)
        )
        mean, var = _f32(tensors["norm.mean"]), _f32(tensors["norm.var"])
    except KeyError as error:
        raise ValueError(
            f"the NSFW detector lacks the tensor {error}; found {sorted(tensors)}"
        ) from None
    vocabularies = {
        int(name.split(".")[1]): tensors[name].astype(np.int64) for name in names
    }
    return Detector(model, vocabularies, mean, var, layers)


def _f32(array: npt.NDArray[np.generic]) -> Floats:
    return np.ascontiguousarray(array, np.float32)


def model_of(path: Path | None) -> str:
    """Name of the CLIP model a detector reads, without loading its weights."""
    if path is None or path.suffix == ".zip":
        return DETECTOR_MODEL
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        metadata = file.metadata() or {}
    if "model" not in metadata:
        raise ValueError(
            f'{path} does not say which CLIP model it fits: its metadata needs {{"model": name}}'
        )
    return str(metadata["model"])


def download_detector(
    url: str = DETECTOR_URL, sha256: str = DETECTOR_SHA256, cache: Path | None = None
) -> Path:
    """Path of the published archive in the user's cache, downloaded the first time; refused if its hash differs."""
    folder = (
        cache
        or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twigma"
    )
    path = folder / "clip_autokeras_binary_nsfw.zip"
    if not path.exists():
        data = _get(url)
        _check(data, url, sha256)
        with atomic(path) as partial:
            partial.write_bytes(data)
    _check(path.read_bytes(), str(path), sha256)
    return path


def _get(url: str) -> bytes:
    import httpx

    data = bytearray()
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=30) as answer:
            answer.raise_for_status()
            size = int(answer.headers.get("content-length", 0)) or None
            with progress_bar(
                total=size,
                desc="NSFW detector",
                unit="B",
                unit_scale=True,
            ) as bar:
                for piece in answer.iter_bytes():
                    data += piece
                    bar.update(len(piece))
                    if len(data) > MAX_BYTES:
                        raise ValueError(
                            f"{url} sends more than {MAX_BYTES:,} bytes: not the NSFW detector"
                        )
    except httpx.HTTPError as error:
        raise OSError(
            f"cannot fetch the NSFW detector from {url} ({error}): download it and give its path"
        ) from error
    return bytes(data)


def _check(data: bytes, where: str, sha256: str = DETECTOR_SHA256) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{where} is not LAION's NSFW detector: expected sha256 {sha256}, found {found}; delete it"
        )


# ------------------------------------------------------------------ the stage


@stage(reads=("image_name", "embedding"), adds=("nsfw_score",))
def nsfw(
    table: pa.Table, detector: Callable[[npt.NDArray[np.floating]], Floats]
) -> pa.Table:
    """Add `nsfw_score` (float32, 0 to 1); null where there is no embedding."""
    embedded = np.asarray(table["embedding"].is_valid())
    scores = np.zeros(len(table), np.float32)
    scores[embedded] = detector(as_matrix(table["embedding"].drop_null()))
    return columns.add(table, nsfw_score=pa.array(scores, mask=~embedded))


def nsfw_parts(work: Path, detector: Path | None = None) -> int:
    """Score every part of `columns/embed` that has no current score; the number of images scored now.

    `detector` is LAION's .zip or a .safetensors file; None fetches LAION's. ValueError when the embeddings were
    made by another CLIP model than the one the detector reads.
    """
    model = model_of(detector)
    settings = {
        "model": model,
        "detector": DETECTOR_SHA256 if detector is None else _sha256(detector),
    }

    def start() -> Stage:
        loaded = load_detector(detector)
        return lambda table: nsfw(table, loaded)

    def refuse(part: Path) -> None:
        found = read_provenance(part)["model"]
        if found != model:
            raise ValueError(
                f"{part} holds embeddings of {found}, but this NSFW detector reads those of {model}: "
                f"give the detector that fits, or run `twigma embed` with {model}"
            )

    return map_parts(
        work, "nsfw", settings, start, of="embed", desc="nsfw", check=refuse
    )


def _sha256(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(
            f"no NSFW detector at {path}: give LAION's .zip or a .safetensors file"
        )
    return file_sha256(path)
