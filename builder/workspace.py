"""`twigma.Workspace`: a working folder with everything one does with it, for notebooks and scripts.

It adds to the paths and tables of `core/workspace/` the stages, the images and the status. Each method is one command
of the same name, and does only what is missing or out of date.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twigma.core import workspace

if TYPE_CHECKING:
    from twigma.builder.build import Built
    from twigma.builder.clusters.cluster import Clusters
    from twigma.builder.release.release import Counts
    from twigma.builder.status.facts import Facts
    from twigma.rehydrate.images.image_index import Images


class Workspace(workspace.Workspace):
    """A working folder.

    >>> work = twigma.Workspace("work")                 # doctest: +SKIP
    >>> work.embed()                                    # doctest: +SKIP
    >>> work.table("embed", "caption").to_pandas()      # doctest: +SKIP
    >>> work.images()["1480000000000000021"]            # doctest: +SKIP
    """

    def status(self) -> "Facts":
        """Every fact about the folder: ids, photos, stages, money, and what to run next (see `builder/status`)."""
        from twigma.builder.status.status import status

        return status(self)

    def images(self) -> "Images":
        """The stored images by `image_name`; FileNotFoundError before any was fetched or added."""
        from twigma.rehydrate.images.image_index import Images

        return Images(self)

    def embed(self, *args: Any, **kwargs: Any) -> int:
        """Add CLIP embeddings; arguments as of `embed_shards`. The number of images embedded now."""
        from twigma.builder.stages.embed import embed_shards

        return embed_shards(self, *args, **kwargs)

    def caption(self, *args: Any, **kwargs: Any) -> int:
        """Add captions; arguments as of `caption_shards`. The number of images captioned now."""
        from twigma.builder.stages.caption import caption_shards

        return caption_shards(self, *args, **kwargs)

    def nsfw(self, detector: str | Path | None = None, **kwargs: Any) -> int:
        """Add NSFW scores; the number of images scored now. Arguments as of `nsfw_parts`."""
        from twigma.builder.stages.nsfw import nsfw_parts

        return nsfw_parts(self, detector, **kwargs)

    def dedupe(self, **kwargs: Any) -> dict[str, int]:
        """Mark repeated images; their number by reason. Arguments as of `dedupe`."""
        from twigma.builder.stages.dedupe import dedupe

        return dedupe(self, **kwargs)

    def cluster(self, k: int | None = None, **kwargs: Any) -> "Clusters":
        """Add clusters and the map; arguments as of `cluster`."""
        from twigma.builder.clusters.cluster import cluster

        return cluster(self, k, **kwargs)

    def build(self, **kwargs: Any) -> "Built":
        """Run all of these stages; arguments as of `build`."""
        from twigma.builder.build import build

        return build(self, **kwargs)

    def release(self, out: str | Path = "twigma", **kwargs: Any) -> "Counts":
        """Write the release to `out`; rows released, and left out by reason. Arguments as of `release`."""
        from twigma.builder.release.release import release

        return release(self, out, **kwargs)
