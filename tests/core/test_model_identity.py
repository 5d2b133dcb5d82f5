"""Models are told apart by the hash of their weights where it is known, else by name and commit."""

import pytest

from twigma.core.model_identity import describe, differing, differing_columns

HUB = {"model": "ViT/openai", "repo": "o/n", "revision": "c1", "sha256": "w1"}
COPY = {"model": "copy", "sha256": "w1", "config": "f1"}  # of it, in a folder


@pytest.mark.parametrize(
    ("one", "other", "entry"),
    [
        (HUB, COPY, None),
        (COPY, COPY | {"model": "renamed"}, None),
        (COPY, COPY | {"sha256": "w2"}, "sha256"),
        (COPY, COPY | {"config": "f2"}, "config"),
        (HUB, HUB | {"revision": "c2"}, "revision"),
        (HUB, HUB | {"revision": "c2", "sha256": "w2"}, "sha256"),
        (HUB, {"model": "ViT/openai"}, None),  # as a user stated it
        (HUB, {"model": "ViT/laion"}, "model"),
        ({"model": "a", "seed": 0}, {"model": "a", "seed": 1}, "seed"),
    ],
)
def test_which_models_are_the_same(one, other, entry):
    assert differing(one, other) == entry == differing(other, one)


def test_within_a_column_the_way_of_running_counts_too():
    half = COPY | {"precision": "fp16"}
    assert differing(half, COPY | {"precision": "fp32"}) is None
    assert differing_columns(half, COPY | {"precision": "fp32"}) == "precision"
    assert describe(half, "precision") == "copy (precision fp16)"
