"""Facts of the commands that add columns: `embed` to `build`, as --json prints them."""

from typing import Annotated, TypedDict


class StageFacts(TypedDict):
    """`twigma embed`, `caption` and `nsfw`."""

    stage: Annotated[str, "with the name of --name: embed-NAME"]
    images: Annotated[int, "processed now"]
    folder: Annotated[str, "of the columns"]


class TextsFacts(TypedDict):
    """`twigma texts`."""

    work: str
    texts: Annotated[dict[str, int], "embedded now: posts, captions, prompts"]


class DedupeFacts(TypedDict):
    """`twigma dedupe`."""

    work: str
    rows: Annotated[
        dict[str, int],
        "of the images table, by reason; without one: `distinct`, or `not_compared` where there is no embedding",
    ]


class MovedImages(TypedDict):
    """Images that changed their label."""

    old_label: int
    new_label: int
    images: int


class CrosswalkFacts(TypedDict):
    """Labels of an earlier fit and of this one."""

    file: Annotated[str, "the whole table, CSV"]
    images: Annotated[int, "with a label in both"]
    same: Annotated[int, "of these, with the same label"]
    moved: list[MovedImages]


class ClusterFacts(TypedDict):
    """`twigma cluster`."""

    work: str
    images: Annotated[dict[str, int], "by label"]
    crosswalk: Annotated[CrosswalkFacts | None, "null when no earlier fit was replaced"]


class DriftRow(TypedDict):
    """One cluster, at the fit and now."""

    label: int
    share_at_fit: float | None
    share_now: float | None
    distance_at_fit: Annotated[float | None, "mean distance to the centroid"]
    distance_now: float | None


class AssignFacts(TypedDict):
    """`twigma assign`."""

    work: str
    added: Annotated[int, "images that got a label now"]
    clusters: list[DriftRow]
    moved: Annotated[float | None, "total variation between the shares"]
    farther: Annotated[float | None, "mean distance, relative to the fit"]
    is_large: Annotated[bool, "whether a new fit is advised"]


class ChoiceRow(TypedDict):
    """One number of clusters."""

    k: int
    silhouette: float | None
    stability: Annotated[float | None, "mean agreement of fits"]
    least_stability: Annotated[float | None, "of the worst pair of fits"]


class ChooseKFacts(TypedDict):
    """`twigma choose-k`."""

    fits: Annotated[int, "for each number"]
    table: Annotated[str, "the same as CSV"]
    numbers: list[ChoiceRow]
    best: Annotated[int | None, "best silhouette of the stable ones; null: none is"]


class FreeFacts(TypedDict):
    """`twigma free`."""

    work: str
    deleted: Annotated[bool, "false without --go: nothing was changed"]
    shards: Annotated[int, "whose pictures were deleted, or would be"]
    bytes: Annotated[int, "of these pictures"]
    added: Annotated[
        int, "of the shards, those of files that you added: no address has them"
    ]
    before: Annotated[int, "shards that were freed before"]
    stay: Annotated[dict[str, int], "shards whose pictures stay, by the reason"]


class BuildFacts(TypedDict):
    """`twigma build`."""

    work: str
    images: Annotated[dict[str, int], "processed now, by stage"]
    left_out: Annotated[dict[str, str], "stages that were left out, with the reason"]
