"""Runs a stage over shards or parts: in this process, one process a device, or on Ray.

`engine.py` decides what is due and writes the parts; `in_process.py`, `device_workers.py` and `ray_stages.py` process
it and report the same events. `slices.py` divides the work among processes that know nothing of each other.
`pixels.py` and `vectors.py` are what stages read: images and embeddings.
"""

from twigma.builder.engine.engine import Prepare, map_parts, map_shards
from twigma.builder.engine.slices import Slice
from twigma.builder.engine.source import Event, Source, Stage, Start
from twigma.builder.engine.vectors import Vectors, as_column, as_matrix, read_vectors

__all__ = [
    "Event",
    "Prepare",
    "Slice",
    "Source",
    "Stage",
    "Start",
    "Vectors",
    "as_column",
    "as_matrix",
    "map_parts",
    "map_shards",
    "read_vectors",
]
