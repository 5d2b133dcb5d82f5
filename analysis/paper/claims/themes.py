"""What the paper states of the ten clusters (Fig 4b, 4c), and of the people who looked at them.

The numbers of clusters mean those of the published table: on other labels these claims are about other images.
"""

from collections.abc import Iterator
from dataclasses import replace

from twigma.analysis.paper import stated
from twigma.analysis.paper.claim import Claim, Kind

HALF = 0.5  # of two images: they are as often together as apart


def theme_claims(other_labels: str) -> Iterator[Claim]:
    """Fig 4b and 4c; not identifiable where `other_labels` says why the labels are others."""
    for cluster in stated.FALLING_CLUSTERS:
        yield _on_labels(_trend(cluster, "negative", "falls"), other_labels)
    nsfw_only = [c for c in stated.NSFW_CLUSTERS if c not in stated.RISING_CLUSTERS]
    for cluster in sorted((*stated.RISING_CLUSTERS, *nsfw_only)):
        yield _on_labels(_trend(cluster, "positive", "rises"), other_labels)
    for cluster in stated.NSFW_CLUSTERS:
        claim = Claim(
            figure="Fig 4c",
            quantity=f"NSFW share of cluster {cluster} less the other clusters",
            sentence=f"Cluster {cluster} holds sensitive images.",
            stated="above 0",
            kind="positive",
            keys=(f"nsfw_cluster/{cluster}",),
            result="fig4d",
        )
        yield _on_labels(claim, other_labels)


def _trend(cluster: int, kind: Kind, verb: str) -> Claim:
    return Claim(
        figure="Fig 4b",
        quantity=f"share of cluster {cluster} over the months",
        sentence=f"The share of cluster {cluster} {verb} over the months.",
        stated=verb,
        kind=kind,
        keys=(f"trend/{cluster}",),
        result="fig4b",
    )


def people_claims(other_labels: str) -> Iterator[Claim]:
    """How the clusters were shown to people, and what people made of them."""
    for quantity, value in (
        ("annotators", stated.ANNOTATORS),
        ("clusters", stated.ANNOTATED_CLUSTERS),
        ("images of each cluster", stated.ANNOTATED_IMAGES),
        ("keywords of each image", stated.KEYWORDS),
    ):
        yield Claim(
            figure="Text",
            quantity=f"annotation: {quantity}",
            sentence="Four people each saw ten images of each of ten clusters and gave three keywords: "
            f"{value} {quantity}.",
            stated=f"{value}",
            kind="count",
            keys=(f"people/{quantity}",),
            value=value,
            result="concordance",
        )
    for cluster in stated.SPLIT_BY_PEOPLE:
        claim = Claim(
            figure="Text",
            quantity=f"people split cluster {cluster}",
            sentence=f"People put the images of cluster {cluster} into more than one group.",
            stated="split",
            kind="positive",
            keys=(f"people/split/{cluster}",),
            null=HALF,
            result="concordance",
        )
        yield _on_labels(claim, other_labels)
    one, other = stated.MERGED_BY_PEOPLE
    claim = Claim(
        figure="Text",
        quantity=f"people merge clusters {one} and {other}",
        sentence=f"People put images of clusters {one} and {other} into one group.",
        stated="merged",
        kind="positive",
        keys=(f"people/merged/{one}/{other}",),
        null=HALF,
        result="concordance",
    )
    yield _on_labels(claim, other_labels)


def _on_labels(claim: Claim, other_labels: str) -> Claim:
    """The claim, or that it means other labels."""
    if not other_labels:
        return claim
    return replace(claim, kind="none", keys=(), why=other_labels)
