"""`twigma embed`, `caption`, `nsfw`, `dedupe`, `cluster` add columns to the images of a working folder; `build` all."""

from pathlib import Path
from typing import Any

import click

from twigma.cli.options import (
    FILE,
    clip_options,
    device_option,
    engine_of,
    engine_options,
    say,
    work_option,
)

PRECISION = click.Choice(["fp32", "bf16", "fp16"])


@click.command()
@click.argument("tars", nargs=-1, type=FILE)
@work_option
@clip_options
@click.option(
    "--revision",
    help="Commit of the weights' repository.  [default: pinned at first use]",
)
@click.option(
    "--precision",
    type=PRECISION,
    help="[default: fp16 on a GPU; bf16 on a CPU that has it, else fp32]",
)
@click.option(
    "--exact-resize",
    is_flag=True,
    help="As open_clip resizes: half as fast, for at most one grey level.",
)
@device_option
@engine_options
def embed(
    tars: tuple[Path, ...],
    work: Path,
    model: str,
    pretrained: str,
    revision: str | None,
    precision: str | None,
    exact_resize: bool,
    device: str | None,
    engine: str,
    ray_address: str | None,
) -> None:
    """Embed every image with CLIP.

    Unit vectors in float16. TARS are WebDataset tars to add to the working folder first (as `twigma add` does). Each
    GPU gets a process, and each shard goes to one of them; with --engine ray, to the GPUs or CPUs of a cluster.

    \b
      twigma embed
      twigma embed --engine ray --ray-address 10.0.0.5:6379
      twigma embed --work mine --model ViT-B-32 --pretrained laion2b_s34b_b79k shards/*.tar
    """
    from twigma.builder.stages.embed import embed_shards

    if tars:
        from twigma.rehydrate.sources.own_files.add_images import add_tars

        add_tars(work, tars)
    where, resize = engine_of(engine, ray_address), "exact" if exact_resize else None
    done = embed_shards(
        work,
        model,
        pretrained,
        device,
        precision,
        resize=resize,
        revision=revision,
        engine=where,
    )
    _done(done, work, "embed")


@click.command()
@work_option
@click.option(
    "--model",
    help="transformers name or folder.  [default: Salesforce/blip-image-captioning-large]",
)
@click.option(
    "--revision",
    help="Commit of the weights' repository.  [default: pinned at first use]",
)
@device_option
@engine_options
def caption(
    work: Path,
    model: str | None,
    revision: str | None,
    device: str | None,
    engine: str,
    ray_address: str | None,
) -> None:
    """Write a caption for every image with BLIP.

    Or with another image-to-text model of transformers: BLIP-2, GIT, or one for chat, such as SmolVLM.
    """
    from twigma.builder.stages.caption import MODEL, caption_shards

    where = engine_of(engine, ray_address)
    _done(
        caption_shards(work, model or MODEL, device, revision=revision, engine=where),
        work,
        "caption",
    )


@click.command()
@work_option
@click.option(
    "--detector",
    type=FILE,
    help="A .safetensors head.  [default: LAION's, which comes with twigma]",
)
def nsfw(work: Path, detector: Path | None) -> None:
    """Score every embedding for NSFW content.

    LAION's detector, which reads ViT-L-14/openai embeddings.
    """
    from twigma.builder.stages.nsfw import nsfw_parts

    _done(nsfw_parts(work, detector), work, "nsfw")


@click.command()
@work_option
@click.option(
    "--near",
    type=float,
    help="Cosine above which two images are near duplicates.  [default: .995]",
)
def dedupe(work: Path, near: float | None) -> None:
    """Mark duplicate images; drop nothing.

    Same media id, same embedding, same pixels, or nearly the same; the earliest is kept.
    """
    from twigma.builder.stages.dedupe import NEAR
    from twigma.builder.stages.dedupe import dedupe as run

    say(run(work, NEAR if near is None else near), f"rows of {work} by reason:")


@click.command()
@work_option
@click.option(
    "--clusters", "k", type=int, help="Number of k-means clusters.  [default: 10]"
)
@click.option("--seed", type=int, help="Seed of k-means and of the map.  [default: 0]")
@click.option(
    "--frozen",
    is_flag=True,
    help="Assign new images to the clusters and the map there are; report drift.",
)
@click.option(
    "--choose-k",
    "ks",
    metavar="5,8,10,…",
    help="Compare these numbers of clusters; change nothing.",
)
def cluster(
    work: Path, k: int | None, seed: int | None, frozen: bool, ks: str | None
) -> None:
    """Group the images and place them on a map.

    k-means over the embeddings, and UMAP in two dimensions. The fit is kept in WORK/models/cluster. Fitted again, a
    cluster takes the label of the old one it is matched with, and a crosswalk says how many images moved; with --frozen
    nothing is fitted, and the images before keep label and position.

    \b
      twigma cluster
      twigma add more.tar && twigma embed && twigma dedupe && twigma cluster --frozen
      twigma cluster --choose-k 5,8,10,15,20
    """
    if frozen and (k, seed, ks) != (None, None, None):
        raise ValueError(
            "--frozen keeps the clusters there are: leave out --clusters, --seed and --choose-k"
        )
    if frozen:
        return _frozen(work)
    if ks is not None:
        if k is not None:
            raise ValueError(
                "--choose-k compares numbers of clusters and fits none: leave out --clusters"
            )
        return _choose_k(work, ks, seed or 0)
    from twigma.builder.clusters.cluster import cluster as run
    from twigma.builder.clusters.kmeans import K

    found = run(work, K if k is None else k, seed=seed or 0)
    say(
        {f"cluster {label}": count for label, count in found.sizes.items()},
        f"images of {work}:",
    )
    if found.crosswalk is not None:
        _crosswalk(found.crosswalk.to_pylist(), work)


def _choose_k(work: Path, ks: str, seed: int) -> None:
    from twigma.builder.clusters.choose_k import FITS, best_k, choose_k

    if not all(k.strip().isdecimal() for k in ks.split(",")):
        raise ValueError(
            f"--choose-k: expected numbers of clusters such as 5,8,10, found {ks!r}"
        )
    table = choose_k(work, [int(k) for k in ks.split(",")], seed=seed)
    click.echo(
        f"{FITS} fits for each number of clusters (also in {work}/models/cluster/choose_k.csv):"
    )
    click.echo("  clusters  silhouette  stability  of the worst pair")
    for row in table.to_pylist():
        click.echo(
            f"  {row['k']:>8}  {row['silhouette']:10.3f}  {row['stability']:9.3f}  {row['least_stability']:17.3f}"
        )
    if best := best_k(table):
        click.echo(
            f"of the stable ones {best} has the best silhouette: twigma cluster --clusters {best}"
        )
    else:
        click.echo(
            "none is stable: another seed would give other clusters, so read little into them"
        )


def _crosswalk(rows: list[dict[str, int]], work: Path) -> None:
    moved = [row for row in rows if row["old_label"] != row["new_label"]]
    total, gone = (sum(row["images"] for row in some) for some in (rows, moved))
    click.echo(
        f"{total - gone:,} of {total:,} images kept their label (crosswalk.csv in {work}/models/cluster)"
    )
    for row in moved:
        click.echo(
            f"  {row['images']:>9,}  from {row['old_label']} to {row['new_label']}"
        )


def _frozen(work: Path) -> None:
    from twigma.builder.clusters.assign import assign_new_images as run

    found = run(work)
    click.echo(
        f"{found.added:,} images added to {work}; share of images and mean distance to the centroid:"
    )
    click.echo("  cluster   share: fit      now   distance: fit      now")
    for row in found.drift.to_pylist():
        shares = f"{row['share_at_fit']:11.1%}  {row['share_now']:7.1%}"
        click.echo(
            f"  {row['label']:>7}  {shares}  {row['distance_at_fit']:14.3f}  {row['distance_now']:7.3f}"
        )
    if found.is_large:
        click.echo(
            f"the images have drifted from those the clusters were fitted on: shares differ by {found.moved:.0%}, the "
            f"mean distance is {found.farther:.2f} times that of the fit; `twigma cluster` fits them anew and keeps "
            "the labels that match"
        )


@click.command()
@work_option
@clip_options
@click.option(
    "--captioner",
    help="transformers name or folder.  [default: Salesforce/blip-image-captioning-large]",
)
@click.option(
    "--detector", type=FILE, help="NSFW detector, .safetensors.  [default: LAION's]"
)
@click.option(
    "--precision", type=PRECISION, help="Of the embeddings, as in `twigma embed`."
)
@device_option
@engine_options
def build(
    work: Path,
    captioner: str | None,
    engine: str,
    ray_address: str | None,
    **options: Any,
) -> None:
    """Add every column: embed, caption, nsfw, dedupe, cluster.

    What is there already stays; stopped, it goes on where it was. While a GPU or a cluster writes the captions, the
    stages that need only embeddings run beside it. Name the same models each time; dedupe and cluster keep the settings
    of their last run.

    \b
      twigma build && twigma release
    """
    from twigma.builder.build import build as run
    from twigma.builder.stages.caption import MODEL

    done = run(
        work,
        captioner=captioner or MODEL,
        engine=engine_of(engine, ray_address),
        **options,
    )
    say(done.treated, f"images of {work} treated now, by stage:")
    click.echo("duplicates are marked, clusters and map are made; next: twigma release")


def _done(treated: int, work: Path, name: str) -> None:
    folder = work / "columns" / name
    click.echo(
        f"{name}: {treated:,} images treated now; columns in {folder}"
        if treated
        else f"{name}: nothing to do"
    )
