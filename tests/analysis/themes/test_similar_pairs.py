"""Similar pairs against brute force."""

import numpy as np
from scipy import stats

from twigma.analysis.themes.similar_pairs import neighbour_pairs


def test_pairs_are_found_by_brute_force(rng):
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)  # noqa: E731
    reference = unit(rng.normal(size=(80, 16)))
    query = unit(rng.normal(size=(200, 16)))
    query[7] = unit(reference[[3]] + 0.01 * rng.normal(size=(1, 16)))[0]
    names, others = [f"q{i}" for i in range(200)], [f"r{i}" for i in range(80)]
    found = neighbour_pairs(query, reference, names, others, n=5)
    similarity = query @ reference.T
    best = similarity.max(axis=1)
    order = np.argsort(-best)[:5]
    nearest = similarity.argmax(axis=1)
    assert found["image_name"].tolist() == [f"q{i}" for i in order]
    assert found["reference_name"].tolist() == [f"r{nearest[i]}" for i in order]
    np.testing.assert_allclose(found["similarity"], best[order], atol=1e-6)
    assert found["mutual"].tolist() == [
        similarity[:, nearest[i]].argmax() == i for i in order
    ]
    assert found["hub"].tolist() == [int((nearest == nearest[i]).sum()) for i in order]
    own = reference @ reference.T
    np.fill_diagonal(own, -1)
    p = (1 + (own.max(axis=1)[:, None] >= best[None] - 1e-7).sum(axis=0)) / 81
    np.testing.assert_allclose(found["p"], p[order])
    np.testing.assert_allclose(
        found["p_adjusted"], stats.false_discovery_control(p)[order]
    )
    assert found["image_name"][0] == "q7" and found["reference_name"][0] == "r3"
