"""What the commands share: the group and its errors, options, settings from the environment, and printing of counts."""

import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from twigma.core.progress import Verbosity, verbosity

if TYPE_CHECKING:
    from twigma.core.pools.ray_pool import Engine

F = TypeVar("F", bound=Callable[..., Any])
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
DAY = click.DateTime(["%Y-%m-%d"])
# Anything else is a fault of this software, and shows its traceback.
USER_ERRORS = (ValueError, OSError, RuntimeError, MemoryError)
VERBOSE = "twigma.verbose"  # key of click's context
# As in builder/models and builder/stages/caption, which would take a second to import.
CLIP = "ViT-L-14/openai"
CAPTIONER = "Salesforce/blip-image-captioning-large"


# ------------------------------------------------------------------ settings that few need


@dataclass(frozen=True)
class Setting:
    """An environment variable of the commands; `docs/environment.md` lists all of them."""

    name: str
    meaning: str
    default: str = ""

    @property
    def value(self) -> str:
        """Its value now; the default when it is unset or empty."""
        return os.environ.get(self.name) or self.default


X_URL = Setting("TWIGMA_X_URL", "server of the X API v2", "https://api.x.com")
X_DIALECT = Setting(
    "TWIGMA_X_DIALECT",
    "which names of fields that server answers with: `legacy` or `current`",
    "legacy",
)
X_TOKEN_FILE = Setting(
    "TWIGMA_X_TOKEN_FILE",
    "file with the bearer token of the X API, mode 0600; `X_BEARER_TOKEN` comes before `~/.config/twigma/x_token`, "
    "this file before both",
)
IMAGE_URL = Setting(
    "TWIGMA_IMAGE_URL",
    "host that photos are fetched from, instead of https://pbs.twimg.com",
)
ALLOW_HOSTS = Setting(
    "TWIGMA_ALLOW_HOSTS",
    "private addresses that images may be fetched from: HOST or HOST:PORT, separated by commas",
)
HUB_URL = Setting("TWIGMA_HUB_URL", "another Hub than https://huggingface.co")
ZENODO_URL = Setting(
    "TWIGMA_ZENODO_URL", "another server that speaks the API of Zenodo (InvenioRDM)"
)
SETTINGS = (
    X_URL,
    X_DIALECT,
    X_TOKEN_FILE,
    IMAGE_URL,
    ALLOW_HOSTS,
    HUB_URL,
    ZENODO_URL,
)


def split_hosts(text: str) -> tuple[str, ...]:
    """The hosts of a list separated by commas.

    >>> split_hosts("127.0.0.1:80, images.lab")
    ('127.0.0.1:80', 'images.lab')
    """
    return tuple(host.strip() for host in text.split(",") if host.strip())


def x_client() -> Any:
    """A client of the X API, as the environment says; PermissionError without a token."""
    from twigma.rehydrate.sources.x.client import XClient, read_token

    file = Path(X_TOKEN_FILE.value) if X_TOKEN_FILE.value else None
    dialect: Any = X_DIALECT.value
    if dialect not in ("legacy", "current"):
        raise ValueError(
            f"{X_DIALECT.name}: expected legacy or current, found {dialect!r}"
        )
    return XClient(X_URL.value, read_token(file), dialect)


# ------------------------------------------------------------------ the group


class Commands(click.Group):
    """Commands in the order of the flow; an error ends with one sentence on stderr and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of definition, which is the order of the flow."""
        return list(self.commands)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command with `--quiet` and `--verbose`; a group passes them to each of its commands."""
        leaves = cmd.commands.values() if isinstance(cmd, click.Group) else [cmd]
        for command in leaves:
            command.params += verbosity_options()
        super().add_command(cmd, name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; its traceback is shown only with --verbose."""
        try:
            # Restored afterwards, also where the options of a command were refused.
            with verbosity(Verbosity.NORMAL):
                return super().invoke(ctx)
        except (click.exceptions.Exit, click.exceptions.Abort):
            raise
        except (ModuleNotFoundError, *USER_ERRORS) as error:
            if ctx.meta.get(VERBOSE):
                traceback.print_exception(error)
            sentence = explain(error, ctx.invoked_subcommand)
        click.echo(f"twigma: {sentence}", err=True)
        sys.exit(1)


# The extra of pyproject.toml that brings what a command imports; the other commands need none.
EXTRAS = {
    "hashtags": "rehydrate",
    "collect": "rehydrate",
    "rehydrate": "rehydrate",
    "add": "rehydrate",
    "embed": "models",
    "caption": "models",
    "texts": "models",
    "nsfw": "models",
    "dedupe": "models",
    "cluster": "models",
    "assign": "models",
    "choose-k": "models",
    "build": "models",
    "liked": "rehydrate",
    "sheets": "analysis",
    "reference": "models",
    "analyze": "analysis",
    "report": "analysis",
    "removals": "rehydrate",
    "status": "rehydrate",
    "demo": "all",
}


def explain(error: Exception, command: str | None) -> str:
    """One sentence for the user of a command that failed."""
    if isinstance(error, ModuleNotFoundError):
        extra = "ray" if error.name == "ray" else EXTRAS.get(str(command), "all")
        return (
            f"this command needs {error.name}, which is not installed: "
            f"pip install 'twigma[{extra}]'"
        )
    if isinstance(error, MemoryError):
        return "out of memory: close other programs, or give this machine smaller files"
    return str(error) or type(error).__name__


def verbosity_options() -> list[click.Parameter]:
    """`--quiet` and `--verbose`, which every command has."""

    def set_level(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
        if not value:
            return
        if parameter.name == "quiet" and ctx.meta.get(VERBOSE):
            raise click.UsageError("--quiet and --verbose exclude each other")
        if parameter.name == "verbose" and ctx.meta.get(VERBOSE) is False:
            raise click.UsageError("--quiet and --verbose exclude each other")
        ctx.meta[VERBOSE] = parameter.name == "verbose"
        is_verbose = ctx.meta[VERBOSE]
        level = Verbosity.VERBOSE if is_verbose else Verbosity.QUIET
        ctx.with_resource(verbosity(level))

    quiet = click.Option(
        ["-q", "--quiet"],
        is_flag=True,
        expose_value=False,
        callback=set_level,
        help="Show no progress and no notices.",
    )
    verbose = click.Option(
        ["-v", "--verbose"],
        is_flag=True,
        expose_value=False,
        callback=set_level,
        help="Show details, and the traceback of an error.",
    )
    return [quiet, verbose]


# ------------------------------------------------------------------ options


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


def seed_option(meaning: str) -> Callable[[F], F]:
    """`--seed`, of whatever a command draws at random."""
    return click.option("--seed", default=0, show_default=True, help=meaning)


def purchase_options(command: F) -> F:
    """`--budget` and `--followers`: what may be bought from X."""
    budget = click.option(
        "--budget",
        type=float,
        metavar="DOLLARS",
        help="Spend at most this on the folder, over all runs.",
    )
    followers = click.option(
        "--followers",
        is_flag=True,
        help="Also buy the authors' follower counts, which Eq (1) needs.",
    )
    return budget(followers(command))


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


def engine_option(command: F) -> F:
    """`--engine`, for what is worth a cluster."""
    return click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="This machine, or the Ray cluster at $RAY_ADDRESS; ray starts one here if that is unset.",
    )(command)


def as_engine(name: str) -> "Engine":
    """The engine of that name; Ray itself reads $RAY_ADDRESS."""
    from twigma.core.pools.ray_pool import Engine

    return Engine(name)


class ModelName(NamedTuple):
    """A model as the stages take it."""

    model: str
    weights: str | None
    revision: str | None


def split_commit(text: str) -> tuple[str, str | None]:
    """A model's name without its commit, and the commit; a folder has none.

    >>> split_commit("Salesforce/blip@0123abc"), split_commit("Salesforce/blip")
    (('Salesforce/blip', '0123abc'), ('Salesforce/blip', None))
    """
    if Path(text).is_dir() or "@" not in text:
        return text, None
    name, _, commit = text.rpartition("@")
    return name, commit


def parse_clip(text: str) -> ModelName:
    """The model that `--model` names; ValueError when its weights are not named.

    >>> parse_clip("ViT-L-14/openai")
    ModelName(model='ViT-L-14', weights='openai', revision=None)
    >>> parse_clip("hf-hub:timm/ViT-B-16@0123abc")
    ModelName(model='hf-hub:timm/ViT-B-16', weights=None, revision='0123abc')
    """
    name, commit = split_commit(text)
    is_complete = Path(name).is_dir() or re.match(r"hf-hub:|local-dir:", name)
    if is_complete:
        return ModelName(name, None, commit)
    architecture, _, weights = name.partition("/")
    if not re.fullmatch(r"[^/]+", weights):
        raise ValueError(
            f"--model: expected ARCHITECTURE/WEIGHTS such as {CLIP}, hf-hub:ORG/NAME or a folder, found {name!r}"
        )
    return ModelName(architecture, weights, commit)


def print_counts(counts: Mapping[str, int], heading: str) -> None:
    """Print counts as an aligned list under a heading."""
    click.echo(heading)
    for name, count in counts.items():
        click.echo(f"  {count:>9,}  {name}")
