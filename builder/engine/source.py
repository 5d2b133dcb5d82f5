"""What a stage is run over, and what is reported of it: the words that the engine and its workers share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from twigma.core import columns
from twigma.core.parts import read_part
from twigma.core.pools.task_event import TaskEvent
from twigma.rehydrate.images.shards import Shard, read_images

Stage = Callable[[pa.Table], pa.Table]
# Loads the model onto a device; None leaves the choice to the stage.
Start = Callable[[str | None], Stage]
Settings = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """What one part is made from: `data`, a shard or a part of another stage; and the provenance that it will carry."""

    name: str
    rows: int
    provenance: Settings
    data: Shard | Path
    block_rows: int
    first_row: int = 0  # the images before it were processed by a run that was stopped

    def blocks(self) -> Iterator[pa.Table]:
        """Blocks of at most `block_rows` rows, one row per image; of a shard (image_name: string, image: binary).

        A first, empty block shows the columns. ValueError where the shard or part is damaged.
        """
        if isinstance(self.data, Shard):
            # A shard without images still has a part, with the columns that the stage adds.
            yield columns.schema(["image_name", "image"]).empty_table()
            end = 0
            for block in read_images(self.data, self.block_rows):
                start, end = end, end + len(block)
                if end > self.first_row:
                    yield block.slice(max(0, self.first_row - start))
            return
        table = read_part(self.data).replace_schema_metadata()
        for start in range(0, max(1, len(table)), self.block_rows):
            yield table.slice(start, self.block_rows)

    def files(self) -> list[Path]:
        """What another machine needs to process it: the files of its shard, or its part."""
        if isinstance(self.data, Shard):
            return [self.data.tar, self.data.sidecar, self.data.manifest]
        return [self.data]

    def moved(self, folder: Path) -> "Source":
        """The same source, with its files in another folder."""
        if not isinstance(self.data, Shard):
            return replace(self, data=folder / self.data.name)
        shard = replace(
            self.data,
            tar=folder / self.data.tar.name,
            sidecar=folder / self.data.sidecar.name,
            manifest=folder / self.data.manifest.name,
        )
        return replace(self, data=shard)


Event = TaskEvent[Source]
"""Of a source: a "part" (the table of a block) and "progress" (its rows) a block, "done"; or "failed", or "lost"."""
