"""`twigma release`, `liked`, `sheets`, `analyze`, `report`, `removals`, `columns`, `demo`: what a folder gives."""

from collections import Counter
from pathlib import Path
from typing import Any

import click

from twigma.cli.options import FILE, FOLDER, engine_of, engine_options, say, work_option


@click.command()
@work_option
@click.option(
    "--out",
    type=FOLDER,
    default="twigma",
    show_default=True,
    help="Release folder to write.",
)
@click.option("--release-version", default="1.0.0", show_default=True)
@click.option(
    "--near-duplicates",
    type=click.Choice(["drop", "keep"]),
    default="drop",
    show_default=True,
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
    help="Release without the columns of a stage not run.",
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

    Ids and derived columns, never pixels, text or user ids. This is the only stage that leaves
    rows out, and it says how many for which reason.
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
    say(
        counts.funnel(),
        f"rows of {work} in {out}:" if counts.written else f"{out} is up to date:",
    )


@click.command()
@work_option
@click.option(
    "--out", type=FOLDER, default="liked", show_default=True, help="Folder to write."
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
    "--acknowledge-x-terms",
    is_flag=True,
    help="Your use of content from X is allowed by its terms.",
)
@click.option("--webdataset", is_flag=True, help="Also write WebDataset tars.")
@click.option(
    "--seed", default=0, show_default=True, help="Splits images that have no date."
)
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

    found = run(work, out, **options)
    say(
        {
            f"left out: {reason}": count
            for reason, count in sorted(found.dropped.items())
        }
        | dict(found.splits),
        f"{out}:",
    )
    if any(reason.startswith("from X") for reason in found.dropped):
        click.echo(
            f"{X_TERMS}: where your use is allowed all the same, pass --acknowledge-x-terms"
        )
    click.echo(f"the set is named by the SHA-256 of its MANIFEST.json: {found.sha256}")


@click.command()
@click.argument("release", type=FOLDER, default="twigma")
@click.option(
    "--out",
    type=FOLDER,
    default="report",
    show_default=True,
    help="Report to write: a new folder, or one of before.",
)
@click.option(
    "--work",
    type=FOLDER,
    help="Working folder with the private columns that some figures need.",
)
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="NAME[=FOLDER]",
    help="Set to compare with, in refs/NAME or FOLDER; photographs, paintings and prompts play the paper's roles.",
)
@click.option(
    "--projection",
    type=click.Choice(["pca", "umap"]),
    default="pca",
    show_default=True,
    help="Map of Fig 2a.",
)
@click.option(
    "--thorough", is_flag=True, help="Also the sensitivity checks that take minutes."
)
@click.option(
    "--sheets",
    type=FOLDER,
    help="Folder of sheets by `twigma sheets`, filled in by people.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of every draw.")
@engine_options
def analyze(
    release: Path,
    out: Path,
    references: tuple[str, ...],
    engine: str,
    ray_address: str | None,
    **options: Any,
) -> None:
    """Compute the paper's figures as tables.

    With intervals, wherever the columns they need are there. At the paper's size most of the time goes into the exact
    search for nearest neighbours (Fig 2d, 4e), which uses a GPU where there is one; --engine ray spreads it over a
    cluster.

    \b
      twigma analyze twigma --work work --reference laion --reference artbench --reference mine=elsewhere/mine
    """
    from twigma.analysis.analyze import analyze as run
    from twigma.analysis.inputs.reference_sets import find_reference, roles

    folders = dict(find_reference(text) for text in references)
    where = engine_of(engine, ray_address)
    found = run(
        release, out, references=folders, engine=where, **(options | roles(folders))
    )
    click.echo(
        f"analyze: {len(found['figures'])} figures in {out / 'results'}, {len(found['skipped'])} skipped"
    )
    said = Counter(
        entry["verdict"]
        for key, entry in found["values"].items()
        if key.startswith("paper/")
    )
    told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(said.items()))
    click.echo(
        f"  the paper's numbers beside ours: {told} ({out / 'results' / 'paper.csv'})"
    )
    lacking: dict[str, list[str]] = {}
    for skipped in found["skipped"]:
        for missing, how in zip(
            skipped["missing"] or [""], skipped["how"], strict=True
        ):
            lacking.setdefault(f"{missing} ({how})" if missing else how, []).append(
                skipped["figure"]
            )
    for reason, figures in lacking.items():
        click.echo(f"  {reason}: {', '.join(figures)}")
    for name, about in found["data"]["references"].items():
        if "licence" in about:
            click.echo(
                f"  {name}: from {', '.join(about['origin'])}; licence: {about['licence']}"
            )


@click.command()
@click.argument("release", type=FOLDER, default="twigma")
@click.option(
    "--out",
    type=FOLDER,
    default="sheets",
    show_default=True,
    help="Folder for the sheets and their key.",
)
@click.option(
    "--annotators",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Sheets to write.",
)
@click.option(
    "--images",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Random images of each cluster.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of every draw.")
def sheets(release: Path, out: Path, **options: Any) -> None:
    """Write blank sheets for people to annotate.

    A row an image, in random order, without its cluster. Each annotator writes up to three keywords, and a group: any
    name, the same for images that belong together. Keep key.csv to yourself.

    \b
      twigma sheets twigma --out sheets
      twigma analyze twigma --sheets sheets
    """
    from twigma.analysis.inputs.annotation_sheets import sheets as run

    count = run(release, out, **options)
    click.echo(
        f"sheets: {count} images on each of {options['annotators']} sheets in {out}; {out / 'key.csv'} is the key"
    )


@click.command()
@click.argument("out", type=FOLDER, default="report")
@click.option(
    "--work", type=FOLDER, help="Working folder with the images, to show some of them."
)
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="NAME[=FOLDER]",
    help="Likewise, of a reference set.",
)
def report(out: Path, work: Path | None, references: tuple[str, ...]) -> None:
    """Draw the results of analyze as one HTML page.

    Given the images, it shows ten of each cluster and the most similar pairs, small and inside the page; those that may
    be sensitive are a few coarse squares. Keep such a page to yourself: the pictures are other people's.

    \b
      twigma report report --work work --reference paintings=refs/paintings
    """
    from twigma import open_images
    from twigma.analysis.inputs.reference_sets import find_reference
    from twigma.analysis.report import report as run

    folders = dict(find_reference(text) for text in references) | (
        {"twigma": work} if work else {}
    )
    click.echo(
        f"report: {run(out, {name: open_images(folder) for name, folder in folders.items()})}"
    )


@click.command()
@click.option("--released", is_flag=True, help="Only the columns a release may carry.")
def columns(released: bool) -> None:
    """Print every column: name, type, unit and meaning."""
    from twigma.core.columns import COLUMNS, field_table

    click.echo(
        field_table(
            name for name, column in COLUMNS.items() if column.public or not released
        )
    )


@click.command()
@click.option(
    "--out",
    type=FOLDER,
    default="demo-out",
    show_default=True,
    help="Folder for everything it makes.",
)
def demo(out: Path) -> None:
    """Run the whole flow on a small known world.

    Offline, in two to four minutes; ends with what was planted and what was recovered. Stopped at any
    moment, it goes on where it was when run again. Exit code 1 if a planted truth is not recovered.
    """
    from twigma.demo.demo import demo as run

    if not run(out):
        raise RuntimeError(
            f"not every planted truth was recovered: see the table above; everything is in {out}"
        )


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

    FILE holds one a line: the id of a post or an image, or the address of a post or a photo. With a post go its
    photos. They disappear from pages, ledger, tables, lists, shards, columns and caches; salted hashes keep look-ups,
    searches, imports and releases from bringing them back; a receipt in receipts/ says what was done. Folders are
    checked before anything is erased: one that is not ours, or holds other files too, is refused.

    \b
      twigma removals requests.txt --derived twigma --derived report --derived liked
    """
    from twigma.builder.removals.removals import read_names
    from twigma.builder.removals.removals import removals as run

    receipt = run(work, read_names(file), derived)
    found = f"{receipt.posts:,} posts and {receipt.images:,} images of {work}"
    click.echo(f"{file}: {receipt.listed:,} ids, {found}")
    say(receipt.changed, "taken out of:")
    for name in receipt.deleted:
        click.echo(f"deleted: {name}")
    for name in receipt.left:
        click.echo(f"left as it is: {name}")
    if receipt.next:
        click.echo(
            "\n".join(["run next:", *(f"  {command}" for command in receipt.next)])
        )
