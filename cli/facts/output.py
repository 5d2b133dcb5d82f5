"""`--json`, and the one place that prints facts: as lines of text at once, or as one JSON document at the end.

A command computes its facts once and passes them to `show` with the lines that say the same in words.
"""

import datetime
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import Any, TypeVar

import click

from twigma.cli.options.folders import with_addresses

F = TypeVar("F", bound=Callable[..., Any])
DOCUMENT = "twigma.json"  # key of click's context
PIPE_CLOSED_CODE = 141  # 128 and the number of SIGPIPE, as shells have it
VERSION = 1  # of every document; raised when a field changes its meaning or goes


class JsonOption(click.Option):
    """`--json` of one command, with the name of the document's schema."""

    schema = ""


def json_option(name: str) -> Callable[[F], F]:
    """`--json` for a command whose facts have the schema `name` of `cli/facts/schemas.py`."""

    def begin(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if not value:
            return
        document: dict[str, object] = {"schema": f"twigma.{name}/{VERSION}"}
        ctx.meta[DOCUMENT] = document
        # Also when the command fails: what it had done until then are facts.
        ctx.call_on_close(lambda: _write(document, ctx))

    def decorate(command: F) -> F:
        decorated = click.option(
            "--json",
            cls=JsonOption,
            is_flag=True,
            expose_value=False,
            callback=begin,
            help="Print the same facts as one JSON document: docs/json.md.",
        )(command)
        decorated.__click_params__[-1].schema = name  # type: ignore[attr-defined]
        return decorated

    return decorate


def show(facts: Mapping[str, object], lines: Iterable[str]) -> None:
    """Print the lines; with --json put the facts into the document instead, in place of earlier ones of a name."""
    ctx = click.get_current_context()
    document = ctx.meta.get(DOCUMENT)
    if document is not None:
        document.update(facts)
        return
    for line in lines:
        _echo(with_addresses(line, ctx))


def show_beside_question(lines: Iterable[str]) -> None:
    """Print what a question is about where it is asked, unless `show` has just printed it at the same terminal."""
    ctx = click.get_current_context()
    if DOCUMENT not in ctx.meta and sys.stdout.isatty():
        return
    for line in lines:
        click.echo(with_addresses(line, ctx), err=True)


def _write(document: Mapping[str, object], ctx: click.Context) -> None:
    """Print the document; nothing when the command ended before it knew any fact."""
    if len(document) == 1:
        return
    text = json.dumps(plain(document), indent=1, ensure_ascii=False, allow_nan=False)
    text = with_addresses(text, ctx)
    # What the terminal cannot encode must not end the run.
    _echo(text.encode("utf-8", "backslashreplace"))


def _echo(text: str | bytes) -> None:
    """Print; where nobody reads any more, as after `head`, end without a word, as other programs do."""
    try:
        click.echo(text)
    except BrokenPipeError:
        # What is still in the buffer would be written at the end, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED_CODE)


def plain(value: object) -> Any:
    """A value as JSON has it: paths as strings, times as ISO 8601 in UTC, NaN and infinity as null.

    >>> plain({"at": datetime.datetime(2022, 6, 1), "p": float("nan"), "n": (1, 2)})
    {'at': '2022-06-01T00:00:00Z', 'p': None, 'n': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return _plain_scalar(value)


def _plain_scalar(value: object) -> object:
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, datetime.date):
        return _iso(value)
    if hasattr(value, "item"):
        value = value.item()  # a number of NumPy
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _iso(moment: datetime.date) -> str:
    """A day, or a time in UTC; times without a zone are in UTC everywhere here."""
    if not isinstance(moment, datetime.datetime):
        return moment.isoformat()
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return f"{moment.isoformat()}Z"
