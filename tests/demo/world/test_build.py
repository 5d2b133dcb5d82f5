"""The demo's world holds what it says it planted; everything is recounted here from the files."""

import base64
import csv
import hashlib
import io
import json
import re
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from twigma.demo.world import likes, snowflake, texts
from twigma.demo.world import posts as plan
from twigma.demo.world.build import build_world

POSTS = 200
TAGS = re.compile(r"#(" + "|".join(texts.HASHTAGS) + r")\b")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "world"
    build_world(folder, posts=POSTS, references=60)
    return folder


@pytest.fixture(scope="module")
def truth(world: Path) -> dict[str, Any]:
    return dict(json.loads((world / "truth.json").read_text()))


def table(world: Path, name: str) -> pd.DataFrame:
    return pq.read_table(world / f"{name}.parquet").to_pandas()


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_same_seed_same_bytes_and_another_seed_other_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        build_world(tmp_path / name, seed, posts=30, references=20)
    assert digests(tmp_path / "one") == digests(tmp_path / "again")
    assert (
        digests(tmp_path / "one")["posts.parquet"]
        != digests(tmp_path / "other")["posts.parquet"]
    )


def test_a_finished_world_is_left_alone_and_another_is_refused(world: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.rglob("*")}
    build_world(world, posts=POSTS, references=60)
    assert {path: path.stat().st_mtime_ns for path in world.rglob("*")} == before
    with pytest.raises(ValueError, match="new folder"):
        build_world(world, seed=5, posts=POSTS, references=60)


def test_growth_is_exponential_in_the_planted_counts(
    world: Path, truth: dict[str, Any]
) -> None:
    posts = table(world, "posts")
    with_photo = posts[
        posts["media_keys"].map(lambda keys: any(key.startswith("3_") for key in keys))
    ]
    with_photo = with_photo[
        ~with_photo["text"].str.startswith("RT @") & (with_photo["state"] == "live")
    ]
    counts = with_photo["created_at"].dt.strftime("%Y-%m").value_counts()
    assert counts.sum() == POSTS == truth["posts"]
    assert {
        month: count for month, count in truth["posts_per_month"].items() if count
    } == counts.to_dict()
    many = plan.month_counts(1_000_000)
    assert np.polyfit(np.arange(27), np.log(many), 1)[0] == pytest.approx(
        truth["growth_per_month"], abs=1e-4
    )


def test_ids_tell_the_second_of_the_post_and_photo_names_the_media_id(
    world: Path,
) -> None:
    posts, media = table(world, "posts"), table(world, "media")
    seconds = (posts["id"].astype(np.int64) // 2**22 + snowflake.EPOCH_MS) // 1000
    expected = posts["created_at"].astype("datetime64[ms]").astype(np.int64) // 1000
    assert (seconds == expected).all()
    for key, name in zip(media["media_key"], media["name"], strict=True):
        assert re.fullmatch(r"[A-Za-z0-9_-]{15}", name)
        assert int.from_bytes(base64.urlsafe_b64decode(name[:11] + "="), "big") == int(
            key.split("_")[1]
        )
    assert (
        posts["id"].is_unique
        and media["media_key"].is_unique
        and media["name"].is_unique
    )


def test_every_live_post_is_found_by_hashtag_or_listed(
    world: Path, truth: dict[str, Any]
) -> None:
    posts = table(world, "posts")
    listed = {
        row["id"]
        for row in csv.DictReader((world / "ids.csv").read_text().splitlines())
    }
    tagged = posts["text"].map(lambda text: bool(TAGS.search(text)))
    photo = posts["media_keys"].map(
        lambda keys: any(key.startswith("3_") for key in keys)
    )
    retweet = posts["text"].str.startswith("RT @")
    found = tagged & photo & ~retweet & (posts["state"] == "live")
    assert (found | posts["id"].isin(listed)).all()
    assert found.sum() == truth["found_by_search"]
    assert (found & posts["id"].isin(listed)).sum() == truth["found_both_ways"]
    assert len(listed) == truth["listed"] == pytest.approx(0.4 * len(posts), abs=2)
    states = {"live": "found", "deleted": "not_found", "protected": "unauthorized"}
    assert (
        Counter(states.get(state, state) for state in posts["state"])
        == truth["outcomes"]
    )
    assert (
        retweet.sum() == truth["carried"]["retweet"]
        and not posts.loc[retweet, "like_count"].any()
    )


def test_copies_are_what_they_are_called(world: Path, truth: dict[str, Any]) -> None:
    media, images = (
        table(world, "media").set_index("media_key"),
        table(world, "truth_images"),
    )
    copies = images[images["duplicate_of"].notna()]
    assert (
        copies["duplicate_kind"].value_counts().to_dict()
        | {"media_id": len(truth["shared_photos"])}
        == truth["duplicates"]
    )
    for row in copies.itertuples():
        one, other = (
            media.loc[f"3_{name}", "body"]
            for name in (row.image_name, row.duplicate_of)
        )
        assert (one == other) == (row.duplicate_kind == "identical")
        small, large = (
            Image.open(io.BytesIO(data)).convert("RGB") for data in (one, other)
        )
        difference = np.asarray(small.resize((64, 64)), float) - np.asarray(
            large.resize((64, 64)), float
        )
        assert np.abs(difference).mean() < 8
        assert int(row.image_name) > int(row.duplicate_of)


def test_answers_of_the_image_host(world: Path, truth: dict[str, Any]) -> None:
    media = table(world, "media")
    photos = media[media["type"] == "photo"]
    assert photos["answer"].value_counts().to_dict() == truth["answers"]
    assert photos["body"].isna().equals(photos["answer"].isin(["404", "410"]))
    assert set(media["type"]) == {"photo", "video", "animated_gif"}
    sizes = {Image.open(io.BytesIO(body)).format for body in photos["body"].dropna()}
    assert sizes == {"JPEG", "PNG"}
    turned = [
        body
        for body in photos["body"].dropna()
        if Image.open(io.BytesIO(body)).getexif().get(0x0112) == 6
    ]
    assert len(turned) == 1


def test_photos_of_one_post_share_a_quintile(world: Path) -> None:
    images = table(world, "truth_images").dropna(subset=["quintile"])
    several = images[images["duplicate_of"].isna()].groupby("id")["quintile"].nunique()
    assert (several == 1).mean() > 0.97
    fresh = images[images["duplicate_of"].isna()].sort_values("similarity")
    assert fresh["quintile"].is_monotonic_increasing
    assert (
        fresh["quintile"].value_counts().max() - fresh["quintile"].value_counts().min()
        <= 1
    )


def test_likes_follow_equation_one() -> None:
    """A Poisson regression with author-clustered errors on the drawn likes finds the planted ratios."""
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(0)
    authors = plan.draw_authors(320, rng)
    posts = plan.draw_posts(2400, authors, rng)
    for post in posts:
        post.quintile = int(rng.integers(1, 6))
    likes.draw_likes(posts, authors, rng)
    posts = [post for post in posts if post.carries != "retweet"]
    fifth = np.array([post.quintile for post in posts])
    author = np.array([post.author for post in posts])
    bracket = likes.bracket(authors.followers[author])
    design = np.column_stack(
        [bracket == 1, bracket == 2, *[fifth == k for k in (1, 2, 3, 4)]]
    ).astype(float)
    counts = np.array([post.likes for post in posts])
    fit = sm.GLM(counts, sm.add_constant(design), family=sm.families.Poisson())
    fit = fit.fit(
        cov_type="cluster", cov_kwds={"groups": author, "use_correction": False}
    )
    wanted = np.log([*likes.FOLLOWER_IRR[1:], *likes.QUINTILE_IRR[:4]])
    assert (np.abs(fit.params[1:] - wanted) < 4 * fit.bse[1:]).all()
    assert 0.015 < fit.bse[3:].mean() < 0.03
    assert counts.mean() == pytest.approx(30, abs=2)


def test_quintiles_and_similarity() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 16)).astype(np.float16)
    one = likes.similarity(rows, rows)[0]
    assert one == pytest.approx(
        np.sort(rows[0].astype(float) @ rows.astype(float).T)[-5:].mean(), rel=1e-3
    )
    assert likes.quintiles(np.array([5.0, 1, 2, 3, 4])).tolist() == [5, 1, 2, 3, 4]


def test_references(world: Path) -> None:
    keys: set[str] = set()
    for name, group, size in (
        ("photographs", None, 60),
        ("paintings", "artist", 20),
        ("prompts", "prompt", 10),
    ):
        with tarfile.open(world / "references" / f"{name}.tar") as tar:
            members = tar.getmembers()
            notes = [
                json.load(tar.extractfile(m))
                for m in members
                if m.name.endswith(".json")
            ]  # type: ignore[arg-type]
        assert [m.name.split(".")[1] for m in members] == ["jpg", "json"] * 60
        assert all(re.fullmatch(r"[0-9]{1,20}", m.name.split(".")[0]) for m in members)
        keys |= {m.name.split(".")[0] for m in members}
        if group:
            assert set(Counter(note[group] for note in notes).values()) == {size}
    assert len(keys) == 180


def test_kl_of_the_themes(world: Path, truth: dict[str, Any]) -> None:
    scipy = pytest.importorskip("scipy.stats")
    images = table(world, "truth_images")
    kept = images[images["duplicate_of"].isna() & ~images["answer"].isin(plan.DEAD)]
    assert len(kept) == truth["kept"]
    share = kept["theme"].value_counts(normalize=True)
    assert share.to_dict() == pytest.approx(
        {theme: p for theme, p in truth["p"].items() if p}
    )
    p, q = (
        np.array([truth[name][theme] for theme in truth["themes"]]) for name in "pq"
    )
    if truth["kl_posts_prompts"] is None:
        assert ((p > 0) & (q == 0)).any()
    else:
        assert truth["kl_posts_prompts"] == pytest.approx(scipy.entropy(p, q))
    assert truth["nsfw_share"] == pytest.approx(kept["nsfw"].mean())
