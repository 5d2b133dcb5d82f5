"""`twigma embed`, `caption`, `texts`, `nsfw` and `dedupe`: columns for the images of a working folder."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import (
    CAPTIONER,
    FILE,
    as_engine,
    as_slice,
    clip_option,
    count_lines,
    device_option,
    embedding_option,
    engine_option,
    name_options,
    parse_clip,
    shards_option,
    split_commit,
    work_option,
)
from twigma.core.names import with_name
from twigma.core.workspace import Workspace

if TYPE_CHECKING:
    from twigma.cli.facts.building import DedupeFacts, StageFacts, TextsFacts

precision_option = click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16", "int8"]),
    help="Of the embeddings; int8 is for CPUs without bf16, and shows how far it is from fp32.  [default: fp16 on a "
    "GPU; bf16 on a CPU that has it, else fp32]",
)
detector_option = click.option(
    "--detector",
    type=FILE,
    help="NSFW detector, .safetensors.  [default: LAION's, which comes with twigma]",
)


@click.command()
@click.argument("tars", nargs=-1, type=FILE)
@work_option
@clip_option
@name_options
@precision_option
@device_option
@engine_option
@shards_option
@json_option("stage")
def embed(
    tars: tuple[Path, ...],
    work: Path,
    model: str,
    name: str,
    replace: bool,
    precision: str | None,
    device: str | None,
    engine: str,
    shards: str | None,
) -> None:
    """Embed every image with CLIP.

    Unit vectors in float16. TARS are WebDataset tars to add to the working folder first (as `twigma add` does). Each
    GPU gets a process, and each shard goes to one of them; with --engine ray, to the GPUs or CPUs of a cluster. What
    one model has made is not overwritten by another: --name keeps both, and --embedding of later commands chooses.

    \b
      twigma embed
      twigma embed --shards $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
      RAY_ADDRESS=10.0.0.5:6379 twigma embed --engine ray
      twigma embed --name siglip2 --model hf-hub:timm/ViT-B-16-SigLIP2
      twigma embed --work mine --model ViT-B-32/laion2b_s34b_b79k shards/*.tar
    """
    from twigma.builder.stages.embed import embed_shards

    if tars:
        from twigma.rehydrate.sources.own_files.add_images import add_tars

        add_tars(work, tars)
    clip = parse_clip(model)
    processed = embed_shards(
        work,
        clip.model,
        clip.weights,
        device,
        precision,
        revision=clip.revision,
        engine=as_engine(engine),
        name=name,
        replace=replace,
        only=as_slice(shards),
    )
    _show_processed(processed, work, with_name("embed", name))


@click.command()
@work_option
@click.option(
    "--model",
    default=CAPTIONER,
    show_default=True,
    metavar="MODEL[@COMMIT]",
    help="transformers name or folder.",
)
@name_options
@device_option
@engine_option
@shards_option
@json_option("stage")
def caption(
    work: Path,
    model: str,
    name: str,
    replace: bool,
    device: str | None,
    engine: str,
    shards: str | None,
) -> None:
    """Write a caption for every image with BLIP.

    Or with another image-to-text model of transformers: BLIP-2, GIT, or one for chat, such as SmolVLM. Without a
    commit, the newest is pinned at first use. Captions of a --name are a column of their own: all_captions_NAME.

    \b
      twigma caption --name blip2 --model Salesforce/blip2-opt-2.7b --device cuda:0,cuda:1
    """
    from twigma.builder.stages.caption import caption_shards

    captioner, revision = split_commit(model)
    processed = caption_shards(
        work,
        captioner,
        device,
        revision=revision,
        engine=as_engine(engine),
        name=name,
        replace=replace,
        only=as_slice(shards),
    )
    _show_processed(processed, work, with_name("caption", name))


@click.command()
@work_option
@clip_option
@embedding_option
@device_option
@json_option("texts")
def texts(work: Path, model: str, embedding: str, device: str | None) -> None:
    """Embed posts, captions and prompts with CLIP.

    For Fig 3d, by the model that embedded the images of the folder: 2,000 random texts of each kind. Links and
    hashtags are removed first. Only embeddings and lengths are stored, no text.

    \b
      twigma texts                                  # posts and captions
      twigma texts --work refs/prompts              # the prompts of a reference set
      twigma analyze twigma --work work --reference prompts=refs/prompts
    """
    from twigma.builder.stages.embed_texts import embed_texts

    clip = parse_clip(model)
    counts = embed_texts(
        work,
        clip.model,
        clip.weights,
        device,
        revision=clip.revision,
        embedding=embedding,
    )
    names = {"text": "posts", "all_captions": "captions", "group": "prompts"}
    by_kind = {names[kind]: count for kind, count in counts.items()}
    facts: TextsFacts = {"work": str(work), "texts": by_kind}
    show(facts, count_lines(by_kind, f"texts of {work} embedded now:"))


@click.command()
@work_option
@detector_option
@embedding_option
@engine_option
@shards_option
@json_option("stage")
def nsfw(
    work: Path,
    detector: Path | None,
    embedding: str,
    engine: str,
    shards: str | None,
) -> None:
    """Score every embedding for NSFW content.

    LAION's detector, which reads ViT-L-14/openai embeddings.

    \b
      twigma nsfw
    """
    from twigma.builder.stages.nsfw import nsfw_parts

    processed = nsfw_parts(
        work,
        detector,
        embedding=embedding,
        engine=as_engine(engine),
        only=as_slice(shards),
    )
    _show_processed(processed, work, "nsfw")


@click.command()
@work_option
@click.option(
    "--near",
    type=float,
    help="Cosine above which two images are near duplicates.  [default: as in the last run, else .995]",
)
@embedding_option
@engine_option
@json_option("dedupe")
def dedupe(work: Path, near: float | None, embedding: str, engine: str) -> None:
    """Mark duplicate images; drop nothing.

    Same media id, same embedding, same pixels, or nearly the same; of each group the earliest is no duplicate. The
    last needs most of the time, and with --engine ray the nodes of a cluster share it. Images without an embedding
    are counted as not compared.

    \b
      twigma dedupe --near 0.98
      RAY_ADDRESS=10.0.0.5:6379 twigma dedupe --engine ray
    """
    from twigma.builder.stages.dedupe import dedupe as run
    from twigma.core.parts import last_settings

    settings = last_settings(Workspace(work).part("dedupe"), "near")
    if near is not None:
        settings["near"] = near
    counts = run(work, **settings, embedding=embedding, engine=as_engine(engine))
    facts: DedupeFacts = {"work": str(work), "rows": counts}
    shown = {name.replace("not_", "not "): count for name, count in counts.items()}
    show(facts, count_lines(shown, f"rows of {work} by reason:"))


def _show_processed(processed: int, work: Path, stage: str) -> None:
    folder = Workspace(work).stage_folder(stage)
    facts: StageFacts = {"stage": stage, "images": processed, "folder": str(folder)}
    line = f"{stage}: {processed:,} images processed now; columns in {folder}"
    if not processed:
        line = f"{stage}: nothing to do"
    show(facts, [line])
