"""The report of `twigma add`: what became of every file of each input."""

from typing import TypedDict

import pyarrow as pa

from twigma.rehydrate.sources.facts.unread import UNREAD, UnreadField
from twigma.rehydrate.sources.pictures.trees import LeftOut

REPORT = pa.schema(
    [
        ("path", pa.string()),
        ("shard", pa.string()),
        ("images", pa.int64()),
        ("failed", pa.int64()),
        ("known", pa.int64()),
        ("restored", pa.int64()),
        ("updated", pa.int64()),
        ("unread", pa.list_(UNREAD)),
        (
            "left_out",
            pa.list_(
                pa.struct(
                    [
                        ("reason", pa.string()),
                        ("count", pa.int64()),
                        ("example", pa.string()),
                    ]
                )
            ),
        ),
    ]
)


class LeftOutFiles(TypedDict):
    """Files or members that were left out for one reason: how many, and the name of one."""

    reason: str
    count: int
    example: str


class Added(TypedDict):
    """A row of REPORT: what was added of one input as one shard (`shard` is None where there is no new one).

    `images` are stored, `failed` have a row with the reason, `known` were in the folder before. Of these, `updated`
    have metadata that they had not, which is counted when the run ends; `restored` are stored again, in shards whose
    tar had gone. `unread` are values beside images.
    """

    path: str
    shard: str | None
    images: int
    failed: int
    known: int
    restored: int
    updated: int
    unread: list[UnreadField]
    left_out: list[LeftOutFiles]


def counted(left_out: LeftOut) -> list[LeftOutFiles]:
    """What was left out, as a row of the report has it."""
    return [
        {"reason": reason, "count": len(names), "example": names[0]}
        for reason, names in left_out.items()
        if names
    ]


def described(left_out: LeftOut) -> str:
    """What was left out, for a sentence."""
    counts = [f"{len(names):,} {reason}" for reason, names in left_out.items()]
    return ", ".join(counts)
