"""`twigma build`: every column of a working folder, in one go."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import (
    CAPTIONER,
    as_engine,
    clip_option,
    count_lines,
    device_option,
    engine_option,
    parse_clip,
    split_commit,
    work_option,
)
from twigma.cli.stages import detector_option, precision_option

if TYPE_CHECKING:
    from twigma.cli.facts.building import BuildFacts


@click.command()
@work_option
@clip_option
@click.option(
    "--captioner",
    default=CAPTIONER,
    show_default=True,
    metavar="MODEL",
    help="As --model of `twigma caption`.",
)
@detector_option
@precision_option
@device_option
@engine_option
@json_option("build")
def build(
    work: Path,
    model: str,
    captioner: str,
    detector: Path | None,
    precision: str | None,
    device: str | None,
    engine: str,
) -> None:
    """Add every column: embed, caption, nsfw, dedupe, cluster.

    Only what is missing or out of date is processed; an interrupted run resumes. While a GPU writes the captions, the
    stages that need only embeddings run beside it; with --engine ray, a cluster does one stage after the other. Name
    the same models each time; dedupe and cluster use the settings of their last run.

    \b
      twigma build && twigma release
    """
    from twigma.builder.build import build as run

    clip = parse_clip(model)
    if clip.revision is not None or split_commit(captioner)[1] is not None:
        raise ValueError(
            "build uses the pinned commits: pin another one first, with --model MODEL@COMMIT of embed or caption"
        )
    result = run(
        work,
        model=clip.model,
        pretrained=clip.weights,
        captioner=captioner,
        detector=detector,
        device=device,
        precision=precision,
        engine=as_engine(engine),
    )
    facts: BuildFacts = {
        "work": str(work),
        "images": result.treated,
        "left_out": result.left_out,
    }
    lines = count_lines(result.treated, f"images of {work} processed now, by stage:")
    clustered = "images are not clustered"
    if "cluster" not in result.left_out:
        clustered = "images clustered"
    without = "".join(f" --without {stage}" for stage in result.left_out)
    ready = f"duplicates are marked, {clustered}; next: twigma release{without}"
    show(facts, [*lines, ready])
