"""Options that several commands share, and counts as they are printed."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from twigma.cli.options.folders import (
    EXISTING_FILE,
    FOLDER,
    STORE,
    STORE_TO_READ,
    STORE_WITH_PAGES,
)
from twigma.cli.options.model_names import CLIP

if TYPE_CHECKING:
    from twigma.builder.engine.slices import Slice
    from twigma.core.pools.ray_pool import Engine

F = TypeVar("F", bound=Callable[..., Any])


DAY = click.DateTime(["%Y-%m-%d"])


def work_option(command: F) -> F:
    """`--work`, shared by every stage."""
    return _work(STORE)(command)


def work_with_pages_option(command: F) -> F:
    """`--work`, of what reads or writes raw pages and the ledger."""
    return _work(STORE_WITH_PAGES)(command)


def read_work_option(command: F) -> F:
    """`--work`, of what only reads."""
    return _work(STORE_TO_READ)(command)


def _work(folder: click.Path) -> Callable[[F], F]:
    return click.option(
        "--work",
        type=folder,
        default="work",
        show_default=True,
        help="Working folder: pages, ledger, tars, columns; or s3://BUCKET/FOLDER, gs://BUCKET/FOLDER.",
    )


def out_option(
    default: str, meaning: str, folder: click.Path = FOLDER
) -> Callable[[F], F]:
    """`--out`, the folder that a command writes."""
    return click.option(
        "--out", type=folder, default=default, show_default=True, help=meaning
    )


def shard_size_option(command: F) -> F:
    """`--shard-size`: how many images one tar holds."""
    return click.option(
        "--shard-size",
        type=click.IntRange(1),
        default=1000,
        show_default=True,
        metavar="N",
        help="Images in a new shard. Each is a handful of files: for ten million images 10,000 makes fewer.",
    )(command)


def seed_option(meaning: str) -> Callable[[F], F]:
    """`--seed`, of whatever a command draws at random."""
    return click.option("--seed", default=0, show_default=True, help=meaning)


def select_option(command: F) -> F:
    """`--select`, of whatever can be restricted to chosen images."""
    return click.option(
        "--select",
        type=EXISTING_FILE,
        help="Only these images: what `twigma explore` saved, a table of `twigma search --out`, or a list with one "
        "image name or post id a line.",
    )(command)


def device_option(command: F) -> F:
    """`--device`, for the stages that run a model."""
    return click.option(
        "--device",
        help="cpu, cuda, cuda:1, or several: cuda:0,cuda:1.  [default: every GPU, else cpu]",
    )(command)


def clip_option(command: F) -> F:
    """`--model`: which CLIP."""
    return click.option(
        "--model",
        default=CLIP,
        show_default=True,
        metavar="MODEL[@COMMIT]",
        help="CLIP: ARCHITECTURE/WEIGHTS of open_clip (none: random weights), hf-hub:ORG/NAME, or a folder. "
        "Without a commit, the newest is pinned at first use.",
    )(command)


def name_options(command: F) -> F:
    """`--name` and `--replace`, of the stages by whose models columns lie side by side."""
    named = click.option(
        "--name",
        default="",
        help="Keep these columns beside those of other models, under this name.  [default: the unnamed ones]",
    )
    replaced = click.option(
        "--replace",
        is_flag=True,
        help="Put them in the place of those that another model made.",
    )
    return named(replaced(command))


def embedding_option(command: F) -> F:
    """`--embedding`, of whatever reads embeddings."""
    return click.option(
        "--embedding",
        default="",
        metavar="NAME",
        help="Embeddings that `twigma embed --name NAME` made.  [default: the unnamed ones]",
    )(command)


def engine_option(command: F) -> F:
    """`--engine`, for what is worth a cluster."""
    return click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="This machine, or the Ray cluster at $RAY_ADDRESS; ray starts one here if that is unset.",
    )(command)


def shards_option(command: F) -> F:
    """`--shards`, of the stages that work shard by shard."""
    return click.option(
        "--shards",
        metavar="I/N",
        help="Only every N-th shard, from the I-th on: for task I of N of a Slurm array or of Spark.  [default: all]",
    )(command)


def as_slice(shards: str | None) -> "Slice | None":
    """The slice that `--shards` names."""
    from twigma.builder.engine.slices import Slice

    if shards is None:
        return None
    try:
        return Slice.parse(shards)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def as_engine(name: str) -> "Engine":
    """The engine of that name; Ray itself reads $RAY_ADDRESS."""
    from twigma.core.pools.ray_pool import Engine

    return Engine(name)


def count_lines(counts: Mapping[str, int], heading: str) -> Iterator[str]:
    """Counts as an aligned list under a heading."""
    yield heading
    for name, count in counts.items():
        yield f"  {count:>9,}  {name}"


def refuse_given(why: str, *names: str) -> None:
    """A usage error where one of these options was given, which the others of the command leave without a meaning."""
    context = click.get_current_context()
    options = {parameter.name: parameter for parameter in context.command.params}
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{options[name].opts[0]} {why}")
