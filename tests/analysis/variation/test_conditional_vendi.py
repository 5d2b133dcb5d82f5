"""Conditional-Vendi and Information-Vendi: the brute-force matrix entropies, planted orthogonal images, width."""

import numpy as np
import pytest

from twigma.analysis.variation.conditional_vendi import (
    conditional_vendi,
    matrix_entropies,
)
from twigma.analysis.variation.measures import vendi


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def brute(kernel):
    values = np.linalg.eigvalsh(kernel / len(kernel))
    values = values[values > 1e-15]
    return -np.sum(values * np.log(values))


def test_entropies_are_those_of_the_kernel_matrices(rng):
    x = unit(rng.normal(size=(40, 12)) + 0.5)
    codes = np.repeat([0, 1, 2, 3], [4, 6, 10, 20])
    images, prompts = x @ x.T, (codes[:, None] == codes[None]).astype(float)
    found = matrix_entropies(x, codes)
    assert found.images == pytest.approx(brute(images), abs=1e-10)
    assert found.prompts == pytest.approx(brute(prompts), abs=1e-10)
    assert found.both == pytest.approx(brute(images * prompts), abs=1e-10)
    assert found.within == pytest.approx(
        [brute(images[np.ix_(codes == g, codes == g)]) for g in range(4)], abs=1e-10
    )


def test_the_scores_are_the_definitions_and_multiply_to_vendi(rng):
    x, labels = (
        unit(rng.normal(size=(60, 20))),
        np.repeat([f"p{i}" for i in range(6)], 10),
    )
    found = conditional_vendi(x, labels).set_index("measure")
    kernel, same = x @ x.T, (labels[:, None] == labels[None]).astype(float)
    joint = brute(kernel * same)
    assert found.loc["conditional", "value"] == pytest.approx(
        np.exp(joint - brute(same)), rel=1e-6
    )
    assert found.loc["information", "value"] == pytest.approx(
        np.exp(brute(kernel) + brute(same) - joint), rel=1e-6
    )
    assert found.loc["vendi", "value"] == pytest.approx(vendi(x), rel=1e-6)
    product = found.loc["conditional", "value"] * found.loc["information", "value"]
    assert product == pytest.approx(found.loc["vendi", "value"], rel=1e-12)
    assert (found["low"] < found["value"]).all() and (
        found["value"] < found["high"]
    ).all()


def test_planted_orthogonal_images():
    """Prompts in orthogonal directions, images of one alike: all variation is the prompts'; and the reverse."""
    axes = np.eye(64)
    labels = np.repeat(np.arange(8), 10)
    prompts_alone = conditional_vendi(axes[labels], labels).set_index("measure")[
        "value"
    ]
    assert prompts_alone.to_dict() == pytest.approx(
        {"vendi": 8, "conditional": 1, "information": 8}, abs=1e-6
    )
    model_alone = conditional_vendi(axes[np.tile(np.arange(10), 8)], labels).set_index(
        "measure"
    )["value"]
    assert model_alone.to_dict() == pytest.approx(
        {"vendi": 10, "conditional": 10, "information": 1}, abs=1e-9
    )


def test_intervals_are_as_wide_as_the_estimates_scatter():
    """Over samples of prompts whose images share a direction."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(120):
        spread, centres, labels = (
            rng.choice([0.1, 0.5], 150),
            rng.normal(size=(150, 8)) + 0.5,
            np.repeat(range(150), 10),
        )
        x = unit(centres[labels] + spread[labels, None] * rng.normal(size=(1500, 8)))
        found.append(
            conditional_vendi(x, labels).set_index("measure")[["value", "low", "high"]]
        )
    for measure in ("vendi", "conditional", "information"):
        value, low, high = np.array(
            [table.loc[measure].to_numpy() for table in found]
        ).T
        assert np.mean(high - low) / 2 == pytest.approx(
            1.96 * value.std(ddof=1), rel=0.2
        )


def test_prompts_are_cut_to_equal_numbers(rng):
    x = unit(rng.normal(size=(50, 5)))
    labels = np.array([None] * 5 + ["a"] * 20 + ["b"] * 15 + ["c"] * 10, dtype=object)
    found = conditional_vendi(x, labels)
    assert found[["prompts", "n", "m"]].drop_duplicates().values.tolist() == [
        [3, 30, 10]
    ]
    assert conditional_vendi(x, labels, n=20)["prompts"].iloc[0] == 2
    with pytest.raises(ValueError, match="two prompts with 18 images each, found 1"):
        conditional_vendi(x, labels, m=18)
