"""`twigma liked`: a set of liked images, for fine-tuning."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import (
    count_lines,
    out_option,
    refuse_given,
    select_option,
    work_option,
)

if TYPE_CHECKING:
    from twigma.cli.facts.releasing import LikedFacts


@click.command()
@work_option
@out_option("liked", "Folder to write.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Every image that may be trained on, whatever its likes; instead of --quantile and --per-author.",
)
@click.option(
    "--quantile",
    default=0.9,
    show_default=True,
    help="Keep images above this quantile of likes among posts of about the same time and followers.",
)
@click.option(
    "--per-author", default=10, show_default=True, help="Most images of one author."
)
@click.option(
    "--nsfw-threshold",
    default=0.5,
    show_default=True,
    help="Leave out images that score higher (0 to 1).",
)
@click.option(
    "--captions",
    type=click.Choice(["caption", "prompt", "text"]),
    default="caption",
    show_default=True,
    help="What an image is trained with: BLIP's caption, its prompt, or the text of its post or beside its file.",
)
@click.option(
    "--trigger", default="", metavar="WORD", help="Word that begins every caption."
)
@click.option(
    "--min-side",
    default=0,
    metavar="PIXELS",
    help="Leave out images with a side under this.  [default: none]",
)
@click.option(
    "--max-aspect",
    default=0.0,
    metavar="RATIO",
    help="Leave out images whose longer side is more than this many times the shorter.  [default: none]",
)
@click.option(
    "--resolution",
    default=1024,
    show_default=True,
    help="Pixels to train at, for the recipes: 1024 for SDXL, 512 for Stable Diffusion 1.5.",
)
@click.option(
    "--repeats",
    default=1,
    show_default=True,
    help="How often an image is seen in an epoch, for the recipes.",
)
@click.option(
    "--acknowledge-x-terms",
    is_flag=True,
    help="Your use of content from X is allowed by its terms.",
)
@click.option("--webdataset", is_flag=True, help="Also write WebDataset tars.")
@select_option
@json_option("liked")
def liked(work: Path, out: Path, **options: Any) -> None:
    """Write a fine-tuning set of liked images.

    Likes are compared among posts of about the same time by authors with about as many followers; the share that was
    chosen of each such group is printed and listed in the set. Duplicates, sensitive images and images without a
    caption are left out, and with --select all that were not selected, before likes are compared; splits follow each
    other in time and share no author. diffusers, sd-scripts, OneTrainer, ai-toolkit and load_dataset("twigma", "liked")
    read the folder as it is; its README.md has a recipe for each.

    \b
      twigma liked --acknowledge-x-terms
      twigma liked --select castles.json --all --acknowledge-x-terms
      accelerate launch train_text_to_image_lora.py --train_data_dir liked/train …
      twigma liked --all --captions text --trigger mystyle      # your own images, liked or not
    """
    from dataclasses import asdict

    from twigma.builder.finetuning.liked import X_TERMS
    from twigma.builder.finetuning.liked import liked as run
    from twigma.builder.finetuning.row_gates import FROM_X
    from twigma.builder.finetuning.share_table import margin_range, unknown_sentence

    if options["everything"]:
        why = "compares likes, and --all takes every image: leave one of them out"
        refuse_given(why, "quantile", "per_author")
    result = run(work, out, **options)
    shares: list[Any] = [asdict(stratum) for stratum in result.shares]
    facts: LikedFacts = {
        "folder": str(out),
        "splits": dict(result.splits),
        "left_out": dict(result.dropped),
        "shares": shares,
        "warnings": list(result.warnings),
        "sha256": result.sha256,
    }
    counts = {}
    for reason, count in sorted(result.dropped.items()):
        counts[f"left out: {reason}"] = count
    counts.update(result.splits)
    lines = list(count_lines(counts, f"{out}:"))
    if result.shares:
        lines.append(f"share chosen: {margin_range(result.shares)}")
        unknown = unknown_sentence(result.shares)
        if unknown:
            lines.append(f"  {unknown}")
    lines += [f"warning: {warning}" for warning in result.warnings]
    if FROM_X in result.dropped:
        allowed = "where your use is allowed all the same, pass --acknowledge-x-terms"
        lines.append(f"{X_TERMS}: {allowed}")
    named = f"the set is named by the SHA-256 of its MANIFEST.json: {result.sha256}"
    show(facts, [*lines, named])
