"""Facts of the commands that look at a release: `sheets` to `search`, and `columns`, as --json prints them."""

from typing import Annotated, NotRequired, TypedDict


class SheetsFacts(TypedDict):
    """`twigma sheets`."""

    folder: str
    images: Annotated[int, "on each sheet; with --for, drawn for all of them"]
    annotators: Annotated[int, "sheets"]
    of: NotRequired[Annotated[int, "with --for: images that could be drawn"]]
    blocks: NotRequired[
        Annotated[str, "with --for: column whose values belong together"]
    ]
    width: NotRequired[
        Annotated[float | None, "with --for: of the 95% interval of the share"]
    ]
    basis: NotRequired[
        Annotated[str, "with --for: what that width is expected from, in words"]
    ]


class SkippedFigure(TypedDict):
    """A figure that was not computed."""

    figure: str
    missing: Annotated[list[str], "inputs"]
    how: Annotated[list[str], "to get each of these; or the reason"]
    error: Annotated[str | None, "null unless it failed"]
    option: Annotated[
        str | None,
        "that named its data, where this could not be used; then the exit code is 1",
    ]


class UsedReference(TypedDict):
    """A reference set whose licence is known."""

    name: str
    origin: list[str]
    licence: str


class AnalyzeFacts(TypedDict):
    """`twigma analyze`. The numbers themselves are in `results`."""

    results: Annotated[str, "folder of the tables and results.json"]
    figures: Annotated[list[str], "that were computed"]
    skipped: list[SkippedFigure]
    verdicts: Annotated[
        dict[str, int], "numbers of the paper by verdict; empty without them"
    ]
    references: list[UsedReference]


class ReportFacts(TypedDict):
    """`twigma report`."""

    page: str
    figures: Annotated[str, "folder of charts, captions and methods for a paper"]


class ExploreFacts(TypedDict):
    """`twigma explore`."""

    page: str
    images: int
    bytes: int
    unplaced: Annotated[int, "images without a place on the map"]
    with_ids: Annotated[bool, "whether the page holds the ids of images"]
    compared: NotRequired[
        Annotated[dict[str, int], "with --before: images by what became of them"]
    ]


class FoundImage(TypedDict):
    """An image of the release; fields that the release does not have are left out."""

    similarity: Annotated[float, "cosine"]
    image_name: str
    id: NotRequired[str]
    created_at: NotRequired[Annotated[str | None, "UTC"]]
    like_count: NotRequired[int | None]
    nsfw_score: NotRequired[float | None]
    possibly_sensitive: NotRequired[bool | None]
    cluster: NotRequired[int | None]
    all_captions: NotRequired[str | None]


class SearchFacts(TypedDict):
    """`twigma search`."""

    images: Annotated[list[FoundImage], "the most similar first"]
    file: Annotated[str | None, "null without --out"]
    page: Annotated[str | None, "null without --html"]


class ColumnFacts(TypedDict):
    """A column."""

    name: str
    type: Annotated[str, "of Arrow"]
    unit: str
    meaning: str
    public: Annotated[bool, "whether a release may carry it"]


class ColumnsFacts(TypedDict):
    """`twigma columns`."""

    columns: list[ColumnFacts]
