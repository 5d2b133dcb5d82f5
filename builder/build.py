"""Every column of a working folder, in one go: embed, caption, nsfw, dedupe, cluster. Run by `twigma build`.

Captions need only the images. Where a GPU of this machine writes them, the stages that need only the embeddings run
beside them on its CPUs; on CPUs alone, or on a Ray cluster whose CPUs all stages share, one stage after the other is as
fast.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from twigma.builder.clusters.cluster import cluster, settings_before, too_few
from twigma.builder.clusters.distinct_images import read_embedded
from twigma.builder.maps import FEWEST
from twigma.builder.models import clip_names
from twigma.builder.stages import caption, nsfw
from twigma.builder.stages.dedupe import REASONS, dedupe
from twigma.builder.stages.embed import embed_shards
from twigma.core.names import DEFAULT
from twigma.core.parts import last_settings
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.progress import notice
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.accounting import require_photos


@dataclass
class Built:
    """What a run did: images processed now by stage with a model, and the stages left out, with the reason."""

    treated: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def build(
    work: AnyWorkspace,
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
    ValueError where there are posts and no photo.
    """
    work = Workspace(work)
    require_photos(work)
    built = Built()
    failed = list[str]()

    def attempt(name: str, stage: Callable[[], int]) -> None:
        try:
            built.treated[name] = stage()
        except RuntimeError as error:  # damaged shards; the others have their part
            if not work.has(name):
                raise
            failed.append(str(error))

    def embed() -> int:
        return embed_shards(work, model, pretrained, device, precision, engine=engine)

    def write_captions() -> int:
        return caption.caption_shards(work, captioner, device, engine=engine)

    attempt("embed", embed)
    if _leaves_cpus(device, engine):
        with ThreadPoolExecutor(1) as pool:
            others = pool.submit(_stages_of_embeddings, work, detector, built, engine)
            attempt("caption", write_captions)
            others.result()
    else:
        attempt("caption", write_captions)
        _stages_of_embeddings(work, detector, built, engine)
    if failed:
        # Both stages may name the same shard.
        raise RuntimeError("; ".join(dict.fromkeys(failed)))
    return built


def _leaves_cpus(device: str | None, engine: Engine) -> bool:
    """Whether captions leave the CPUs idle that the other stages would use."""
    if engine.name != "local":
        return False
    import torch

    return torch.cuda.is_available() if device is None else device.startswith("cuda")


def _stages_of_embeddings(
    work: Workspace, detector: Path | None, built: Built, engine: Engine
) -> None:
    """The stages that read no images: nsfw, where the detector fits the embeddings, then dedupe and cluster."""
    embedded_by = str(work.embedding_model()["model"])
    detector_reads = nsfw.model_of(detector)
    if embedded_by == detector_reads:
        built.treated["nsfw"] = nsfw.nsfw_parts(work, detector, engine=engine)
    else:
        reason = f"the detector reads embeddings of {detector_reads}, these are of {embedded_by}"
        built.left_out["nsfw"] = reason
        notice(f"nsfw: {reason}")
    near = last_settings(work.part("dedupe"), "near")
    dedupe(work, **near, embedding=_last_embedding(work, "dedupe"), engine=engine)
    embedding = _last_embedding(work, "cluster")
    settings = settings_before(work)
    images = read_embedded(work, settings.get("drop", REASONS), embedding)
    distinct = len(images.originals)
    if distinct < FEWEST:
        built.left_out["cluster"] = too_few(distinct)
        notice(f"cluster: {too_few(distinct)}")
    else:
        cluster(work, **settings, embedding=embedding, engine=engine)


def _last_embedding(work: Workspace, stage: str) -> str:
    """The name of the embeddings that the last run of a stage read."""
    settings = last_settings(work.part(stage), "embedding_name")
    return str(settings.get("embedding_name", DEFAULT))
