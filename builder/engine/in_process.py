"""A stage in this process: blocks are read ahead while a few threads run the stage on those before."""

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from twigma.builder.engine.source import Event, Source, Stage, Start
from twigma.core.pools.task_event import TaskEvent
from twigma.core.read_ahead import read_ahead

AHEAD = 2  # blocks in flight: one is decoded while the model works on the other
Step = tuple[Source, "Future[pa.Table] | ValueError | None"]


def in_this_process(
    sources: Iterable[Source], start: Start, device: str | None = None
) -> Generator[Event, None, None]:
    """Load the model here, and process the sources."""
    yield from run_stage(sources, start(device))


def run_stage(
    sources: Iterable[Source], stage: Stage, ahead: int = AHEAD
) -> Generator[Event, None, None]:
    """Process the sources in order, with `ahead` blocks in flight, beyond the end of a source too."""
    pool = ThreadPoolExecutor(ahead)
    try:
        steps = _submit(sources, stage, pool)
        yield from _collect(read_ahead(steps, lambda: ahead - 1))
    finally:
        # The caller may stop in the middle: blocks that have not begun are not processed then.
        pool.shutdown(cancel_futures=True)


def _submit(
    sources: Iterable[Source], stage: Stage, pool: ThreadPoolExecutor
) -> Iterator[Step]:
    """The blocks of every source under way, each source followed by how it ended: None, or its damage."""
    for source in sources:
        try:
            for block in source.blocks():
                yield source, pool.submit(_added_columns, block, stage)
        except ValueError as error:
            yield source, error
        else:
            yield source, None


def _collect(steps: Iterator[Step]) -> Iterator[Event]:
    """The events of each source, once its blocks have gone through the stage."""
    error: ValueError | None = None
    for source, step in steps:
        if isinstance(step, Future):
            try:
                block = step.result()
                if error is None:
                    yield TaskEvent("part", source, block)
                yield TaskEvent("progress", source, len(block))
            except ValueError as raised:
                error = error or raised  # the first says most
            continue
        error = error or step
        if error is None:
            yield TaskEvent("done", source)
        else:
            yield TaskEvent("failed", source, error)
        error = None


def _added_columns(block: pa.Table, stage: Stage) -> pa.Table:
    """Run the stage on one block: the key and the columns that it added."""
    result = stage(block)
    added = [name for name in result.column_names if name not in block.column_names]
    return result.select(["image_name", *added])
