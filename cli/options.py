"""What the commands share: the group and its errors, options, and how counts are printed."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from twigma.core.pools.ray_pool import Engine

F = TypeVar("F", bound=Callable[..., Any])
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
DAY = click.DateTime(["%Y-%m-%d"])


class Commands(click.Group):
    """Commands in the order of the flow; wrong use ends with one sentence on stderr and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of definition, which is the order of the flow."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a traceback is shown only with TWIGMA_DEBUG=1."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.exceptions.Abort):
            raise
        except ModuleNotFoundError as error:
            sentence = f"this command needs {error.name}, which is not installed: pip install 'twigma[all]'"
        except (ValueError, OSError, RuntimeError) as error:
            sentence = str(error) or type(error).__name__
            if os.environ.get("TWIGMA_DEBUG"):
                raise
        except MemoryError:
            sentence = "out of memory: close other programs, or give this machine smaller files"
            if os.environ.get("TWIGMA_DEBUG"):
                raise
        click.echo(f"twigma: {sentence}", err=True)
        sys.exit(1)


def work_option(command: F) -> F:
    """`--work`, shared by every stage."""
    return click.option(
        "--work",
        type=FOLDER,
        default="work",
        show_default=True,
        help="Working folder: pages, ledger, tars, columns.",
    )(command)


def api_options(command: F) -> F:
    """Where the X API is, how to speak to it, and what may be spent."""
    for option in (
        click.option(
            "--budget",
            type=float,
            metavar="DOLLARS",
            help="Spend at most this on the folder, over all runs.",
        ),
        click.option(
            "--followers",
            is_flag=True,
            help="Also buy the authors' follower counts, which Eq (1) needs.",
        ),
        click.option(
            "--dialect",
            type=click.Choice(["legacy", "current"]),
            default="legacy",
            show_default=True,
        ),
        click.option(
            "--token-file",
            type=FILE,
            help="Bearer token in a file only you can read; else $X_BEARER_TOKEN.",
        ),
        click.option(
            "--base-url",
            default="https://api.x.com",
            show_default=True,
            help="Server that speaks X API v2.",
        ),
    ):
        command = option(command)
    return command


def device_option(command: F) -> F:
    """`--device`, for the stages that run a model."""
    return click.option(
        "--device",
        help="cpu, cuda, cuda:1, or several: cuda:0,cuda:1.  [default: every GPU, else cpu]",
    )(command)


def clip_options(command: F) -> F:
    """`--model` and `--pretrained`: which CLIP."""
    for option in (
        click.option(
            "--pretrained",
            default="openai",
            show_default=True,
            help="open_clip tag; none for random weights.",
        ),
        click.option(
            "--model",
            default="ViT-L-14",
            show_default=True,
            help="CLIP: open_clip name, hf-hub:ORG/NAME, or a folder.",
        ),
    ):
        command = option(command)
    return command


def engine_options(command: F) -> F:
    """`--engine` and `--ray-address`, for what is worth a cluster."""
    for option in (
        click.option(
            "--ray-address",
            help="HOST:PORT or ray:// of a cluster.  [default: $RAY_ADDRESS, else one here]",
        ),
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="This machine, or a Ray cluster.",
        ),
    ):
        command = option(command)
    return command


def engine_of(name: str, address: str | None) -> "Engine":
    """The engine that `engine_options` describe."""
    from twigma.core.pools.ray_pool import Engine

    if address is not None and name != "ray":
        raise ValueError(
            "--ray-address is where a Ray cluster is: give --engine ray too"
        )
    return Engine(name, address)


def say(counts: Mapping[str, int], head: str) -> None:
    """Print counts as an aligned list under a heading."""
    click.echo(head)
    for name, count in counts.items():
        click.echo(f"  {count:>9,}  {name}")
