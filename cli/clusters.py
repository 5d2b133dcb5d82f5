"""`twigma cluster`, `assign` and `choose-k`: clusters and map, new images in them, and how many clusters to fit."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import (
    as_engine,
    count_lines,
    embedding_option,
    engine_option,
    work_option,
)
from twigma.core.progress import notice
from twigma.core.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from twigma.builder.clusters.assign import Assigned
    from twigma.cli.facts.building import (
        AssignFacts,
        ChooseKFacts,
        ClusterFacts,
        CrosswalkFacts,
    )


@click.command()
@work_option
@click.option(
    "--clusters",
    "k",
    type=click.IntRange(1),
    help="Number of k-means clusters.  [default: as in the last run, else 10, of few images fewer]",
)
@click.option(
    "--seed",
    type=int,
    help="Seed of k-means and of the map.  [default: as in the last run, else 0]",
)
@embedding_option
@engine_option
@json_option("cluster")
def cluster(
    work: Path, k: int | None, seed: int | None, embedding: str, engine: str
) -> None:
    """Group the images and place them on a map.

    k-means over the embeddings, and UMAP in two dimensions; the fit is stored in WORK/models/cluster. Fitted again, a
    cluster takes the label of the old one it is matched with, and a crosswalk counts the images that moved. For new
    images in the clusters of an earlier fit: `twigma assign`.

    \b
      twigma cluster
      twigma cluster --clusters 20 --seed 1
    """
    from twigma.builder.clusters.cluster import cluster as run
    from twigma.builder.clusters.cluster import settings_before

    settings = settings_before(work)
    if k is not None:
        settings["k"] = k
    if seed is not None:
        settings["seed"] = seed
    result = run(work, **settings, embedding=embedding, engine=as_engine(engine))
    facts: ClusterFacts = {
        "work": str(work),
        "images": {str(label): count for label, count in result.sizes.items()},
        "crosswalk": None,
    }
    if result.crosswalk is not None:
        facts["crosswalk"] = _crosswalk(result.crosswalk, work)
    show(facts, _cluster_lines(facts))


@click.command()
@work_option
@engine_option
@json_option("assign")
def assign(work: Path, engine: str) -> None:
    """Assign new images to the clusters of an earlier fit.

    Nothing is fitted: every image that has a cluster keeps its label and its place on the map. Says how far the new
    images have drifted from those of the fit.

    \b
      twigma add more.tar && twigma embed && twigma dedupe && twigma assign
    """
    from twigma.builder.clusters.assign import assign_new_images

    result = assign_new_images(work, engine=as_engine(engine))
    facts: AssignFacts = {
        "work": str(work),
        "added": result.added,
        "clusters": result.drift.to_pylist(),
        "moved": result.moved,
        "farther": result.farther,
        "is_large": result.is_large,
    }
    show(facts, _drift_lines(work, result))
    _name_not_embedded(work)


def _name_not_embedded(work: Path) -> None:
    """A notice where stored images have no embedding yet, and so no cluster."""
    from twigma.builder.status.stage_progress import not_embedded

    images, command = not_embedded(work)
    if images:
        notice(
            f"{images:,} images of {work} have no embedding yet, and so no cluster: run `{command}`, then "
            "`twigma assign` again"
        )


def _drift_lines(work: Path, result: "Assigned") -> Iterator[str]:
    yield f"{result.added:,} images added to {work}; share of images and mean distance to the centroid:"
    yield "  cluster   share: fit      now   distance: fit      now"
    for row in result.drift.to_pylist():
        shares = f"{row['share_at_fit']:11.1%}  {row['share_now']:7.1%}"
        distances = f"{row['distance_at_fit']:14.3f}  {row['distance_now']:7.3f}"
        yield f"  {row['label']:>7}  {shares}  {distances}"
    if result.is_large:
        yield (
            "the images have drifted from those that the clusters were fitted on: "
            f"shares differ by {result.moved:.0%}, the mean distance is {result.farther:.2f} times that of the fit; "
            "`twigma cluster` fits again, and labels of clusters that match stay the same"
        )


@click.command("choose-k")
@click.argument("ks", nargs=-1, required=True, type=int, metavar="K...")
@work_option
@embedding_option
@json_option("choose-k")
def choose_k(ks: tuple[int, ...], work: Path, embedding: str) -> None:
    """Compare numbers of clusters.

    Ten fits for each: how well the clusters are separated (silhouette), and how far fits from other seeds agree
    (stability). Clusters and map of the folder stay as they are.

    \b
      twigma choose-k 5 8 10 15 20
    """
    from twigma.builder.clusters import choose_k as numbers

    table = numbers.choose_k(work, ks, embedding=embedding)
    path = Workspace(work).models / "cluster" / "choose_k.csv"
    facts: ChooseKFacts = {
        "fits": numbers.FITS,
        "table": str(path),
        "numbers": table.to_pylist(),
        "best": numbers.best_k(table),
    }
    show(facts, _choice_lines(facts))


def _choice_lines(facts: "ChooseKFacts") -> Iterator[str]:
    yield f"{facts['fits']} fits for each number of clusters (also in {facts['table']}):"
    yield "  clusters  silhouette  stability  of the worst pair"
    for row in facts["numbers"]:
        scores = f"{row['silhouette']:10.3f}  {row['stability']:9.3f}"
        yield f"  {row['k']:>8}  {scores}  {row['least_stability']:17.3f}"
    best = facts["best"]
    if best is None:
        yield "none is stable: another seed would give other clusters, so read little into them"
    else:
        yield f"of the stable ones {best} has the best silhouette: twigma cluster --clusters {best}"


def _crosswalk(crosswalk: "pa.Table", work: Path) -> "CrosswalkFacts":
    """How many images changed their label between two fits, and from which to which."""
    rows = crosswalk.to_pylist()
    moved = [row for row in rows if row["old_label"] != row["new_label"]]
    total = sum(row["images"] for row in rows)
    return {
        "file": str(Workspace(work).models / "cluster" / "crosswalk.csv"),
        "images": total,
        "same": total - sum(row["images"] for row in moved),
        "moved": moved,
    }


def _cluster_lines(facts: "ClusterFacts") -> Iterator[str]:
    sizes = {f"cluster {label}": count for label, count in facts["images"].items()}
    yield from count_lines(sizes, f"images of {facts['work']}:")
    crosswalk = facts["crosswalk"]
    if crosswalk is None:
        return
    same = f"{crosswalk['same']:,} of {crosswalk['images']:,} images"
    file = Path(crosswalk["file"])
    yield f"{same} have the same label as before ({file.name} in {file.parent})"
    for row in crosswalk["moved"]:
        labels = f"from {row['old_label']} to {row['new_label']}"
        yield f"  {row['images']:>9,}  {labels}"
