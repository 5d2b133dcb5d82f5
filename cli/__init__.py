"""`twigma COMMAND`: one command a stage; each reads its options, calls the library and says what came out.

Libraries are imported inside the command that needs them, so that `twigma --help` answers at once.
"""

import click

import twigma
from twigma.cli import (
    hashtags,
    outputs,
    publish,
    reference,
    rehydrate,
    stages,
    status,
    texts,
)
from twigma.cli.options import Commands


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(twigma.__version__, prog_name="twigma")
def main() -> None:
    """Build, rehydrate, release, load and analyse datasets of AI-generated images.

    The commands stand in the order of the flow. Each one reads the working folder (--work) and adds to it;
    stopped at any moment, it goes on where it was when run again.

    \b
      collect ─┐
      ids ─────┤
      import ──┴─ rehydrate ─ embed ─ caption ─ nsfw ─ dedupe ─ cluster ─ release ─ analyze ─ report
                              └────────────── build ─────────────┘

    Begin with `twigma demo`: the whole flow on a small world with known truths, offline, in two to four minutes.
    """


for command in (
    hashtags.hashtags,
    rehydrate.collect,
    rehydrate.ids,
    rehydrate.import_,
    rehydrate.rehydrate,
    rehydrate.add,
    stages.embed,
    stages.caption,
    texts.texts,
    stages.nsfw,
    stages.dedupe,
    stages.cluster,
    stages.build,
    outputs.release,
    publish.publish,
    outputs.liked,
    outputs.sheets,
    reference.reference,
    outputs.analyze,
    outputs.report,
    outputs.removals,
    status.status,
    outputs.columns,
    outputs.demo,
):
    main.add_command(command)
