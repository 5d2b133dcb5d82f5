"""Options that several commands share, and counts as they are printed."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from twigma.cli.options.model_names import CLIP

if TYPE_CHECKING:
    from twigma.builder.engine.slices import Slice
    from twigma.core.pools.ray_pool import Engine

F = TypeVar("F", bound=Callable[..., Any])


class LocalPath(click.Path):
    """A path on this machine; an address such as s3://bucket/work would become a local folder `s3:`."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """The path; a usage error for an address."""
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", str(value)):
            self.fail(
                f"expected a file or folder of this machine, found the address {value}: mount the storage here, or "
                "work on a local disk and copy the results",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


FOLDER = LocalPath(path_type=Path, file_okay=False)
FILE = LocalPath(path_type=Path, dir_okay=False)
PATH = LocalPath(path_type=Path)
EXISTING = LocalPath(path_type=Path, exists=True)
DAY = click.DateTime(["%Y-%m-%d"])


def work_option(command: F) -> F:
    """`--work`, shared by every stage."""
    return click.option(
        "--work",
        type=FOLDER,
        default="work",
        show_default=True,
        help="Working folder: pages, ledger, tars, columns.",
    )(command)


def out_option(default: str, meaning: str) -> Callable[[F], F]:
    """`--out`, the folder that a command writes."""
    return click.option(
        "--out", type=FOLDER, default=default, show_default=True, help=meaning
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
        type=FILE,
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

    return None if shards is None else Slice.parse(shards)


def as_engine(name: str) -> "Engine":
    """The engine of that name; Ray itself reads $RAY_ADDRESS."""
    from twigma.core.pools.ray_pool import Engine

    return Engine(name)


def count_lines(counts: Mapping[str, int], heading: str) -> Iterator[str]:
    """Counts as an aligned list under a heading."""
    yield heading
    for name, count in counts.items():
        yield f"  {count:>9,}  {name}"
