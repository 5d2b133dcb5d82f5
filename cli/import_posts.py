"""`twigma ids` and `twigma import`: lists of ids, and archives of posts."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twigma.cli.facts import json_option, show
from twigma.cli.id_lists import check_list, checked_lines
from twigma.cli.options import FILE, PATH, count_lines, work_with_pages_option
from twigma.core.values import plural
from twigma.core.workspace import Workspace

if TYPE_CHECKING:
    from twigma.cli.facts.sourcing import CheckedList, ImportFacts, UnusableFile
    from twigma.rehydrate.sources.archives.import_archives import ImportResult


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option(
    "--column",
    help="Column that holds the ids.  [default: id_str, tweet_id, status_id, post_id, id, or the only one]",
)
@json_option("ids")
def ids(files: tuple[Path, ...], column: str | None) -> None:
    """Check lists of post ids, before they cost anything.

    Text with any separator, JSON, Parquet, Arrow, .dta, .ods, or with the extra `tables` .xlsx, .sav and .rds, packed
    or not; ids as digits, x123, ="123" or addresses of posts. Counts the ids, writes lines without a usable id to
    quarantine.csv beside the list, and refuses a list most of whose lines hold none, or whose ids were rounded by a
    float64 column or a spreadsheet: such ids name other posts, or none. Exit code 1 when a list cannot be used.

    `zenodo` in place of a file is the table that the authors of TWIGMA published (record 8031785): it is downloaded
    once, checked by its MD5, and stays in the cache of `datasets`.

    \b
      twigma ids zenodo
      twigma ids ids.csv more.jsonl --column tweet_id
    """
    lists: list[CheckedList] = []
    refused: list[UnusableFile] = []
    for file in files:
        lines: list[str] = []
        try:
            checked = check_list(file, column)
        except (ValueError, OSError) as error:
            click.echo(f"twigma: {error}", err=True)
            refused.append({"file": str(file), "reason": str(error)})
        else:
            lists.append(checked)
            lines += checked_lines(checked)
        show({"lists": lists, "refused": refused}, lines)
    if refused:
        raise RuntimeError(f"{len(refused)} of {len(files)} lists cannot be used")


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=PATH)
@work_with_pages_option
@json_option("import")
def import_(files: tuple[Path, ...], work: Path) -> None:
    """Take posts from archives you have.

    By twarc (API v2 or v1.1, also as CSV), academictwitteR, Zeeschuimer, 4CAT, snscrape or rtweet, or answers of X's
    website: files, folders and zips, also packed by gzip, bzip2, xz or Zstandard; recognised by content. It costs
    nothing: `twigma rehydrate` then fetches the photos. Of a post, each field is that of the latest capture that has
    it; a file that was imported before adds nothing. Photos of quoted and reposted posts belong to the original.

    An archive may not say whether a post has photos: such posts are counted, with the price of a look-up. Exit code 1
    when an archive cannot be used; the others are imported.

    \b
      twigma import hashtags.jsonl.gz zeeschuimer-export-x.com.ndjson
      twigma import academictwitter-folder/ tweets.csv
      twigma rehydrate
    """
    from twigma.rehydrate.sources.archives.import_archives import import_archives

    result = import_archives(work, files)
    for reason in result.failures.values():
        click.echo(f"twigma: {reason}", err=True)
    facts = _import_facts(work, result)
    show(facts, _import_lines(work, facts))
    if result.failures:
        total = len(result.failures) + len(result.imported)
        raise RuntimeError(
            f"{len(result.failures):,} of {total:,} archives cannot be used"
        )


def _import_facts(work: Path, result: "ImportResult") -> "ImportFacts":
    from twigma.rehydrate.sources.x.budget import plan_lookup

    facts: ImportFacts = {
        "archives": [],
        "failures": [],
        "images_table": str(Workspace(work).images_file),
        "left_out": result.skipped.to_pylist(),
        "photos_unknown": result.photos_unknown,
        "look_up_dollars": plan_lookup(result.photos_unknown).dollars,
    }
    for file, one in result.imported.items():
        facts["archives"].append(
            {
                "file": str(file),
                "imported_before": one.before,
                "records": one.records,
                "new": one.new,
                "skipped": one.skipped,
                "quarantine": str(one.quarantine) if one.quarantine else None,
            }
        )
    for file, reason in result.failures.items():
        facts["failures"].append({"file": str(file), "reason": reason})
    return facts


def _import_lines(work: Path, facts: "ImportFacts") -> Iterator[str]:
    from twigma.rehydrate.accounting import describe_missing_photos

    for one in facts["archives"]:
        if one["imported_before"]:
            yield f"{one['file']}: imported before, nothing added"
        else:
            records = plural(one["records"], "record")
            new = plural(one["new"], "id")
            yield f"{one['file']}: {records} of posts, {new} new to {work}"
        if one["quarantine"]:
            yield f"  {plural(one['skipped'], 'line')} skipped: {one['quarantine']}"
    reasons = {}
    for row in facts["left_out"]:
        reasons[f"{row['what']}: {row['reason']}"] = row["count"]
    yield from count_lines(reasons, f"{facts['images_table']}:")
    if facts["photos_unknown"]:
        count, dollars = facts["photos_unknown"], facts["look_up_dollars"]
        listed = Workspace(work).photos_unknown_file
        yield (
            f"photos unknown: no archive or search shows which photos are on {plural(count, 'post')}. Looking them up "
            f"costs at most ${dollars:,.2f}: twigma rehydrate --work {work} --ids {listed}"
        )
    no_photos = describe_missing_photos(work)
    yield f"next: {no_photos or f'twigma rehydrate --work {work}'}"
