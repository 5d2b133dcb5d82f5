"""`twigma cluster`, `assign` and `choose-k`: clusters and map, new images in them, and how many clusters to fit."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twigma.cli.options import embedding_option, print_counts, work_option
from twigma.core.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


@click.command()
@work_option
@click.option(
    "--clusters",
    "k",
    type=int,
    help="Number of k-means clusters.  [default: as in the last run, else 10]",
)
@click.option(
    "--seed",
    type=int,
    help="Seed of k-means and of the map.  [default: as in the last run, else 0]",
)
@embedding_option
def cluster(work: Path, k: int | None, seed: int | None, embedding: str) -> None:
    """Group the images and place them on a map.

    k-means over the embeddings, and UMAP in two dimensions; the fit is stored in WORK/models/cluster. Fitted again, a
    cluster takes the label of the old one it is matched with, and a crosswalk counts the images that moved. For new
    images in the clusters of an earlier fit: `twigma assign`.

    \b
      twigma cluster
      twigma cluster --clusters 20 --seed 1
    """
    from twigma.builder.clusters.cluster import cluster as run
    from twigma.core.parts import last_settings

    settings = last_settings(Workspace(work).part("cluster"), "k", "seed", "drop")
    if k is not None:
        settings["k"] = k
    if seed is not None:
        settings["seed"] = seed
    result = run(work, **settings, embedding=embedding)
    sizes = {f"cluster {label}": count for label, count in result.sizes.items()}
    print_counts(sizes, f"images of {work}:")
    if result.crosswalk is not None:
        _print_crosswalk(result.crosswalk, work)


@click.command()
@work_option
def assign(work: Path) -> None:
    """Assign new images to the clusters of an earlier fit.

    Nothing is fitted: every image that has a cluster keeps its label and its place on the map. Says how far the new
    images have drifted from those of the fit.

    \b
      twigma add more.tar && twigma embed && twigma dedupe && twigma assign
    """
    from twigma.builder.clusters.assign import assign_new_images

    result = assign_new_images(work)
    click.echo(
        f"{result.added:,} images added to {work}; share of images and mean distance to the centroid:"
    )
    click.echo("  cluster   share: fit      now   distance: fit      now")
    for row in result.drift.to_pylist():
        shares = f"{row['share_at_fit']:11.1%}  {row['share_now']:7.1%}"
        distances = f"{row['distance_at_fit']:14.3f}  {row['distance_now']:7.3f}"
        click.echo(f"  {row['label']:>7}  {shares}  {distances}")
    if result.is_large:
        click.echo(
            "the images have drifted from those that the clusters were fitted on: "
            f"shares differ by {result.moved:.0%}, the mean distance is {result.farther:.2f} times that of the fit; "
            "`twigma cluster` fits again, and labels of clusters that match stay the same"
        )


@click.command("choose-k")
@click.argument("ks", nargs=-1, required=True, type=int, metavar="K...")
@work_option
@embedding_option
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
    click.echo(f"{numbers.FITS} fits for each number of clusters (also in {path}):")
    click.echo("  clusters  silhouette  stability  of the worst pair")
    for row in table.to_pylist():
        scores = f"{row['silhouette']:10.3f}  {row['stability']:9.3f}"
        click.echo(f"  {row['k']:>8}  {scores}  {row['least_stability']:17.3f}")
    best = numbers.best_k(table)
    if best is None:
        click.echo(
            "none is stable: another seed would give other clusters, so read little into them"
        )
    else:
        click.echo(
            f"of the stable ones {best} has the best silhouette: twigma cluster --clusters {best}"
        )


def _print_crosswalk(crosswalk: "pa.Table", work: Path) -> None:
    """How many images changed their label between two fits, and from which to which."""
    rows = crosswalk.to_pylist()
    moved = [row for row in rows if row["old_label"] != row["new_label"]]
    total = _count_images(rows)
    same = total - _count_images(moved)
    folder = Workspace(work).models / "cluster"
    click.echo(
        f"{same:,} of {total:,} images have the same label as before (crosswalk.csv in {folder})"
    )
    for row in moved:
        labels = f"from {row['old_label']} to {row['new_label']}"
        click.echo(f"  {row['images']:>9,}  {labels}")


def _count_images(rows: Sequence[dict[str, int]]) -> int:
    return sum(row["images"] for row in rows)
