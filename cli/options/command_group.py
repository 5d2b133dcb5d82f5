"""The group of all commands: their order, `--quiet` and `--verbose`, and an error as one sentence."""

import inspect
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import click

from twigma.cli.options.folders import in_stores, with_addresses
from twigma.core.progress import Verbosity, verbosity

# Anything else is a fault of this software, and shows its traceback.
USER_ERRORS = (ValueError, OSError, RuntimeError, MemoryError)
VERBOSE = "twigma.verbose"  # key of click's context
INTERRUPTED = (
    "interrupted. What was finished is stored: run the same command again to resume"
)
MAKE_ROOM = "make room there, and run the same command again"
INTERRUPTED_CODE = 130  # 128 and the number of SIGINT, as shells have it


class Commands(click.Group):
    """Commands in the order of the flow; an error ends with one sentence on stderr and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of definition, which is the order of the flow."""
        return list(self.commands)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command with `--quiet` and `--verbose`, which opens its stores; a group does so for each of its own."""
        leaves = cmd.commands.values() if isinstance(cmd, click.Group) else [cmd]
        for command in leaves:
            described = inspect.cleandoc(command.help or "")
            command.help = "\n\n".join([described, *_defaults(command)])
            command.params += verbosity_options()
            if command.callback is not None:
                command.callback = in_stores(command.callback)
        super().add_command(cmd, name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; its traceback is shown only with --verbose."""
        try:
            # Restored afterwards, also where the options of a command were refused.
            with verbosity(Verbosity.NORMAL):
                return super().invoke(ctx)
        except (click.exceptions.Exit, click.exceptions.Abort):
            raise
        except KeyboardInterrupt:
            click.echo(f"\ntwigma: {INTERRUPTED}", err=True)
            sys.exit(INTERRUPTED_CODE)
        except (ModuleNotFoundError, *USER_ERRORS) as error:
            if ctx.meta.get(VERBOSE):
                traceback.print_exception(error)
            sentence = explain(error, ctx.invoked_subcommand)
        click.echo(f"twigma: {with_addresses(sentence, ctx)}", err=True)
        sys.exit(1)


def _defaults(command: click.Command) -> Iterator[str]:
    """A sentence for each argument that need not be named; click shows the defaults of options alone."""
    for parameter in command.params:
        if isinstance(parameter, click.Argument) and isinstance(parameter.default, str):
            name = parameter.make_metavar(click.Context(command)).strip("[]")
            yield f"{name} is ./{parameter.default} unless you name another."


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
    "label": "analysis",
    "reference": "models",
    "analyze": "analysis",
    "report": "analysis",
    "explore": "analysis",
    "search": "models",
    "removals": "rehydrate",
    "status": "rehydrate",
    "free": "rehydrate",
    "demo": "all",
}


def explain(error: Exception, command: str | None) -> str:
    """One sentence for the user of a command that failed."""
    if isinstance(error, ModuleNotFoundError):
        from twigma.core.installing import install_command

        extra = "ray" if error.name == "ray" else EXTRAS.get(str(command), "all")
        return (
            f"this command needs {error.name}, which is not installed: "
            f"{install_command(extra)}"
        )
    if isinstance(error, MemoryError):
        return "out of memory: close other programs, or give this machine smaller files"
    if isinstance(error, OSError):
        from twigma.core.safety.failures import NO_ROOM, system_error_sentence

        sentence = system_error_sentence(error)
        return f"{sentence}; {MAKE_ROOM}" if error.errno in NO_ROOM else sentence
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
