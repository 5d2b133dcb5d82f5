"""What `datasets` cached of releases, sets of liked images and working folders: erased by `twigma removals`.

`datasets` names a cache after the folder that was loaded, or after the loader, such as `imagefolder`; so each is
searched.
"""

import json
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

IMAGE_NAME = "image_name"
# One of these is beside it in all that we write: a cache of somebody else's dataset is not touched.
OURS = ("like_count", "embedding")


def drop_caches(names: Collection[str]) -> list[str]:
    """Delete what was cached of `load_dataset("twigma")`, and whatever names one of these images.

    It is cached again from what is left. Other files, such as a folder of yours where the cache was set to, stay.
    """
    from datasets.config import HF_DATASETS_CACHE

    cache = Path(HF_DATASETS_CACHE)
    dropped = []
    for info in sorted(cache.glob("*/*/*/*/dataset_info.json")):
        if _is_to_go(info, names):
            _drop(info)
            dropped.append(str(info.parents[3]))
    return list(dict.fromkeys(dropped))


def _drop(info: Path) -> None:
    """Delete a cached configuration, and the folders above it that are then empty, but the cache itself."""
    folder = info.parent
    for part in (*folder.glob("*.arrow"), info):
        part.unlink(missing_ok=True)
    for lock in folder.parent.glob(f"{folder.name}*.lock"):
        lock.unlink(missing_ok=True)
    for emptied in (folder, *folder.parents[:3]):
        try:
            emptied.rmdir()
        except OSError:
            return


def _is_to_go(info: Path, names: Collection[str]) -> bool:
    """Whether a configuration was loaded by the name "twigma", as its rows may lack their names, or names an image."""
    try:
        about = json.loads(info.read_bytes())
        if about.get("dataset_name") == "twigma":
            return True
        named = set(about["features"])
        if IMAGE_NAME not in named or named.isdisjoint(OURS):
            return False
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return False
    wanted = pa.array(sorted(names), pa.string())
    try:
        return any(_has_row(path, wanted) for path in info.parent.glob("*.arrow"))
    except (pa.ArrowException, OSError):
        return True  # damaged: it may hold them


def _has_row(path: Path, wanted: pa.Array) -> bool:
    """Whether a cached table has one of these image names."""
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as batches:
        if IMAGE_NAME not in batches.schema.names:
            return False
        for batch in batches:
            names = batch[IMAGE_NAME].cast(pa.string())
            if pc.any(pc.is_in(names, value_set=wanted)).as_py():
                return True
    return False
