"""A batch goes on past what fails, and its end tells."""

import errno

import pytest

from twigma.core.safety.failures import Failures


def run(*errors: Exception | None) -> tuple[list[int], Failures]:
    done = []
    failures = Failures()
    for number, error in enumerate(errors):
        with failures.collect():
            if error is not None:
                raise error
            done.append(number)
    return done, failures


def test_the_others_are_done_and_the_failure_is_raised_as_it_was() -> None:
    error = ValueError("b.tar is damaged")
    done, failures = run(None, error, None)
    assert done == [0, 2] and len(failures) == 1
    with pytest.raises(ValueError, match="is damaged") as raised:
        failures.raise_any()
    assert raised.value is error


def test_several_failures_are_named_in_one() -> None:
    _, failures = run(PermissionError("a"), None, ValueError("b"))
    with pytest.raises(OSError, match="2 failed: a; b"):
        failures.raise_any()


def test_a_full_disk_ends_the_batch() -> None:
    with pytest.raises(OSError, match="full"):
        run(OSError(errno.ENOSPC, "full"), None)


def test_nothing_failed() -> None:
    done, failures = run(None, None)
    failures.raise_any()
    assert done == [0, 1] and not failures
