"""Every file with ids or text is in the inventory, and after a removal none of them holds what was removed."""

import base64
import gzip
import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from support import releasing, staging
from support.searching import everything

from twigma.analysis.analyze import analyze
from twigma.analysis.inputs.annotation_sheets import sheets
from twigma.analysis.report import report
from twigma.builder.clusters.cluster import cluster
from twigma.builder.collect.hashtag_curation import hashtags
from twigma.builder.finetuning.liked import liked
from twigma.builder.release.release import release
from twigma.builder.removals.removals import removals
from twigma.builder.stages.caption import caption_shards
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.stages.embed import embed_shards
from twigma.builder.stages.embed_texts import embed_texts
from twigma.core.workspace import inventory
from twigma.demo.platform.server import Platform
from twigma.rehydrate.fetch.fetch import fetch
from twigma.rehydrate.ids.sampling import draw, record
from twigma.rehydrate.ids.skipped_lines import BadLine, write_quarantine
from twigma.rehydrate.images.image_index import read_index
from twigma.rehydrate.sources.archives.import_archives import import_archives
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup

TEXT, AUTHOR = (
    "a very private castle",
    "55512345678",
)  # of the one post that this author has
DERIVED = ("twigma", "report", "sheets", "hashtags")


def post(n: int, text: str, author: str) -> dict[str, Any]:
    """A post with a photo, and beside it its author and media, in the shape of API v2."""
    image, name = (
        1565745318061842432 + n * 4_194_304_011,
        f"3_{1565745318061842432 + n * 4_194_304_011}",
    )
    spelt = base64.urlsafe_b64encode(image.to_bytes(8, "big")).decode()[:11]
    number = str(1561783901234567001 + n)
    counts = dict.fromkeys(
        ("like_count", "quote_count", "reply_count", "retweet_count"), n
    )
    found = {
        "id": number,
        "text": text,
        "created_at": f"2022-08-22T18:14:{n:02}.000Z",
        "author_id": author,
    }
    found |= {
        "possibly_sensitive": False,
        "public_metrics": counts,
        "attachments": {"media_keys": [name]},
    }
    url = f"https://pbs.twimg.com/media/{spelt}AbCd.jpg"
    media = {"media_key": name, "type": "photo", "width": 40, "height": 30, "url": url}
    user = {
        "id": author,
        "username": f"painter{author}",
        "public_metrics": {"followers_count": 7},
    }
    return {
        "post": found | {"edit_history_tweet_ids": [number], "lang": "en"},
        "media": media,
        "user": user,
    }


def archive(folder: Path) -> tuple[Path, str]:
    """An archive of posts with a hashtag of their own, and damaged lines of the one to remove; that one's id."""
    posts = [
        post(
            n,
            f"{TEXT if n == 3 else n} #AIart #newart",
            AUTHOR if n == 3 else "44196000",
        )
        for n in range(8)
    ]
    gone = posts[3]["post"]
    page = {
        "data": [one["post"] for one in posts],
        "__twarc": {"retrieved_at": "2023-03-15T15:53:19+00:00"},
    }
    page["includes"] = {
        "media": [one["media"] for one in posts],
        "users": [posts[0]["user"], posts[3]["user"]],
    }
    line = json.dumps({"id": gone["id"], "text": TEXT, "author_id": AUTHOR})
    cut = line[line.index('"text"') : -1]
    path = folder / "a.jsonl.gz"
    path.write_bytes(
        gzip.compress("\n".join([json.dumps(page), line[:-1], cut, ""]).encode())
    )
    return path, gone["id"]


@pytest.fixture(scope="module")
def populated(tiny_world, tmp_path_factory):
    """A working folder after every command that writes ids or text to it, and what is made from it."""
    out = tmp_path_factory.mktemp("populated")
    work = out / "work"
    ids = pq.read_table(tiny_world / "posts.parquet")["id"].to_pylist()
    clip, blip = (
        staging.tiny_clip(out / "models/clip"),
        staging.tiny_blip(out / "models/blip"),
    )
    record(work, draw(ids, [""] * len(ids)))
    file, removed = archive(out)
    import_archives(work, [file])
    with Platform(tiny_world, slow_seconds=0.1) as platform:
        with XClient(
            platform.api_url, "loopback", search_pace=0, sleep=lambda _: None
        ) as x:
            lookup(work, [*ids, removed], x, followers=True)
        fetch(work, image_base_url=platform.image_url, processes=1, rows_per_shard=20)
    file.unlink()  # the user's own
    write_quarantine(
        work,
        [BadLine(1, f"{removed}x", "not a number of 1 to 20 digits")],
        Path("list.csv"),
    )
    embed_shards(work, str(clip))
    caption_shards(work, str(blip))
    dedupe(work)
    cluster(work, 2)
    embed_texts(work, str(clip))
    read_index(work)
    hashtags(work, work / "hashtags", seeds=("aiart",))
    hashtags(work, out / "hashtags", seeds=("aiart",))
    release(work, out / "twigma", without=("nsfw",))
    analyze(out / "twigma", out / "report", work=work, references={})
    report(out / "report")
    sheets(out / "twigma", out / "sheets", annotators=2, images=100)
    return out, removed


def test_every_file_of_a_working_folder_is_in_the_inventory(populated):
    out, _ = populated
    assert list(inventory.unlisted(out / "work")) == []
    found = {
        inventory.holding_of(path.relative_to(out / "work"))
        for path in (out / "work").rglob("*")
        if path.is_file()
    }
    ways = {holding.removal for holding in found}
    assert ways >= {
        "pages",
        "deleted",
        "rows",
        "plan",
        "cells",
        "lines",
        "hashtag sheet",
        "shards",
        "parts",
    }


def test_nothing_of_a_removed_post_is_left_anywhere(populated):
    out, removed = populated
    work = out / "work"
    table = pq.read_table(work / "images.parquet").to_pandas()
    image = table.loc[table["id"] == removed, "image_name"].iloc[0]
    shown = pd.read_csv(out / "sheets/key.csv", dtype=str)["image_name"].iloc[0]
    gone = {removed, image, shown}
    before = everything(out)
    assert before.count(TEXT) > 5 and before.count(AUTHOR) > 3
    (work / f".images.parquet.{2**22 + 1}.partial").write_text(
        f"{removed} {AUTHOR} {TEXT}"
    )
    (work / "ledger.sqlite.mine").write_text("my own copy")
    (work / "notes.txt").write_text(f"asked about {removed}")
    receipt = removals(work, [removed, shown], [out / name for name in DERIVED])
    assert receipt.left == [f"{work / 'notes.txt'}: not ours, names what was removed"]
    assert (work / "ledger.sqlite.mine").read_text() == "my own copy"
    (work / "notes.txt").unlink()
    after = everything(out)
    assert gone & set(re.findall(r"[0-9]{6,20}", after)) == set()
    assert TEXT not in after and AUTHOR not in after
    assert (out / "sheets/annotator-1.csv").exists() and (
        out / "hashtags/hashtags.csv"
    ).exists()
    assert len(pd.read_csv(work / "hashtags/hashtags.csv")) == 7


def test_a_packed_tar_goes_when_its_shard_is_written_again(tmp_path):
    from twigma.builder.references.folder import add_images
    from twigma.core.safety.failures import Failures

    work = tmp_path / "refs"
    tar = work / "shards" / "from_part.tar"  # as downloads are registered
    tar.parent.mkdir(parents=True)
    with tarfile.open(tar, "w") as packed:
        for n in range(3):
            data = staging.encode(staging.pixels(n))
            member = tarfile.TarInfo(f"picture{n}.jpg")
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    add_images(work, "refs", [tar], "prompt", failures=Failures())
    (name, *others) = pq.read_table(work / "images.parquet")["image_name"].to_pylist()
    removals(work, [name])
    assert not tar.exists() and len(others) == 2
    for path in (work / "shards").glob("*.tar"):
        with tarfile.open(path) as found:
            assert not [one for one in found.getnames() if "picture0" in one]


def test_a_liked_set_goes_too(tmp_path):
    work = releasing.make_work(tmp_path / "work")
    liked(
        work,
        tmp_path / "liked",
        quantile=0.0,
        nsfw_threshold=1.0,
        acknowledge_x_terms=True,
    )
    names = {path.stem for path in (tmp_path / "liked/train").rglob("*.jpg")}
    receipt = removals(work, [min(names)], [tmp_path / "liked"])
    assert (
        receipt.deleted[0] == str(tmp_path / "liked")
        and not (tmp_path / "liked").exists()
    )
