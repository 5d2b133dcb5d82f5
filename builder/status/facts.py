"""Every fact about a working folder, with its meaning: what `status.status` returns and `twigma status` prints."""

from typing import Annotated, NotRequired, TypedDict

from twigma.rehydrate.accounting import IdCounts, PhotoCounts


class SearchFacts(TypedDict):
    """Searches and archives."""

    done: int
    open: Annotated[int, "not at their end"]
    archives: Annotated[int, "of the open ones, archives"]
    resume: Annotated[
        str | None,
        "command that goes on with the last open collection; null: none is open",
    ]


class SpentFacts(TypedDict):
    """What was bought from X."""

    posts: int
    users: int
    counts: Annotated[int, "requests that counted posts"]
    dollars: Annotated[float, "at most, at prices per use"]


class ShardFacts(TypedDict):
    """Shards of images."""

    finished: int
    unfinished: Annotated[int, "planned, or damaged"]
    freed: Annotated[int, "finished ones whose pictures `twigma free` deleted"]


class StageFacts(TypedDict):
    """Images of one stage."""

    done: int
    out_of_date: int
    to_do: int
    not_decodable: NotRequired[
        Annotated[int, "of those done, without a value; of embed, caption and nsfw"]
    ]
    shards: NotRequired[
        Annotated[list[str], "without a current part; of embed, caption and nsfw"]
    ]
    models: Annotated[list[str], "that made the columns"]
    command: Annotated[str, "that goes on with the last of these models"]


class ReleaseFacts(TypedDict):
    """The release beside a working folder."""

    folder: str
    version: str
    images: int
    posts: int
    out_of_date: Annotated[bool, "whether it is older than the working folder"]


class SizeFacts(TypedDict):
    """Sizes in bytes."""

    pages: int
    ledger: int
    shards: int
    columns: int
    other: int
    total: int
    free: Annotated[int, "on the disk"]


class NextStep(TypedDict):
    """The command to run now."""

    command: Annotated[str | None, "null: wait, or repair first"]
    why: str


class Progress(TypedDict):
    """Every fact but the next step."""

    work: str
    running: Annotated[
        dict[str, int | None],
        "process of each run that is at work now; null on another machine, in another container, or where the system "
        "does not name it",
    ]
    damaged: Annotated[list[str], "every file that cannot be used, with what to do"]
    ids: Annotated[IdCounts | None, "null where a damaged file counts them"]
    photos: Annotated[PhotoCounts | None, "likewise"]
    searches: Annotated[SearchFacts | None, "likewise"]
    spent: Annotated[SpentFacts | None, "likewise"]
    not_looked_up: Annotated[
        int, "posts of archives and searches that do not show which photos they have"
    ]
    unshown: Annotated[
        int, "posts with photos that no answer has shown; one more look-up may"
    ]
    skipped: Annotated[int, "lines of input lists without a usable id"]
    shards: ShardFacts
    stages: Annotated[dict[str, StageFacts], "also embed-NAME and caption-NAME"]
    release: Annotated[ReleaseFacts | None, "null: none is beside the folder"]
    unfinished_reports: Annotated[
        list[str],
        "what stopped runs of `twigma analyze` left beside the folder: figures so far, with ids in them",
    ]
    bytes: SizeFacts


class Facts(Progress):
    """Every fact about a working folder."""

    next: NextStep
