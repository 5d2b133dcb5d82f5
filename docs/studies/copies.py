"""Planted copies of reference images: how many Fig 4e finds, and how many others it takes for copies.

Writes the table of `copies.md`. Run: `python docs/studies/copies.py [REPETITIONS]`; six take about half an hour on one
core.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

HERE = Path(__file__).resolve().parent
# The worlds are those of the tests.
sys.path.insert(0, str(HERE.parents[1] / "tests"))

IMAGES, REFERENCE = 100_000, 20_000
SHARES, COSINES = (0.001, 0.01, 0.1), (1.0, 0.97)
REPETITIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 6
FEW = 5000  # reference images of the permutation null that is compared
WORLDS = {"topics": False, "16 dimensions, no topics": True}
MEASURES = ("power", "false discoveries", "power by permutation")
KEYS = ("vectors", "reference repeated", "planted", "cosine")

Floats = npt.NDArray[np.float64]


def main() -> None:
    """Simulate, and replace what stands between the marks in the page."""
    found = pd.DataFrame(results())
    means = found.groupby(list(KEYS), sort=False)[list(MEASURES)].mean()
    lines = [line(*KEYS, *MEASURES), "|---" * (len(KEYS) + len(MEASURES)) + "|"]
    for keys, row in means.iterrows():
        vectors, repeats, share, cosine = keys
        planted = (vectors, f"{repeats:.0%}", f"{share:.1%}", f"{cosine:.2f}")
        lines.append(line(*planted, *(f"{value:.3f}" for value in row)))
    page = HERE / "copies.md"
    table = "\n".join(lines) + "\n"
    marked = re.sub(
        r"(<!-- table -->\n).*(<!-- end -->)",
        lambda mark: mark[1] + table + mark[2],
        page.read_text("utf-8"),
        flags=re.DOTALL,
    )
    page.write_text(marked, "utf-8")


def results() -> Iterator[dict[str, object]]:
    """Each planted world, in each repetition."""
    for vectors, isotropic in WORLDS.items():
        for repeats in (0.0, 0.1):
            for seed in range(REPETITIONS):
                for share, cosine, measured in planted(isotropic, repeats, seed):
                    keys = (vectors, repeats, share, cosine)
                    named = zip((*KEYS, *MEASURES), (*keys, *measured), strict=True)
                    row = dict(named)
                    print(row, flush=True)
                    yield row


def planted(
    isotropic: bool, repeats: float, seed: int
) -> Iterator[tuple[float, float, tuple[float, ...]]]:
    """Every share and cosine planted into one world, which is searched once."""
    from support.planted_copies import found, plant_copies

    from twigma.analysis.neighbours.search import nearest
    from twigma.analysis.themes.similar_pairs import similar_pairs

    options = {"repeats": repeats, "isotropic": isotropic, "seed": seed}
    world = plant_copies(IMAGES, REFERENCE, 0, **options)
    similarities, rows = nearest(world.query, world.reference, 1)
    own = nearest(few(world.reference, seed), world.reference, 2)[0][:, 1]
    names = range(IMAGES)
    for share in SHARES:
        for cosine in COSINES:
            copies = plant_copies(IMAGES, REFERENCE, share, cosine=cosine, **options)
            similarity, row = similarities[:, 0].copy(), rows[:, 0].copy()
            which = copies.planted
            again = nearest(copies.query[which], copies.reference, 1)
            similarity[which], row[which] = again[0][:, 0], again[1][:, 0]
            pairs = similar_pairs(
                copies.query,
                copies.reference,
                names,
                names,
                neighbours=(similarity, row),
            )
            power, false = found(copies, pairs)
            before = permutation_power(similarity, own, which)
            yield share, cosine, (power, false, before)


def few(reference: npt.NDArray[np.float32], seed: int) -> npt.NDArray[np.float32]:
    """The reference images of the permutation null."""
    rows = np.random.default_rng(seed).permutation(len(reference))[:FEW]
    return reference[rows]


def permutation_power(
    similarity: Floats, own: Floats, which: npt.NDArray[np.bool_]
) -> float:
    """Power with p = (1 + null as similar or more) / (1 + 5,000), adjusted over all images."""
    above = FEW - np.searchsorted(np.sort(own), similarity)
    adjusted = stats.false_discovery_control((1 + above) / (1 + FEW))
    return float((adjusted[which] < 0.05).mean())


def line(*cells: str) -> str:
    """A row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
