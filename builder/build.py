"""Every column of a working folder, in one go: embed, caption, nsfw, dedupe, cluster. Run by `twigma build`.

Captions need only the images. Where a GPU or a Ray cluster writes them, the stages that need only the embeddings run
beside them on this machine's CPUs; on CPUs alone one stage after the other is as fast.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twigma.builder.clusters.cluster import cluster
from twigma.builder.models import clip_names
from twigma.builder.stages import caption, nsfw
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.stages.embed import embed_shards
from twigma.core.parts import read_provenance
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.progress import notice


@dataclass
class Built:
    """What a run did: images treated now by stage with a model, and why a stage or a shard was left out."""

    treated: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def build(
    work: Path,
    *,
    model: str = clip_names.MODEL,
    pretrained: str | None = clip_names.PRETRAINED,
    captioner: str = caption.MODEL,
    detector: Path | None = None,
    device: str | None = None,
    precision: str | None = None,
    engine: Engine = LOCAL,
) -> Built:
    """Run every stage that adds columns; each does only what is missing or out of date.

    Shards that cannot be read are left out, and named at the end by RuntimeError, when all others have their columns.
    """
    done, failed = Built(), list[str]()

    def attempt(name: str, stage: Callable[[], int]) -> None:
        try:
            done.treated[name] = stage()
        except RuntimeError as error:  # damaged shards; the others have their part
            if not any((work / "columns" / name).glob("*.arrow")):
                raise
            failed.append(str(error))

    def captions() -> None:
        attempt(
            "caption",
            lambda: caption.caption_shards(work, captioner, device, engine=engine),
        )

    attempt(
        "embed",
        lambda: embed_shards(work, model, pretrained, device, precision, engine=engine),
    )
    if _elsewhere(device, engine):
        with ThreadPoolExecutor(1) as beside:
            others: Future[None] = beside.submit(_from_embeddings, work, detector, done)
            captions()
            others.result()
    else:
        captions()
        _from_embeddings(work, detector, done)
    if failed:
        raise RuntimeError("; ".join(dict.fromkeys(failed)))
    return done


def _elsewhere(device: str | None, engine: Engine) -> bool:
    """Whether captions leave the CPUs of this machine idle."""
    if engine.name != "local":
        return True
    import torch

    return torch.cuda.is_available() if device is None else device.startswith("cuda")


def _from_embeddings(work: Path, detector: Path | None, done: Built) -> None:
    found = str(
        read_provenance(min((work / "columns" / "embed").glob("*.arrow")))["model"]
    )
    reads = nsfw.model_of(detector)
    if found == reads:
        done.treated["nsfw"] = nsfw.nsfw_parts(work, detector)
    else:
        done.left_out.append(
            f"nsfw: the detector reads embeddings of {reads}, these are of {found}"
        )
        notice(done.left_out[-1])
    dedupe(work, **_kept(work, "dedupe", "near"))
    cluster(work, **_kept(work, "cluster", "k", "seed", "drop"))


def _kept(work: Path, name: str, *settings: str) -> dict[str, Any]:
    """The settings of the last run of a stage; nothing before the first."""
    path = work / "columns" / name / "all.arrow"
    try:
        before = read_provenance(path)
    except (ValueError, OSError):
        return {}  # damaged or not there: made anew
    return {name: before[name] for name in settings if name in before}
