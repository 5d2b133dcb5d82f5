"""`twigma embed`, `caption`, `nsfw`, `dedupe`, `cluster`: each adds columns to the images of a working folder."""

from pathlib import Path

import click

from twigma.cli.options import FILE, device_option, say, work_option


@click.command()
@click.argument("tars", nargs=-1, type=FILE)
@work_option
@click.option("--model", default="ViT-L-14", show_default=True, help="open_clip name, hf-hub:ORG/NAME, or a folder.")
@click.option("--pretrained", default="openai", show_default=True, help="open_clip tag; none for random weights.")
@click.option("--revision", help="Commit of the weights' repository.  [default: pinned at first use]")
@click.option(
    "--precision", type=click.Choice(["fp32", "bf16", "fp16"]), help="[default: fp32 on a CPU, fp16 on a GPU]"
)
@device_option
def embed(
    tars: tuple[Path, ...],
    work: Path,
    model: str,
    pretrained: str,
    revision: str | None,
    precision: str | None,
    device: str | None,
) -> None:
    """Embed every image with CLIP.

    Unit vectors in float16. TARS are WebDataset tars to add to the working folder first (as `twigma add` does).

    \b
      twigma embed
      twigma embed --work mine --model ViT-B-32 --pretrained laion2b_s34b_b79k shards/*.tar
    """
    from twigma.builder.embed import embed_shards

    if tars:
        from twigma.rehydrate.add import add_tars

        add_tars(work, tars)
    _done(embed_shards(work, model, pretrained, device, precision, revision=revision), work, "embed")


@click.command()
@work_option
@click.option("--model", help="transformers name or folder.  [default: Salesforce/blip-image-captioning-large]")
@click.option("--revision", help="Commit of the weights' repository.  [default: pinned at first use]")
@device_option
def caption(work: Path, model: str | None, revision: str | None, device: str | None) -> None:
    """Write a caption for every image with BLIP."""
    from twigma.builder.caption import MODEL, caption_shards

    _done(caption_shards(work, model or MODEL, device, revision=revision), work, "caption")


@click.command()
@work_option
@click.option(
    "--detector", type=FILE, help="LAION's .zip or a .safetensors head.  [default: LAION's, fetched, checked]"
)
def nsfw(work: Path, detector: Path | None) -> None:
    """Score every embedding for NSFW content.

    LAION's detector, which reads ViT-L-14/openai embeddings.
    """
    from twigma.builder.nsfw import nsfw_parts

    _done(nsfw_parts(work, detector), work, "nsfw")


@click.command()
@work_option
@click.option("--near", type=float, help="Cosine above which two images are near duplicates.  [default: .995]")
def dedupe(work: Path, near: float | None) -> None:
    """Mark duplicate images; drop nothing.

    Same media id, same embedding, same pixels, or nearly the same; the earliest is kept.
    """
    from twigma.builder.dedupe import NEAR
    from twigma.builder.dedupe import dedupe as run

    say(run(work, NEAR if near is None else near), f"rows of {work} by reason:")


@click.command()
@work_option
@click.option("--clusters", "k", default=10, show_default=True, help="Number of k-means clusters.")
@click.option("--seed", default=0, show_default=True, help="Seed of k-means and of the map.")
def cluster(work: Path, k: int, seed: int) -> None:
    """Group the images and place them on a map.

    k-means over the embeddings, and UMAP in two dimensions.
    """
    from twigma.builder.cluster import cluster as run

    say({f"cluster {label}": count for label, count in run(work, k, seed=seed).items()}, f"images of {work}:")


def _done(treated: int, work: Path, name: str) -> None:
    folder = work / "columns" / name
    click.echo(f"{name}: {treated:,} images treated now; columns in {folder}" if treated else f"{name}: nothing to do")
