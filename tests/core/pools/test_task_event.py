"""Events that travel as JSON, and the errors in them."""

import errno
import pickle

import pytest

from twigma.core.pools.retry import RetryPolicy
from twigma.core.pools.task_event import TaskEvent, notes, portable_error


@pytest.mark.parametrize(
    "event",
    [
        TaskEvent("progress", 3, 17),
        TaskEvent("done", 3),
        TaskEvent("lost", 3, "the process ended"),
    ],
)
def test_an_event_is_the_same_after_json(event: TaskEvent[int]) -> None:
    assert TaskEvent.from_json(event.to_json()) == event
    assert "\n" not in event.to_json()


class AwkwardError(ValueError):
    """An exception that pickle cannot build again."""

    def __init__(self, status: str, sentence: str) -> None:
        super().__init__(sentence)


def caught(error: Exception) -> Exception:
    try:
        raise error
    except Exception as same:
        return same


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AwkwardError("decode", "it is cut"), RuntimeError),
        (OSError(errno.ENOSPC, "No space left on device"), OSError),
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), OSError),
    ],
)
def test_an_error_keeps_its_message_number_and_traceback(
    error: Exception, kind: type
) -> None:
    portable = portable_error(caught(error))
    copy = pickle.loads(pickle.dumps(portable))
    event = TaskEvent.from_json(TaskEvent("failed", 1, copy).to_json())
    for each in (portable, copy, event.value):
        assert type(each) is kind
        assert str(each) == str(error)
        assert getattr(each, "errno", None) == getattr(error, "errno", None)
        assert "in caught" in notes(each)


def test_a_task_is_retried_until_it_has_lost_as_many_workers_as_it_may() -> None:
    policy = RetryPolicy(attempts=2)
    assert policy.after_loss("a", 1, "killed") == TaskEvent("lost", "a", "killed")
    last = policy.after_loss("a", 2, "killed")
    assert (last.kind, last.task) == ("failed", "a")
    assert str(last.value) == "its worker was lost 2 times: killed"
