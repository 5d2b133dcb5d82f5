"""Trains the demo's NSFW head, in the form of LAION's detector, to see the pink veil.

The form: five dimensions of the embedding are looked up in a vocabulary, all are normalised, then dense layers of 64,
512, 256 (ReLU) and 1 (sigmoid). `builder/stages/nsfw.py` reads the file; `python -m twigma.demo.training.train` writes
it.
"""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from twigma.demo.training.train_clip import NAME, fit

LOOKED_UP = (180, 316, 413, 440, 644)
LAYERS = (768, 64, 512, 256, 1)
VOCABULARY = 256


def train_nsfw(
    path: Path,
    embeddings: NDArray[np.float16],
    veiled: NDArray[np.bool_],
    seed: int = 0,
) -> None:
    """Write the head that tells veiled pictures by their unit embeddings float16[n, 768] to `path` (safetensors)."""
    from safetensors.numpy import save_file

    torch.manual_seed(seed)
    words = {dim: _words(embeddings[:, dim]) for dim in LOOKED_UP}
    rows = embeddings.astype(np.float32)
    for dim, vocabulary in words.items():
        rows[:, dim] = _place(rows[:, dim], vocabulary)
    mean, var = rows.mean(0), rows.var(0)
    dense = [nn.Linear(a, b) for a, b in pairwise(LAYERS)]
    parts: list[nn.Module] = []
    for layer in dense:
        parts += [layer, nn.ReLU()]
    # The loss takes logits: neither a ReLU nor the sigmoid comes last.
    model = nn.Sequential(*parts[:-1])
    x = torch.from_numpy((rows - mean) / np.sqrt(var))
    y = torch.from_numpy(veiled.astype(np.float32))

    def loss(at: NDArray[np.int64]) -> torch.Tensor:
        logits = model(x[at])[:, 0]
        return nn.functional.binary_cross_entropy_with_logits(logits, y[at])

    fit(model, loss, len(x), 10, "NSFW")
    tensors: dict[str, NDArray[Any]] = {"norm.mean": mean, "norm.var": var}
    for dim, vocabulary in words.items():
        tensors[f"vocab.{dim}"] = vocabulary
    for number, layer in enumerate(dense):
        kernel = layer.weight.detach().numpy().T.astype(np.float16)
        bias = layer.bias.detach().numpy().astype(np.float16)
        tensors[f"dense.{number}.kernel"] = np.ascontiguousarray(kernel)
        tensors[f"dense.{number}.bias"] = bias
    save_file(tensors, path, metadata={"model": NAME})


def _micro(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """The values as `"%f"` prints them, in millionths."""
    return np.rint(values.astype(np.float64) * 1e6).astype(np.int64)


def _words(values: NDArray[np.float16]) -> NDArray[np.int64]:
    """The most frequent values of a dimension, in millionths, the commonest first."""
    counts = Counter(_micro(values).tolist())
    return np.array([value for value, _ in counts.most_common(VOCABULARY)], np.int64)


def _place(
    values: NDArray[np.float32], vocabulary: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Place in the vocabulary counted from 1, 0 for a value that is not in it."""
    places = {value: place for place, value in enumerate(vocabulary.tolist(), 1)}
    found = [places.get(value, 0) for value in _micro(values).tolist()]
    return np.array(found, np.float32)
