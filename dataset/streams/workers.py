"""Which process and which worker of a DataLoader a stream is read by, and a number that all of these share."""

from typing import Any

import numpy as np


def this_process(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """This process and how many there are: as given, else of torch.distributed, else the only one."""
    if (rank is None) != (world_size is None):
        raise ValueError(
            f"stream_images: expected rank and world_size together, found {rank} and {world_size}"
        )
    if rank is None or world_size is None:
        return _of_torch()
    if not 0 <= rank < world_size:
        raise ValueError(
            f"stream_images: expected a rank from 0 to {world_size - 1}, found {rank}"
        )
    return rank, world_size


def _of_torch() -> tuple[int, int]:
    try:
        from torch import distributed
    except ImportError:
        return 0, 1
    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def this_worker() -> tuple[int, int]:
    """The worker of a DataLoader that this is, and how many there are."""
    info = worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)


def worker_info() -> Any:
    """What torch says of the worker of a DataLoader that this is; None elsewhere."""
    try:
        from torch.utils.data import get_worker_info
    except ImportError:
        return None
    return get_worker_info()


def shared_number() -> Any:
    """A number in an array of one, which a process and the workers that it starts see change; without torch its own."""
    try:
        import torch
    except ImportError:
        return np.zeros(1, np.int64)
    return torch.zeros(1, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
