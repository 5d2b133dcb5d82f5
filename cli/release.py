"""`twigma init`, `release`, `liked`, `removals`: what leaves a working folder, and what is taken out of everything."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from twigma.cli.facts import json_option, show
from twigma.cli.options import (
    FILE,
    STORE,
    as_engine,
    count_lines,
    engine_option,
    out_option,
    select_option,
    work_option,
    work_with_pages_option,
)
from twigma.core.progress import notice

if TYPE_CHECKING:
    from twigma.cli.facts.releasing import (
        InitFacts,
        LikedFacts,
        ReleaseFacts,
        RemovalsFacts,
    )

SHOWN = 10  # ids that match nothing


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
    help="Leave out images that score higher than this (0 to 1).",
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
    help="Release without the columns of a stage that has not run.",
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

    Ids and derived columns, never pixels, text or user ids. What the dataset is, dataset.toml of the working folder
    says: see `twigma init`. The licence of a model of your own, models/licences.json there can state: {"my-clip":
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
    show(facts, count_lines(counts.funnel(), heading))


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
    help="Share of the images that are liked less.",
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
    help="Leave out images with a side under this.",
)
@click.option(
    "--max-aspect",
    default=0.0,
    metavar="RATIO",
    help="Leave out images whose longer side is more than this many times the shorter.",
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
@click.pass_context
def liked(context: click.Context, /, work: Path, out: Path, **options: Any) -> None:
    """Write a fine-tuning set of liked images.

    Likes are compared among posts with as many followers at about the same time; the share that was chosen of each
    such group is printed and listed in the set. Duplicates, sensitive images and images without a caption are left
    out, and with --select all that were not selected, before likes are compared; splits follow each other in time and
    share no author. diffusers, sd-scripts, OneTrainer, ai-toolkit and load_dataset("twigma", "liked") read the folder
    as it is; its README.md has a recipe for each.

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
    from twigma.builder.finetuning.share_table import margin_range

    if options["everything"]:
        _refuse_given(context, "quantile", "per_author")
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
    lines += [f"warning: {warning}" for warning in result.warnings]
    if FROM_X in result.dropped:
        allowed = "where your use is allowed all the same, pass --acknowledge-x-terms"
        lines.append(f"{X_TERMS}: {allowed}")
    named = f"the set is named by the SHA-256 of its MANIFEST.json: {result.sha256}"
    show(facts, [*lines, named])


def _refuse_given(context: click.Context, *names: str) -> None:
    """A usage error when one of these options was given beside `--all`."""
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = name.replace("_", "-")
            raise click.UsageError(
                f"--{option} compares likes, and --all takes every image: leave one of them out"
            )


@click.command()
@click.argument("file", type=FILE)
@work_with_pages_option
@click.option(
    "--derived",
    multiple=True,
    type=STORE,
    help="Release, report or set of liked images made from it: deleted if it names one of them, file by file as it "
    "lists them; of a report also what a stopped `analyze` left. Sheets of `sheets` and `hashtags` lose rows. Repeat "
    "for each.",
)
@json_option("removals")
def removals(file: Path, work: Path, derived: tuple[Path, ...]) -> None:
    """Take posts and images out, for good.

    FILE holds one a line: the id of a post or an image, or the address of a post or a photo; or it is the result of a
    batch compliance job of X. A list that was rounded on the way is refused. With a post go its photos. They disappear
    from pages, ledger, tables, lists, shards, columns and caches; salted hashes prevent that look-ups, searches,
    imports or releases bring them back; a receipt in receipts/ lists what was done. Folders are checked before
    anything is erased: one that this software did not write, or that holds other files too, is refused.

    \b
      twigma removals requests.txt --derived twigma --derived report --derived liked
    """
    from twigma.builder.removals.removals import PUBLISHED
    from twigma.builder.removals.removals import removals as run
    from twigma.builder.removals.requests import read_requests, unmatched

    requests = read_requests(file)
    missing = unmatched(work, requests.names)
    receipt = run(work, requests.names, derived)
    facts: RemovalsFacts = {
        "file": str(file),
        "when": receipt.when,
        "listed": receipt.listed,
        "posts": receipt.posts,
        "images": receipt.images,
        "other_actions": dict(requests.other_actions),
        "unmatched": list(missing),
        "changed": receipt.changed,
        "deleted": receipt.deleted,
        "left": receipt.left,
        "next": receipt.next,
        "published": receipt.published,
    }
    hint = [PUBLISHED] if receipt.next else []
    show(facts, [*_removal_lines(work, facts), *hint, *receipt.published])


def _removal_lines(work: Path, facts: "RemovalsFacts") -> Iterator[str]:
    removed = f"{facts['posts']:,} posts and {facts['images']:,} images of {work}"
    yield f"{facts['file']}: {facts['listed']:,} ids, {removed}"
    for action, count in facts["other_actions"].items():
        yield f"  {count:,} lines ask for {action!r}: only 'delete' takes out"
    missing = facts["unmatched"]
    if missing:
        shown = ", ".join(missing[:SHOWN])
        etc = ", …" if len(missing) > SHOWN else ""
        yield f"  {len(missing):,} ids match nothing in {work}: {shown}{etc}"
    yield from count_lines(facts["changed"], "taken out of:")
    for name in facts["deleted"]:
        yield f"deleted: {name}"
    for name in facts["left"]:
        yield f"left as it is: {name}"
    if facts["next"]:
        yield "run next:"
    for command in facts["next"]:
        yield f"  {command}"
