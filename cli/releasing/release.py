"""`twigma init` and `release`: what the dataset is, and a release of it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import (
    STORE,
    as_engine,
    count_lines,
    engine_option,
    out_option,
    select_option,
    work_option,
)
from twigma.core.progress import notice

if TYPE_CHECKING:
    from twigma.cli.facts.releasing import InitFacts, ReleaseFacts


@click.command()
@work_option
@json_option("init")
def init(work: Path) -> None:
    """Say what the dataset is.

    Writes dataset.toml into the working folder, with comments, for you to fill in: title, creators, contact, licence,
    source, citation. `twigma release` puts them into the card and all other texts; what is left out is stated nowhere.

    \b
      twigma init --work work
    """
    from twigma.builder.release.identity import init as run
    from twigma.core.workspace import Workspace

    path = Workspace(work).identity_file
    if not run(work):
        raise ValueError(f"{path} is there already: it is left as it is; edit it")
    facts: InitFacts = {"file": str(path)}
    show(facts, [f"{path}: fill it in, then run `twigma release`"])


@click.command()
@work_option
@out_option("twigma", "Release folder to write, also in a store.", STORE)
@click.option(
    "--version",
    "release_version",
    default="1.0.0",
    show_default=True,
    help="Version of the release, for card and manifest.",
)
@click.option(
    "--near-duplicates",
    type=click.Choice(["drop", "keep"]),
    default="drop",
    show_default=True,
    help="Whether images that are nearly the same as an earlier one are released.",
)
@click.option(
    "--nsfw-threshold",
    type=float,
    help="Leave out images that score higher than this (0 to 1).  [default: none]",
)
@click.option(
    "--embeddings",
    type=click.Choice(["float16", "float32"]),
    default="float16",
    show_default=True,
    help="Type of the embeddings; float32 for Spark, fastparquet, older R arrow and ClickHouse.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="STAGE",
    help="Release without the columns of a stage that has not run: caption, nsfw or cluster.",
)
@select_option
@engine_option
@json_option("release")
def release(
    work: Path,
    out: Path,
    release_version: str,
    near_duplicates: str,
    nsfw_threshold: float | None,
    embeddings: str,
    without: tuple[str, ...],
    select: Path | None,
    engine: str,
) -> None:
    """Write the dataset with its card.

    Ids and derived columns, never pixels, text or user ids. The working folder's dataset.toml says what the
    dataset is: see `twigma init`. Its models/licences.json can state the licence of a model of your own: {"my-clip":
    "cc-by-4.0"}. This is the only stage that leaves rows out; it counts them by reason. With --select the release holds
    only these images, and its card says of what they are a selection; it needs a folder of its own (--out).

    \b
      twigma release --out twigma --version 1.1.0
      twigma release --select castles.json --out castles
    """
    from twigma.builder.release.release import release as run

    counts = run(
        work,
        out,
        version=release_version,
        near_duplicates=near_duplicates,
        nsfw_threshold=nsfw_threshold,
        embeddings=embeddings,
        without=without,
        select=select,
        engine=as_engine(engine),
    )
    _name_out_of_date(work, without)
    heading = f"{out} is up to date:"
    if counts.written:
        heading = f"rows of {work} in {out}:"
    facts: ReleaseFacts = {
        "folder": str(out),
        "written": counts.written,
        "rows": counts.rows,
        "left_out": dict(counts.dropped),
        "released": counts.released,
        "posts": counts.posts,
        "embeddings": counts.embeddings,
    }
    show(facts, count_lines(counts.by_reason(), heading))


def _name_out_of_date(work: Path, without: tuple[str, ...]) -> None:
    """A notice for each released stage whose columns were made before what they are made from."""
    import pyarrow.parquet as pq

    from twigma.builder.status.stage_progress import out_of_date
    from twigma.core.workspace import Workspace

    rows = pq.read_metadata(Workspace(work).images_file).num_rows
    for stage in out_of_date(work, rows):
        if stage not in without:
            notice(
                f"{stage} is out of date, and released as it is: images, embeddings or duplicates have changed since; "
                f"`twigma {stage}` brings it up to date"
            )
