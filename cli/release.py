"""`twigma release`, `liked` and `removals`: what leaves a working folder, and what is taken out of everything."""

from pathlib import Path
from typing import Any

import click

from twigma.cli.options import FILE, FOLDER, out_option, print_counts, work_option

SHOWN = 10  # ids that match nothing


@click.command()
@work_option
@out_option("twigma", "Release folder to write.")
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
    "--without",
    multiple=True,
    metavar="STAGE",
    help="Release without the columns of a stage that has not run.",
)
def release(
    work: Path,
    out: Path,
    release_version: str,
    near_duplicates: str,
    nsfw_threshold: float | None,
    without: tuple[str, ...],
) -> None:
    """Write the dataset with its card.

    Ids and derived columns, never pixels, text or user ids. This is the only stage that leaves rows out; it counts
    them by reason.

    \b
      twigma release --out twigma --version 1.1.0
    """
    from twigma.builder.release.release import release as run

    counts = run(
        work,
        out,
        version=release_version,
        near_duplicates=near_duplicates,
        nsfw_threshold=nsfw_threshold,
        without=without,
    )
    heading = f"{out} is up to date:"
    if counts.written:
        heading = f"rows of {work} in {out}:"
    print_counts(counts.funnel(), heading)


@click.command()
@work_option
@out_option("liked", "Folder to write.")
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
    "--acknowledge-x-terms",
    is_flag=True,
    help="Your use of content from X is allowed by its terms.",
)
@click.option("--webdataset", is_flag=True, help="Also write WebDataset tars.")
def liked(work: Path, out: Path, **options: Any) -> None:
    """Write a fine-tuning set of liked images.

    Likes are compared among posts with as many followers in the same month. Duplicates, sensitive images and images
    without a caption are left out; splits follow each other in time and share no author. diffusers, kohya's trainers
    and load_dataset("twigma", "liked") read the folder as it is.

    \b
      twigma liked --acknowledge-x-terms
      accelerate launch train_text_to_image_lora.py --train_data_dir liked/train …
    """
    from twigma.builder.finetuning.liked import X_TERMS
    from twigma.builder.finetuning.liked import liked as run

    result = run(work, out, **options)
    counts = {}
    for reason, count in sorted(result.dropped.items()):
        counts[f"left out: {reason}"] = count
    counts.update(result.splits)
    print_counts(counts, f"{out}:")
    if any(reason.startswith("from X") for reason in result.dropped):
        click.echo(
            f"{X_TERMS}: where your use is allowed all the same, pass --acknowledge-x-terms"
        )
    click.echo(f"the set is named by the SHA-256 of its MANIFEST.json: {result.sha256}")


@click.command()
@click.argument("file", type=FILE)
@work_option
@click.option(
    "--derived",
    multiple=True,
    type=FOLDER,
    help="Release, report or set of liked images made from it: deleted if it names one of them, file by file as it "
    "lists them. Sheets of `sheets` and `hashtags` lose rows. Repeat for each.",
)
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
    from twigma.builder.removals.removals import removals as run
    from twigma.builder.removals.requests import read_requests, unmatched

    requests = read_requests(file)
    missing = unmatched(work, requests.names)
    receipt = run(work, requests.names, derived)
    removed = f"{receipt.posts:,} posts and {receipt.images:,} images of {work}"
    click.echo(f"{file}: {receipt.listed:,} ids, {removed}")
    for action, count in requests.other_actions.items():
        click.echo(f"  {count:,} lines ask for {action!r}: only 'delete' takes out")
    if missing:
        shown = ", ".join(missing[:SHOWN])
        etc = ", …" if len(missing) > SHOWN else ""
        click.echo(f"  {len(missing):,} ids match nothing in {work}: {shown}{etc}")
    print_counts(receipt.changed, "taken out of:")
    for name in receipt.deleted:
        click.echo(f"deleted: {name}")
    for name in receipt.left:
        click.echo(f"left as it is: {name}")
    if receipt.next:
        click.echo("run next:")
    for command in receipt.next:
        click.echo(f"  {command}")
