"""Every number and direction of the paper is a claim, once, with a sentence; three worlds give each three verdicts."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

from twigma.analysis.paper import stated as paper
from twigma.analysis.paper.claims import claims
from twigma.analysis.paper.claims.likes import implied_se
from twigma.analysis.paper.measured import verdicts
from twigma.analysis.paper.verdicts import AGREES, DIFFERS, UNKNOWN

NAMES = {
    "photographs": "photographs",
    "paintings": "art",
    "prompts": "db",
    "twigma": "twigma",
}


def test_every_number_of_the_paper_is_there_once():
    found = claims(NAMES)
    assert len({(c.figure, c.quantity) for c in found}) == len(found)
    numbers = [c.value for c in found if not np.isnan(c.value)]
    stated = [
        paper.HASHTAGS,
        paper.POSTS_FOUND,
        paper.POSTS_WITH_PHOTOS,
        paper.UNAVAILABLE,
        paper.POSTS,
        paper.IMAGES,
        # Over 800,000 images is any number that rounds down to it.
        paper.IMAGES_ROUNDED + 50_000,
        paper.MONTHS,
        *paper.KL.values(),
        *(bar[0] for bars in paper.LIKES.values() for bar in bars.values()),
        *(r[0] for ratios in paper.EQ1.values() for r in ratios.values() if r),
        # Four rate ratios have an interval, and so a p-value.
        *[paper.EQ1_P] * 4,
        paper.SAME_PROMPT_RATIO,
        paper.PROMPT_TAU,
        paper.PROMPT_TAU_P,
        paper.ANNOTATORS,
        paper.ANNOTATED_CLUSTERS,
        paper.ANNOTATED_IMAGES,
        paper.KEYWORDS,
    ]
    assert sorted(numbers) == sorted(stated)


def test_every_direction_of_the_paper_is_there():
    directions = {c.quantity: c.kind for c in claims(NAMES) if np.isnan(c.value)}
    expected = {
        "growth of posts a month": "positive",
        "overlap of TWIGMA and DiffusionDB less the others": "highest",
        "share in cluster 1, LAION less all others": "majority",
        "KL(TWIGMA‖DiffusionDB) less KL of AI images and human ones": "lowest",
        "mean likes, LAION, quintile 1 less quintile 5": "positive",
        "mean likes, ArtBench, quintile 1 less quintile 5": "positive",
        "mean distance, LAION less the others": "highest",
        "mean distance, ArtBench, DiffusionDB and TWIGMA": "alike",
        "mean distance, same artist less all of ArtBench": "negative",
        "entropy of TWIGMA less the others": "lowest",
        "mean distance of two texts, captions of our images less prompts": "alike",
        "mean distance of two texts, posts less prompts": "alike",
        "mean distance of two texts, haiku less prompts": "negative",
        "mean distance of two texts, book less prompts": "negative",
        **{f"share of cluster {c} over the months": "negative" for c in (1, 3, 4)},
        **{f"share of cluster {c} over the months": "positive" for c in (5, 8, 9)},
        **{f"NSFW share of cluster {c} less the other clusters": "positive" for c in (5, 8)},
        **{f"people split cluster {c}": "positive" for c in (1, 2, 7)},
        "people merge clusters 5 and 8": "positive",
        "first month": "none",
        "images of DiffusionDB": "none",
    }  # fmt: skip
    assert directions == expected


def test_each_says_where_and_in_a_sentence_what_the_paper_states():
    for each in claims(NAMES):
        # The paper numbers its sections 1 to 6, 4.1 and 4.2.
        assert re.fullmatch(
            r"Text|Abstract|Table 1|Eq \(1\)|Fig [1-4][a-e]", each.figure
        )
        assert each.sentence.endswith(".") and 15 < len(each.sentence) < 120
        assert each.stated


def test_the_papers_sets_are_looked_up_by_the_names_of_ours():
    keys = {key for each in claims(NAMES) for key in each.keys}
    assert {
        "kl_paper/photographs/art",
        "kl/twigma/db",
        "kl/db/art",
        "entropy/db",
    } <= keys
    assert {"distance/same artist", "overlap/twigma/db", "share/photographs/1"} <= keys


def test_clusters_and_people_are_only_compared_on_the_published_labels():
    why = "these are other labels"
    others = [each for each in claims(NAMES, why) if each.kind == "none"]
    same = [each for each in claims(NAMES) if each.kind == "none"]
    changed = {each.quantity for each in others} - {each.quantity for each in same}
    assert len(changed) == 6 + 2 + 3 + 1
    assert all("cluster" in quantity for quantity in changed)
    assert {each.why for each in others if each.quantity in changed} == {why}


# ------------------------------------------------------------------ three worlds


def entry(value, half, **rest):
    return {"value": value, "low": value - half, "high": value + half, "n": 500, **rest}


def numbers(claim, world):  # noqa: PLR0911 - a kind of claim each
    """Values for the keys of a claim in a world that agrees, contradicts, or has hardly any data."""
    wide = world == "uninformative"
    sign = {"agreeing": 1, "contradicting": -1, "uninformative": 1}[world]
    half = 50.0 if wide else 0.01
    first, *others = claim.keys
    if claim.kind == "count":
        if wide:
            return {}
        return {first: {"value": claim.value * (1 if sign > 0 else 3)}}
    if claim.kind in ("amount", "ratio", "correlation"):
        far = claim.value + max(1, claim.value / 2)
        value = claim.value if sign > 0 else far
        return {first: entry(value, half * abs(claim.value))}
    if claim.kind == "p_value":
        p = 0.2 if wide else 1e-9
        return {first: entry(1 + 0.1 * sign, half, p=p)}
    if claim.part:
        value = {"alike": 0.0 if sign > 0 else 0.5, "negative": -0.5 * sign}[claim.kind]
        part = {"difference": value, "base_distance": 1.0}
        part |= {"difference_low": value - half, "difference_high": value + half}
        return {first: entry(1.0, half, **part)}
    if claim.kind == "alike":
        far = 1.0 if sign > 0 else 2.0
        return {first: entry(1.0, half)} | {key: entry(far, half) for key in others}
    up = -sign if claim.kind in ("negative", "lowest") else sign
    if claim.figure == "Fig 4b":  # by a test, as `trend_table` gives it
        p = 0.5 if wide else 0.001
        return {first: {"value": 0.5 * up, "p_adjusted": p, "n": 27}}
    if not others:
        return {first: entry(claim.null + 0.2 * up, half)}
    base = 5.0 if claim.kind != "majority" else 5.0 / len(others)
    return {first: entry(5.0 + 2 * up, half)} | {
        key: entry(base, half) for key in others
    }


WORLDS = {"agreeing": AGREES, "contradicting": DIFFERS, "uninformative": UNKNOWN}
COMPARED = [each for each in claims(NAMES) if each.kind != "none"]


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("quantity", [each.quantity for each in COMPARED])
def test_three_worlds_give_each_claim_its_three_verdicts(quantity, world):
    (claim,) = [each for each in COMPARED if each.quantity == quantity]
    row = verdicts([claim], numbers(claim, world), {}).iloc[0]
    assert row["verdict"] == WORLDS[world], row["reason"]


def never_compared(values):
    """The sentences of claims that have one verdict alone: of no kind, or whose number the figures give no interval."""
    sentences = {each.sentence for each in claims(NAMES) if each.kind == "none"}
    for claim in COMPARED:
        entries = [values[key] for key in claim.keys if key in values]
        if claim.kind in ("count", "p_value") or len(entries) < len(claim.keys):
            continue
        limits = [
            entry.get(f"{claim.part}_low" if claim.part else "low") for entry in entries
        ]
        tests = [entry.get("p_adjusted") for entry in entries]
        if all(one is None for one in (*limits, *tests)):
            sentences.add(claim.sentence)
    return sentences


def test_the_documents_list_what_can_have_no_other_verdict(analysed):
    """By what the figures really give of a world in which all of them are computed."""
    values = dict(analysed.results["values"])
    for name in ("db", "art"):
        role = {"db": "prompts", "art": "paintings"}[name]
        for key in list(values):
            values.setdefault(key.replace(f"/{role}", f"/{name}"), values[key])
    for one, other in (("twigma", "art"), ("twigma", "db"), ("photographs", "art")):
        key = f"overlap/{one}/{other}"
        values.setdefault(key, values.get(f"overlap/{other}/{one}", {}))
    doc = (Path(__file__).parents[3] / "docs/verdicts.md").read_text("utf-8")
    listed = re.findall(
        r"^\| (?:Table|Fig|Text).*? \| (.+?) \| .+ \|$", doc, re.MULTILINE
    )
    assert set(listed) == never_compared(values)
    assert f"holds {len(claims(NAMES))} statements" in doc


@pytest.mark.parametrize("value", [5.42, 3.56, 0.3, math.inf])
def test_the_divergence_that_depends_on_n_never_agrees(value):
    """It grows with ln n where clusters are empty: 3.56 for 100 images, 5.47 for 600 of the same two sets."""
    (claim,) = [c for c in claims(NAMES) if c.keys == ("kl_paper/photographs/art",)]
    row = verdicts([claim], {claim.keys[0]: entry(value, 0.05)}, {}).iloc[0]
    assert row["verdict"] == UNKNOWN
    assert "logarithm of the number of images" in row["reason"]
    assert row["ours"] == value


def test_the_implied_error_is_that_of_a_ratio_of_two_means(rng):
    """Likes with the means and intervals of Fig 2d: a regression on the quintile has this standard error."""
    for role, bars in paper.LIKES.items():
        n, y, x = 4000, [], []
        for quintile, (mean, low, high) in bars.items():
            sd = (high - low) / 2 / 1.959964 * np.sqrt(n)
            sample = rng.gamma((mean / sd) ** 2, sd**2 / mean, n)
            y.append(mean + (sample - sample.mean()) * sd / sample.std())
            x.append(np.full(n, quintile == 1))
        design = sm.add_constant(np.concatenate(x).astype(float))
        fit = sm.GLM(np.concatenate(y), design, family=sm.families.Poisson()).fit(
            cov_type="HC0"
        )
        assert implied_se(role) == pytest.approx(fit.bse[1], rel=1e-3)
        _, low, high = paper.EQ1[role][1]
        assert implied_se(role) > 10 * np.log(high / low) / 2 / 1.96
