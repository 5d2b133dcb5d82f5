"""ViT-L-14 on a CPU in fp32, bf16 and int8 (`twigma embed --precision`): images a second and deviation from fp32.

Goal: int8 at least 3 times fp32. Weights are random, which changes no time; how far int8 is from fp32 depends on the
weights, so `twigma embed` measures it on the user's own images. Run: `python -m benchmarks.builder.precisions [MODEL]`.
"""

import sys

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.harness.interleaved import versus
from twigma.builder.models.clip_names import find_model
from twigma.builder.stages.clip_encoder import Encoder, choose_placement, load_on

MODEL = sys.argv[1] if len(sys.argv) > 1 else "ViT-L-14"
COUNT = 8

Half = npt.NDArray[np.float16]


def load(precision: str) -> Encoder:
    """The model; ValueError where this CPU has no such precision."""
    device, precision = choose_placement("cpu", precision)
    return load_on(find_model(MODEL, None), device, precision)


def away(ours: Half, exact: Half) -> str:
    """The largest 1 - cosine."""
    one, other = ours.astype(np.float64), exact.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosine = (one * other).sum(axis=1) / lengths
    return f"1 - cosine at most {(1 - cosine).max():.1e}"


def main() -> None:
    """Print a row for each precision that this CPU has."""
    exact = load("fp32")
    torch.manual_seed(0)
    side = exact.prepare(np.zeros((64, 64, 3), np.uint8)).shape[-1]
    images = list(torch.randint(0, 256, (COUNT, 3, side, side), dtype=torch.uint8))
    for precision in ("bf16", "int8"):
        try:
            coarse = load(precision)
        except ValueError as error:
            print(f"{precision}: not measured; {error}")
            continue
        versus(
            f"{COUNT} images by {MODEL}, {precision} | fp32",
            lambda: coarse.forward(images),  # noqa: B023 - called before the next round
            lambda: exact.forward(images),
            quality=away,
        )


if __name__ == "__main__":
    main()
