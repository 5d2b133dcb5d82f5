"""Every number and direction the paper states, as claims that ours can be held against; `twigma analyze` judges them.

What the paper only draws (most of Fig 2c, all of Fig 3b, the densities of Fig 4d) is no number, and not here. Each
claim names where it is stated (a figure, Table 1, the abstract, or the text) and says it in a sentence of ours.
"""

from collections.abc import Mapping

from twigma.analysis.paper.claim import Claim
from twigma.analysis.paper.claims.dataset import dataset_claims
from twigma.analysis.paper.claims.likes import likes_claims
from twigma.analysis.paper.claims.sets import set_claims, variation_claims
from twigma.analysis.paper.claims.themes import people_claims, theme_claims

# The paper's set in each role.
NAMES = {
    "photographs": "LAION",
    "paintings": "ArtBench",
    "prompts": "DiffusionDB",
    "twigma": "TWIGMA",
}


def claims(names: Mapping[str, str], other_labels: str = "") -> list[Claim]:
    """The claims, in the order of the paper.

    Parameters
    ----------
    names : our set by role (photographs, paintings, prompts, twigma), as the keys of the results name it.
    other_labels : why the clusters are not those of the published table, which the paper's numbers of clusters mean;
        empty where they are.
    """
    return [
        *dataset_claims(),
        *set_claims(names),
        *likes_claims(),
        *variation_claims(names),
        *theme_claims(other_labels),
        *people_claims(other_labels),
    ]
