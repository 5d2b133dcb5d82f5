"""Planted copies of reference images: how many Fig 4e finds, and how many others it takes for copies.

Writes the table of `copies.md`. Run: `python docs/studies/copies.py [REPETITIONS]`; ten take about half an hour on one core.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import stats

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from support.planted_copies import Copies, found, plant_copies  # noqa: E402

from twigma.analysis.neighbours.search import nearest  # noqa: E402
from twigma.analysis.themes.similar_pairs import similar_pairs  # noqa: E402

IMAGES, REFERENCE = 100_000, 20_000
SHARES = (0.001, 0.01, 0.1)
REPETITIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
FEW = 5000  # reference images of the permutation null that this one replaces
WORLDS = {"topics": False, "no topics, 16 dimensions": True}
HEADER = """| vectors | reference repeated | planted | cosine | power | false discoveries | power with a permutation null |
|---|---|---|---|---|---|---|
"""


def permutation_power(copies: Copies, seed: int) -> float:
    """Power with p = (1 + null as similar or more) / (1 + 5,000), adjusted over all images."""
    rows = np.random.default_rng(seed).permutation(len(copies.reference))[:FEW]
    own = nearest(copies.reference[rows], copies.reference, 2)[0][:, 1]
    similarity = nearest(copies.query, copies.reference, 1)[0][:, 0]
    above = FEW - np.searchsorted(np.sort(own), similarity)
    adjusted = stats.false_discovery_control((1 + above) / (1 + FEW))
    return float((adjusted[copies.planted] < 0.05).mean())


def rows() -> Iterator[str]:
    """The table, line by line."""
    for world, isotropic in WORLDS.items():
        for repeats in (0, 0.1):
            for share in SHARES:
                for cosine in (1, 0.97):
                    yield row(world, isotropic, repeats, share, cosine)


def row(
    world: str, isotropic: bool, repeats: float, share: float, cosine: float
) -> str:
    """One line: the mean over all repetitions."""
    results = []
    for seed in range(REPETITIONS):
        copies = plant_copies(
            IMAGES,
            REFERENCE,
            share,
            cosine=cosine,
            repeats=repeats,
            isotropic=isotropic,
            seed=seed,
        )
        names = range(IMAGES)
        pairs = similar_pairs(copies.query, copies.reference, names, names)
        power, false = found(copies, pairs)
        results.append((power, false, permutation_power(copies, seed)))
    power, false, before = np.mean(results, axis=0)
    return (
        f"| {world} | {repeats:.0%} | {share:.1%} | {cosine} | {power:.3f} | {false:.3f} | {before:.2f} |\n"
    )


def main() -> None:
    """Put the table into the page, between its marks."""
    page = HERE / "copies.md"
    before, _, rest = page.read_text("utf-8").partition("<!-- table -->\n")
    _, _, after = rest.partition("<!-- end -->")
    table = HEADER
    for line in rows():
        print(line, end="", flush=True)
        table += line
    marked = f"{before}<!-- table -->\n{table}<!-- end -->{after}"
    page.write_text(marked, "utf-8")


if __name__ == "__main__":
    main()
