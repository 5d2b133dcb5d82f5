"""Facts of the commands that bring posts and images into a folder: `collect` to `add`, as --json prints them."""

from typing import Annotated, NotRequired, TypedDict

from twigma.rehydrate.sources.facts.unread import UnreadField
from twigma.rehydrate.sources.own_files.report import Added


class HashtagsFacts(TypedDict):
    """`twigma hashtags`."""

    candidates: Annotated[int, "hashtags in the table"]
    table: Annotated[str, "CSV of all candidates"]
    sheet: Annotated[str, "CSV to be filled in by people"]
    passed: Annotated[list[str], "hashtags that people judged to be about AI images"]
    to_judge: Annotated[int, "candidates without an answer"]


class EstimateFacts(TypedDict):
    """Posts to buy, by X's own counts."""

    posts: int
    calls: int
    dollars: Annotated[float, "at most, for the posts"]
    requests: Annotated[int, "requests that counted"]
    request_dollars: Annotated[float, "what counting has cost"]


class CollectedFacts(TypedDict):
    """What the search has done."""

    pages: Annotated[int, "pages bought now"]
    dollars: Annotated[float, "spent in this folder so far, at most"]
    done: Annotated[bool, "false when the budget stopped the search"]


class CollectFacts(TypedDict):
    """`twigma collect`."""

    estimate: NotRequired[
        Annotated[EstimateFacts, "with --dry-run, or without --budget"]
    ]
    search: NotRequired[Annotated[CollectedFacts, "unless --dry-run"]]


class SkippedLine(TypedDict):
    """A line of a list without a usable id."""

    line: int
    value: Annotated[str, "what it holds, its first 60 characters"]
    reason: str


class ListFacts(TypedDict):
    """What a list of post ids holds."""

    file: str
    ids: Annotated[int, "distinct ids"]
    rows: Annotated[int, "rows with an id"]
    doubts: Annotated[list[str], "sentences on ids that may be wrong"]
    skipped: Annotated[int, "lines without a usable id"]
    skipped_first: Annotated[list[SkippedLine], "the first of them"]
    quarantine: Annotated[str | None, "file with all of them; null where none was"]


class CheckedList(ListFacts):
    """A list that `twigma ids` checked."""

    first_month: Annotated[str | None, "of the posts, YYYY-MM; null where not known"]
    last_month: str | None
    months: Annotated[int, "months with posts"]


class UnusableFile(TypedDict):
    """A file that cannot be used."""

    file: str
    reason: str


class IdsFacts(TypedDict):
    """`twigma ids`."""

    lists: list[CheckedList]
    refused: list[UnusableFile]


class ArchiveFacts(TypedDict):
    """One archive."""

    file: str
    imported_before: Annotated[bool, "then it added nothing"]
    records: Annotated[int, "records of posts"]
    new: Annotated[int, "ids new to the folder"]
    skipped: Annotated[int, "lines that could not be read"]
    quarantine: Annotated[str | None, "file with these lines"]


class LeftOutOfTable(TypedDict):
    """What the images table leaves out, by reason."""

    what: str
    reason: str
    count: int


class ImportFacts(TypedDict):
    """`twigma import`."""

    archives: list[ArchiveFacts]
    failures: list[UnusableFile]
    images_table: str
    left_out: list[LeftOutOfTable]
    photos_unknown: Annotated[int, "posts of which nothing shows the photos"]
    look_up_dollars: Annotated[float, "price of looking these up, at most"]


class SampleFacts(TypedDict):
    """The ids that were drawn."""

    drawn: int
    of: Annotated[int, "ids in the list"]
    seed: int
    strata: int
    columns: Annotated[list[str], "that the strata are made of"]
    smallest_weight: float
    largest_weight: float


class BudgetFacts(TypedDict):
    """How far a budget reaches."""

    budget: Annotated[float, "dollars"]
    spent: Annotated[float, "dollars of it that are spent"]
    affordable: Annotated[int, "ids that the rest can buy"]


class PlanFacts(TypedDict):
    """What looking the list up takes."""

    ids: int
    known: Annotated[int, "ids that were bought before"]
    to_ask: int
    authors: Annotated[int, "authors to be asked for by themselves"]
    calls: int
    dollars: Annotated[float, "at most"]
    minutes: float
    budget: Annotated[BudgetFacts | None, "null without --budget"]


class LookupFacts(TypedDict):
    """A look-up of posts."""

    asked: Annotated[int, "ids asked for now"]
    dollars: Annotated[float, "spent in this folder so far, at most"]
    outcomes: Annotated[dict[str, int], "ids of the list by outcome"]
    remaining: Annotated[int, "ids that the budget left unasked"]


class PhotosFacts(TypedDict):
    """Photos of the folder by what became of them."""

    folder: str
    by_status: dict[str, int]


class RehydrateFacts(TypedDict):
    """`twigma rehydrate`."""

    lists: NotRequired[
        Annotated[list[ListFacts], "with --ids, or of the release with --select"]
    ]
    chosen: NotRequired[
        Annotated[int, "with --select: ids of the lists that are of chosen images"]
    ]
    sample: NotRequired[Annotated[SampleFacts, "when some of the ids were drawn"]]
    removed: NotRequired[Annotated[int, "ids left out, as removed on request"]]
    plan: NotRequired[Annotated[PlanFacts, "with --dry-run"]]
    identity: NotRequired[Annotated[str, "dataset.toml that was written, for zenodo"]]
    posts: NotRequired[Annotated[LookupFacts, "the look-up of the list"]]
    posts_again: NotRequired[Annotated[LookupFacts, "posts looked up once more"]]
    photos: NotRequired[PhotosFacts]


class AddedList(TypedDict):
    """A list of addresses."""

    file: str
    new: int
    known: Annotated[int, "addresses that the folder had"]
    updated: Annotated[int, "of these, with metadata that they had not"]
    repeated: Annotated[int, "in the list"]
    removed: Annotated[int, "on request, before"]
    without_url: Annotated[int, "rows without an address"]
    no_rows: Annotated[int, "lines that are no row"]
    no_rows_first: Annotated[list[str], "the first of these, with the reason"]
    columns: Annotated[dict[str, str], "our columns, and theirs that fill them"]
    unread: Annotated[list[UnreadField], "values that could not be read, by field"]


class AddFacts(TypedDict):
    """`twigma add`."""

    files: NotRequired[list[Added]]
    list: NotRequired[Annotated[AddedList, "with --urls"]]
    photos: NotRequired[Annotated[PhotosFacts, "with --urls"]]
