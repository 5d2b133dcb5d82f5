"""`twigma demo`: every stage of the product, in order, on the demo's world, through the same functions as its commands.

Reads as the story of a dataset: a world of posts, a platform that serves it, one stage after another, and at the end
what was planted beside what was recovered. Each stage resumes, so the whole story does.
"""

import datetime
import time
from dataclasses import replace
from pathlib import Path

from twigma import open_images
from twigma.analysis.analyze import analyze
from twigma.analysis.report import report
from twigma.builder.clusters.cluster import cluster
from twigma.builder.collect.collect import PAPER_HASHTAGS, PAPER_PERIOD, collect
from twigma.builder.finetuning.liked import liked
from twigma.builder.release.identity import TWIGMA, init
from twigma.builder.release.release import release
from twigma.builder.stages.caption import caption_shards
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.stages.embed import embed_shards
from twigma.builder.stages.embed_texts import embed_texts
from twigma.builder.stages.nsfw import nsfw_parts
from twigma.core.workspace import Workspace
from twigma.demo.platform.server import DEMO_FAULTS, Platform
from twigma.demo.training.lessons import one_thread
from twigma.demo.truths.compare import read_truths, summary
from twigma.demo.world.build import POSTS, build_world
from twigma.rehydrate.fetch.fetch import fetch
from twigma.rehydrate.ids.post_ids import read_ids
from twigma.rehydrate.sources.own_files.add_images import add_tars
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup

MODELS = Path(__file__).parent / "models"
CLIP, BLIP, NSFW = MODELS / "clip", MODELS / "blip", MODELS / "nsfw.safetensors"
# The sets to compare with, and what groups the images of each.
REFERENCES = {"photographs": None, "paintings": "artist", "prompts": "prompt"}
TOKEN = "loopback"
MARK = "INVENTED.txt"  # in the folder of the world, written first


def demo(out: Path, posts: int = POSTS) -> bool:
    """Run everything into `out`; True when every planted truth was recovered within its tolerance."""
    started = time.monotonic()
    with one_thread():
        recovered = _story(out, posts)
    print(f"{time.monotonic() - started:.0f} s")
    return recovered


def _story(out: Path, posts: int) -> bool:
    _refuse_foreign(out)
    world = out / "world"
    work = Workspace(out / "work")
    dataset = out / "twigma"
    page = out / "report"
    sets = out / "references"
    references = {name: Workspace(sets / name) for name in REFERENCES}

    world.mkdir(exist_ok=True, parents=True)
    (world / MARK).write_text("All of this is invented, by `twigma demo`.\n", "utf-8")
    build_world(world, posts=posts, references=posts // 4)
    rehydrate(world, work)
    for name, folder in references.items():
        add_reference(world / "references" / f"{name}.tar", folder, REFERENCES[name])
    add_columns(work)
    for folder in (work, references["prompts"]):
        embed_texts(folder, str(CLIP), most=500)

    # The paper's dataset in small; on the paper's day, so that equal worlds give equal bytes.
    init(work, replace(TWIGMA, date=datetime.date(2023, 6, 14)))
    released = release(work, dataset)
    # The world is invented here: the terms of no platform apply to its posts.
    liked(work, out / "liked", acknowledge_x_terms=True)

    results = analyze(dataset, page, work=work, references=references)
    galleries = {"twigma": open_images(work)}
    for name, folder in references.items():
        galleries[name] = open_images(folder)
    report(page, galleries)

    rows = read_truths(world, work, dataset, results)
    print(summary(rows))
    counts = f"{released.released:,} images of {released.posts:,} posts"
    print(f"\n{counts} in {dataset}: in {out}, load_dataset('twigma')")
    print(f"every figure in {page / 'index.html'}")
    return all(row.ok for row in rows)


def _refuse_foreign(out: Path) -> None:
    """ValueError when folders of these names are somebody's: the demo would add its invented posts to theirs."""
    if any((out / "world" / name).exists() for name in (MARK, "truth.json")):
        return
    for name in ("world", "work", "twigma", "liked", "report", "references"):
        if (out / name).exists():
            raise ValueError(
                f"{out / name} is not of an earlier demo and was left as it is: choose another folder"
            )


def rehydrate(world: Path, work: Workspace) -> None:
    """Find posts by hashtag, look up a published list of ids, and fetch the photos of both."""
    with Platform(world, faults=DEMO_FAULTS) as platform:
        with XClient(platform.api_url, TOKEN, search_pace=0) as client:
            collect(work, PAPER_HASHTAGS, *PAPER_PERIOD, client, followers=True)
            ids, _ = read_ids(world / "ids.csv")
            lookup(work, ids, client, followers=True)
        fetch(work, image_base_url=platform.image_url)


def add_reference(tar: Path, folder: Workspace, group: str | None) -> None:
    """A set to compare with, embedded and scored as the studied images."""
    add_tars(folder, [tar], group)
    embed_shards(folder, str(CLIP))
    nsfw_parts(folder, NSFW)


def add_columns(work: Workspace) -> None:
    """Every column a release holds, one stage after the other."""
    embed_shards(work, str(CLIP))
    caption_shards(work, str(BLIP))
    nsfw_parts(work, NSFW)
    dedupe(work)
    cluster(work)
