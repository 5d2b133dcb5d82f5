"""`twigma COMMAND`: one command a stage; each reads its options, calls the library and prints the result.

Libraries are imported inside the command that needs them, so that `twigma --help` answers at once.
"""

import click

import twigma
from twigma.cli import (
    build,
    clusters,
    collect,
    import_posts,
    inspect,
    photos,
    reference,
    rehydrate,
    stages,
)
from twigma.cli.analysis import analyze, explore, labels
from twigma.cli.options import Commands
from twigma.cli.releasing import liked, publish, release, removals, zenodo


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(twigma.__version__, prog_name="twigma")
def main() -> None:
    """Build, rehydrate, release, load and analyse datasets of AI-generated images.

    The commands are in the order of the flow. Those up to `cluster` add to one working folder (--work); interrupted at
    any moment, they resume when run again. `release` writes a dataset from it, and the others read that.

    \b
      collect ─┐           add ─┐
      ids ─────┤                │
      import ──┴─ rehydrate ────┴─ embed ─ caption ─ nsfw ─ dedupe ─ cluster ─ release ─ analyze ─ report
                                   └────────────── build ─────────────┘

    Begin with `twigma demo`: the whole flow on a small world with known truths, offline, in two to four minutes.
    Answers go to standard output, with --json as one JSON document (docs/json.md), progress to standard error. What
    few need (tokens, other servers, Ray) is set by environment variables: docs/environment.md.
    """


publish.publish.add_command(zenodo.zenodo)
for command in (
    release.init,
    collect.hashtags,
    collect.collect,
    import_posts.ids,
    import_posts.import_,
    rehydrate.rehydrate,
    photos.add,
    stages.embed,
    stages.caption,
    stages.texts,
    stages.nsfw,
    stages.dedupe,
    clusters.choose_k,
    clusters.cluster,
    clusters.assign,
    build.build,
    release.release,
    publish.publish,
    liked.liked,
    labels.sheets,
    labels.label,
    reference.reference,
    analyze.analyze,
    analyze.report,
    explore.explore,
    explore.search,
    removals.removals,
    inspect.status,
    inspect.free,
    inspect.columns,
    inspect.demo,
):
    main.add_command(command)
