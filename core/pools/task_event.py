"""What a supervisor reports of a task: the one record of the Ray pool, the device workers and the fetch pool."""

import json
import traceback
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

K = TypeVar("K")
Kind = Literal["progress", "part", "done", "failed", "lost"]
TRACE_CHARACTERS = 2000  # of a traceback that travels with an error: its end


@dataclass(frozen=True)
class TaskEvent(Generic[K]):
    """One report on one task.

    kind        value
    "progress"  int: units of work (rows, images) processed since the last report
    "part"      a part of the result, in order
    "done"      None: the task has succeeded; nothing follows
    "failed"    an exception: the task is abandoned; nothing follows
    "lost"      str, why its worker is gone: its progress and parts are void, and the task begins again
    """

    kind: Kind
    task: K
    value: Any = None

    def to_json(self) -> str:
        """One line of JSON; an exception travels as its number, message and notes."""
        value = self.value
        if isinstance(value, Exception):
            value = _error_to_json(value)
        return json.dumps({"kind": self.kind, "task": self.task, "value": value})

    @classmethod
    def from_json(cls, line: str) -> "TaskEvent[Any]":
        """The event of a line that `to_json` wrote."""
        fields = json.loads(line)
        value = fields["value"]
        if fields["kind"] == "failed":
            value = _error_from_json(value)
        return cls(fields["kind"], fields["task"], value)


@dataclass(frozen=True)
class Progress:
    """What a worker yields between the parts of a task: units of work processed since it last did."""

    units: int


def portable_error(error: Exception) -> Exception:
    """The same error as an OSError (where it has a number) or a RuntimeError, with its traceback as a note.

    Not every exception can be pickled: one of a library may need arguments of its own to be built again.
    """
    number = getattr(error, "errno", None)  # some exceptions of libraries have one too
    portable: Exception = RuntimeError(str(error))
    if number is not None:
        portable = OSError(number, _without_number(error))
    trace = "".join(traceback.format_exception(error))
    # Notes are pickled with an exception, which its traceback is not.
    portable.add_note(trace[-TRACE_CHARACTERS:])
    return portable


def notes(error: BaseException) -> str:
    """What was added to an error by `add_note`, one note a line."""
    return "\n".join(getattr(error, "__notes__", []))


def _without_number(error: Exception) -> str:
    """The message of an error with a number, which `str` would put in front of it once more."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    if error.filename is None:
        return error.strerror
    return f"{error.strerror}: {error.filename!r}"


def _error_to_json(error: Exception) -> dict[str, Any]:
    return {
        "errno": getattr(error, "errno", None),
        "message": _without_number(error),
        "notes": notes(error),
    }


def _error_from_json(fields: dict[str, Any]) -> Exception:
    error: Exception = RuntimeError(fields["message"])
    if fields["errno"] is not None:
        error = OSError(fields["errno"], fields["message"])
    if fields["notes"]:
        error.add_note(fields["notes"])
    return error
