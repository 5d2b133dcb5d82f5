"""The records that `twigma status --json` prints; `status.status` says what each field means."""

from typing import NotRequired, TypedDict

from twigma.rehydrate.accounting import IdCounts, PhotoCounts


class SearchFacts(TypedDict):
    """Searches and archives that are complete, and those that are not, and the `archives` among these.

    `resume` is the command that goes on with the last collection that is not complete; None where all are.
    """

    done: int
    open: int
    archives: int
    resume: str | None


class SpentFacts(TypedDict):
    """Posts and users that were bought, requests that counted posts, and their price at most."""

    posts: int
    users: int
    counts: int
    dollars: float


class ShardFacts(TypedDict):
    """Shards that are finished, and planned or damaged ones."""

    finished: int
    unfinished: int


class StageFacts(TypedDict):
    """Images of one stage, the models they were processed with, and the command that goes on with the last of these.

    `not_decodable` counts images that are done but have no value; for stages with one part a shard.
    """

    done: int
    out_of_date: int
    to_do: int
    not_decodable: NotRequired[int]
    models: list[str]
    command: str


class ReleaseFacts(TypedDict):
    """The release beside a working folder."""

    folder: str
    version: str
    images: int
    posts: int
    out_of_date: bool


class NextStep(TypedDict):
    """The command to run now, None while there is something to wait for or to repair, and why."""

    command: str | None
    why: str


class Progress(TypedDict):
    """Every fact but the next step."""

    work: str
    running: dict[str, int] | None
    damaged: list[str]
    ids: IdCounts | None
    photos: PhotoCounts | None
    searches: SearchFacts | None
    spent: SpentFacts | None
    not_looked_up: int
    unshown: int
    skipped: int
    shards: ShardFacts
    stages: dict[str, StageFacts]
    release: ReleaseFacts | None
    unfinished_reports: list[str]
    bytes: dict[str, int]


class Facts(Progress):
    """Every fact about a working folder."""

    next: NextStep
