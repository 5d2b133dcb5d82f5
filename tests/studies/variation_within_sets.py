"""Intervals of the variation within sets (Fig 3), for `studies.coverage`: distances, spectra, prompts, texts."""

from functools import cache

import numpy as np

from studies.coverage import GROUPED, Interval, Measured, World, study
from studies.distances_of_sets import cloud, unit
from twigma.analysis.inference.blocks import effective_blocks_of
from twigma.analysis.variation.conditional_vendi import conditional_vendi
from twigma.analysis.variation.groups import same_different_ratio
from twigma.analysis.variation.prompts import kendall, prompt_variation
from twigma.analysis.variation.spread import METRICS, variation_table
from twigma.analysis.variation.text_variation import Texts, text_variation

NAMES = {
    "distance": "mean distance (Fig 3a)",
    "iev": "IEV (Fig 3b)",
    "pmv": "PMV (Fig 3b)",
    "entropy": "entropy (Fig 3b)",
    "vendi": "Vendi score (Fig 3b)",
}
MANY = 20_000  # images that a truth is measured on
RATIO = "distance within over between (Fig 3a)"
WITHIN = "mean distance within a group (Fig 3a)"
CONDITIONAL = ("conditional", "information")


def offset_cloud(rng, owner):
    """Rows [n, 6] of norm 1 on one side of the origin, as embeddings are."""
    x = cloud(rng, owner)
    x[:, 0] += 3
    return unit(x)


@study(intervals=list(NAMES.values()), worlds=200)
def variation_of_a_set(world: World) -> Measured:
    """One set, whose truth for distance and spectra is the mean over worlds: they depend on the number of images."""
    x = offset_cloud(world.rng, world.owner)
    blocks = {"a": world.owner} if world.known else None
    row = variation_table({"a": x}, k=8, blocks=blocks).iloc[0]
    effective = effective_blocks_of(world.owner, len(x))
    found = {}
    for metric in METRICS:
        limits = (row[metric], row[f"{metric}_low"], row[f"{metric}_high"])
        found[NAMES[metric]] = Interval(*limits, None, effective)
    return found


@cache
def true_distances() -> tuple[float, float]:
    """Mean distance of two images of one owner, and of two: of many independent pairs."""
    rng = np.random.default_rng(5)
    pair = np.repeat(np.arange(MANY), 2)
    x = offset_cloud(rng, pair)
    same = np.linalg.norm(x[::2] - x[1::2], axis=1)
    other = np.linalg.norm(x[:-2:2] - x[2::2], axis=1)
    return float(same.mean()), float(other.mean())


@study(intervals=[RATIO, WITHIN], blind=True, designs=GROUPED)
def distance_within_groups(world: World) -> Measured:
    """Owners are the groups: artists, or prompts."""
    x = offset_cloud(world.rng, world.owner)
    same, other = true_distances()
    row = same_different_ratio(x, world.owner).iloc[0]
    groups = float(row["groups"])
    ratio = Interval(row["ratio"], row["low"], row["high"], same / other, groups)
    table = variation_table({"a": x}, {"same": (x, world.owner)}, k=8)
    inside = table[table["set"] == "same"].iloc[0]
    limits = [inside[f"distance{end}"] for end in ("", "_low", "_high")]
    return {RATIO: ratio, WITHIN: Interval(*limits, same, groups)}


@study(
    intervals=[f"{name}-Vendi (beside Fig 3c)" for name in CONDITIONAL],
    blind=True,
    designs=("10 an author", "12 authors"),
)
def vendi_by_prompt(world: World) -> Measured:
    """Owners are the prompts; the truth is the mean over worlds of as many prompts."""
    x = offset_cloud(world.rng, world.owner)
    table = conditional_vendi(x, world.owner).set_index("measure")
    found = {}
    for name in CONDITIONAL:
        row = table.loc[name]
        limits = (row["value"], row["low"], row["high"])
        effective = float(row["prompts"])
        found[f"{name}-Vendi (beside Fig 3c)"] = Interval(*limits, None, effective)
    return found


# ------------------------------------------------------------------ prompts

TAU, TAU_NULL = "Kendall's τ (Fig 3c)", "Kendall's τ: p (Fig 3c)"


def tau_of(world: World, slope: float):
    """Kendall's τ of as many prompts as owners, ten images each, their spread falling with the words."""
    rng, prompts = world.rng, len(world.sizes)
    words = rng.integers(1, 40, prompts)
    spread = 0.3 * np.exp(slope * words / 40 + 0.2 * rng.normal(size=prompts))
    prompt = np.repeat(np.arange(prompts), 10)
    x = spread[prompt, None] * rng.normal(size=(len(prompt), 6))
    x[:, 0] += 1
    text = np.array([f"{i} " + "word " * (n - 1) for i, n in enumerate(words)])
    return kendall(prompt_variation(unit(x), text[prompt]))


@study(
    intervals=[TAU],
    tests=[TAU_NULL],
    blind=True,
    worlds=200,
    designs=("10 an author", "heavy-tailed"),
)
def prompt_length(world: World) -> Measured:
    """60 and 200 prompts; the truth is the mean over worlds."""
    tau = tau_of(world, -0.4)
    found = Interval(tau.value, tau.low, tau.high, None, float(tau.n))
    return {TAU: found, TAU_NULL: tau_of(world, 0.0).p}


# ------------------------------------------------------------------ texts

TEXTS = ("distance of texts (Fig 3d)", "difference to prompts (Fig 3d)")


@study(intervals=TEXTS, worlds=200)
def distance_of_texts(world: World) -> Measured:
    """Posts of owners against prompts that are independent, of the same lengths."""
    rng = world.rng
    kinds = {}
    for name, owner in (("prompts", np.arange(400)), ("posts", world.owner)):
        blocks = owner
        if name == "posts" and not world.known:
            blocks = np.arange(len(owner))
        kinds[name] = Texts(
            name=name,
            embedding=offset_cloud(rng, owner).astype(np.float32),
            words=rng.integers(1, 21, len(owner)),
            tokens=None,
            blocks=blocks,
        )
    row = text_variation(kinds).set_index("set").loc["posts"]
    truth = true_distances()[1]
    effective = effective_blocks_of(world.owner, len(world.owner))
    limits = (row["distance"], row["low"], row["high"])
    difference = [row[f"difference{end}"] for end in ("", "_low", "_high")]
    return {
        TEXTS[0]: Interval(*limits, truth, effective),
        TEXTS[1]: Interval(*difference, 0.0, effective),
    }
