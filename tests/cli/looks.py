"""How `option_table` looks at what a command did: what it called, left in the folder, or printed."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import Result

DIFFERENT = object()  # any value but the one without the option
Look = Callable[[Callable[..., Result], list[str]], Any]


class ArrivedError(Exception):
    """What a function was called with; the command ends there."""


def arrives(target: str, argument: str, *also: str) -> Look:
    """The value of an argument when the command calls `target`; None when it calls none of it, or one of `also`."""

    def look(run: Callable[..., Result], words: list[str]) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            for path in (target, *also):
                patch.setattr(path, _recorder(path))
            error = run(*words).exception
        if not isinstance(error, ArrivedError) or error.args[0] != target:
            return None
        return error.args[1][argument]

    return look


def _recorder(path: str) -> Callable[..., Any]:
    module, _, name = path.rpartition(".")
    original = getattr(__import__(module, fromlist=[name]), name)
    signature = inspect.signature(original)

    def recorder(*args: Any, **kwargs: Any) -> None:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        raise ArrivedError(path, given.arguments)

    return recorder


def leaves(observe: Callable[[], Any]) -> Look:
    """What is in the folder after a command that has to succeed."""

    def look(run: Callable[..., Result], words: list[str]) -> Any:
        result = run(*words)
        assert result.exit_code == 0, result.output
        return observe()

    return look


def prints(text: str, *ends: str) -> Look:
    """Whether a command prints this; it has to succeed, or to call one of the functions that end it here."""

    def look(run: Callable[..., Result], words: list[str]) -> bool:
        with pytest.MonkeyPatch.context() as patch:
            for path in ends:
                patch.setattr(path, _recorder(path))
            result = run(*words)
        assert result.exit_code == 0 or isinstance(result.exception, ArrivedError), (
            result.output
        )
        return text in result.output

    return look


@dataclass(frozen=True)
class Case:
    """One option: its words, what is looked at, the value expected there, and what else the command needs."""

    words: str
    look: Look
    value: Any = DIFFERENT
    base: str = ""

    @property
    def option(self) -> str:
        return self.words.split()[0]


@dataclass(frozen=True)
class Variable:
    """One environment variable: a value, a command that reads it, and what is expected where it arrives."""

    name: str
    value: str
    command: str
    look: Look
    expected: Any


def to(function: str) -> Callable[..., Look]:
    """`arrives` for one function: `to("a.b.c")("seed")`."""
    return lambda argument, *also: arrives(function, argument, *also)
