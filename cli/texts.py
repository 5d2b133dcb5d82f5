"""`twigma texts`: what was written about the images, embedded beside them."""

from pathlib import Path

import click

from twigma.cli.options import clip_options, device_option, say, work_option


@click.command()
@work_option
@clip_options
@click.option(
    "--revision",
    help="Commit of the weights' repository.  [default: pinned at first use]",
)
@click.option(
    "--most",
    type=click.IntRange(2),
    default=2000,
    show_default=True,
    help="Random texts of each kind.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the draw.")
@device_option
def texts(
    work: Path,
    model: str,
    pretrained: str,
    revision: str | None,
    most: int,
    seed: int,
    device: str | None,
) -> None:
    """Embed posts, captions and prompts with CLIP.

    For Fig 3d, by the model that embedded the images of the folder. Posts lose their links and hashtags. Only
    embeddings and lengths are kept, no text.

    \b
      twigma texts                                  # posts and captions
      twigma texts --work refs/prompts              # the prompts of a reference set
      twigma analyze twigma --work work --reference prompts=refs/prompts
    """
    from twigma.builder.stages.embed_texts import embed_texts

    counts = embed_texts(
        work, model, pretrained, device, revision=revision, most=most, seed=seed
    )
    names = {"text": "posts", "all_captions": "captions", "group": "prompts"}
    say(
        {names[kind]: count for kind, count in counts.items()},
        f"texts of {work} embedded now:",
    )
