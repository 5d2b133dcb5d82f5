"""What became of every id and every photo of a working folder: exactly one class each, and sums that are checked."""

from twigma.rehydrate.accounting.finished_shards import (
    FinishedShards,
    read_finished_shards,
)
from twigma.rehydrate.accounting.ids import (
    IdCounts,
    count_ids,
    read_listed_ids,
)
from twigma.rehydrate.accounting.photos import (
    PhotoCounts,
    Photos,
    classify_photos,
    count_photos,
    read_image_rows,
)
from twigma.rehydrate.accounting.without_photos import (
    describe_missing_photos,
    require_photos,
)

__all__ = [
    "FinishedShards",
    "IdCounts",
    "PhotoCounts",
    "Photos",
    "classify_photos",
    "count_ids",
    "count_photos",
    "describe_missing_photos",
    "read_finished_shards",
    "read_image_rows",
    "read_listed_ids",
    "require_photos",
]
