"""The figures of a report, one after the other: those that can be computed, and the reasons of the others.

A figure that fails, in whatever way, costs none of the others: it is reported like one whose data is missing.
"""

import logging
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from twigma.analysis.checkpoints import Checkpoints, Outcome
from twigma.analysis.figures import FIGURES, Figure
from twigma.analysis.inputs import load
from twigma.analysis.inputs.owners import few_owner_notes
from twigma.analysis.inputs.requirements import (
    Result,
    Settings,
    Skipped,
    missing_requirements,
)
from twigma.core.progress import detail, notice, progress_bar
from twigma.core.safety.failures import DataError, system_error_sentence

SMALL = 10_000  # images up to which one BLAS thread is fastest; on a busy machine waiting threads cost six times more
# What a figure needs and an option names.
OPTIONS = {"sheets": "--sheets", "labels": "--sheets"}
T = TypeVar("T")
log = logging.getLogger(__name__)


def run_figures(
    data: load.Inputs, settings: Settings, checkpoints: Checkpoints
) -> tuple[dict[str, Result], list[Skipped]]:
    """The result of every figure that can be computed, by name, and what was skipped.

    Figures that `checkpoints` has are not computed again.
    """
    import faiss  # noqa: F401 - a limit holds for the libraries that are loaded
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    finished = checkpoints.open()
    if finished:
        notice(f"analyze: {len(finished)} figures are there of a run that was stopped")
    data.closest.update(checkpoints.load_searches())
    results: dict[str, Result] = {}
    skipped: list[Skipped] = []
    threads = 1 if len(data.images.rows) <= SMALL else None
    bar = progress_bar(FIGURES, desc="analyze", unit="figure")
    with threadpool_limits(threads, user_api="blas"):
        for figure in bar:
            bar.set_postfix_str(figure.name)
            outcome = checkpoints.load(figure.name)
            if outcome is None:
                outcome = _checkpointed(figure, data, settings, checkpoints)
            skipped.extend(outcome.skipped)
            if outcome.result is not None:
                results[figure.name] = outcome.result
    return results, skipped


def mark_named(skipped: list[Skipped], data: load.Inputs, settings: Settings) -> None:
    """Add to the entry of each skipped figure the option that named its data, where the data is there."""
    options: dict[str, str] = {}
    for figure in FIGURES:
        for need in figure.needs:
            if need in OPTIONS and not missing_requirements(data, settings, [need]):
                options[figure.name] = OPTIONS[need]
    for entry in skipped:
        if entry["figure"] in options:
            entry["option"] = options[entry["figure"]]


def unusable(skipped: Iterable[Skipped]) -> list[str]:
    """The figures whose data an option named, and that could not be computed from it."""
    return [entry["figure"] for entry in skipped if "option" in entry]


def _checkpointed(
    figure: Figure, data: load.Inputs, settings: Settings, checkpoints: Checkpoints
) -> Outcome:
    """A figure that is computed and stored, as it is read back: a resumed run has the same one."""
    outcome = compute(figure, data, settings)
    checkpoints.save_searches(data.closest)
    if any("error" in entry for entry in outcome.skipped):
        return outcome  # the next run tries it again

    def stored() -> Outcome | None:
        checkpoints.save(figure.name, outcome)
        return checkpoints.load(figure.name)

    again, failures = attempt(figure.name, stored)
    return Outcome(None, failures) if again is None else again


def compute(figure: Figure, data: load.Inputs, settings: Settings) -> Outcome:
    """One figure's result, None where it cannot be computed; and what was skipped of it, with the reason."""
    missing = missing_requirements(data, settings, figure.needs)
    if missing:
        return Outcome(None, [_skipped(figure.name, missing)])
    skipped = []
    for part, needs in figure.parts.items():
        missing = missing_requirements(data, settings, needs)
        if missing:
            skipped.append(_skipped(f"{figure.name}: {part}", missing))
    result, failures = attempt(
        figure.name, lambda: _with_warnings(figure.run, data, settings)
    )
    if result is None:
        return Outcome(None, failures)
    if figure.by_owners:
        notes = (*result.notes, *few_owner_notes(data, result))
        result = replace(result, notes=notes)
    return Outcome(result, skipped)


def attempt(name: str, run: Callable[[], T]) -> tuple[T | None, list[Skipped]]:
    """What `run` returns, or None and the reason it failed for, as an entry of `skipped`.

    Any error but a DataError is named as `error`: an OSError is of a file or disk that the user can put right; the rest
    are faults of the program, whose traceback goes to standard error.
    """
    try:
        return run(), []
    except DataError as error:
        return None, [{"figure": name, "missing": [], "how": [str(error)]}]
    except OSError as error:
        detail(traceback.format_exc())
        reason = system_error_sentence(error)
        advice = "put that right and run the same command again for this one: the other figures are complete"
        kind = type(error).__name__
        return None, [_error(name, kind, f"{reason}; {advice}")]
    except Exception as error:
        log.exception("twigma analyze: %s failed", name)
        kind = type(error).__name__
        reason = f"failed with {kind} ({error}), a fault that is not of your data: the other figures are complete"
        advice = "run the same command again for this one, and report the traceback above if it fails again"
        return None, [_error(name, kind, f"{reason}; {advice}")]


def _error(name: str, kind: str, how: str) -> Skipped:
    return {"figure": name, "missing": [], "how": [how], "error": kind}


def _with_warnings(
    run: Callable[[load.Inputs, Settings], Result],
    data: load.Inputs,
    settings: Settings,
) -> Result:
    """The result, with what the estimators warned of as notes; warnings of other kinds are passed on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result = run(data, settings)
    notes = list(result.notes)
    for warning in caught:
        if warning.category is UserWarning:
            notes.append(str(warning.message))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    return replace(result, notes=tuple(dict.fromkeys(notes)))


def _skipped(name: str, missing: Mapping[str, str]) -> Skipped:
    return {"figure": name, "missing": list(missing), "how": list(missing.values())}
