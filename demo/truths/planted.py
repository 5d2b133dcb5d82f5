"""Writes down what was planted in a demo world: `truth.json`, and `truth_images.parquet` with a row per photo.

`truth.json` is written last: it marks the world as finished. What depends upon the embedding is measured here by
brute force, independently of the product's own analyses.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from twigma.core.files import write_json, write_parquet
from twigma.demo.drawing import pictures
from twigma.demo.drawing.pictures import THEMES
from twigma.demo.world import likes
from twigma.demo.world import posts as plan
from twigma.demo.world.photos import Photo, carries_photo
from twigma.demo.world.posts import DEAD, Authors, Post
from twigma.demo.world.references import PER_ARTIST, PER_PROMPT, Reference

GONE = {
    "deleted": "not_found",
    "protected": "unauthorized",
    "suspended": "suspended",
    "absent": "absent",
}
Truth = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """A world as made: posts by time, photos, authors, reference sets, embeddings by set, and the listed ids."""

    posts: Sequence[Post]
    shots: Sequence[Photo]
    authors: Authors
    sets: Sequence[Reference]
    embedded: Mapping[str, NDArray[np.float16]]
    listed: set[int]


def finished(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Whether `folder` holds the world of these settings; ValueError when it holds another one."""
    path = folder / "truth.json"
    if not path.exists():
        return False
    found = json.loads(path.read_text("utf-8"))["settings"]
    if found != settings:
        raise ValueError(
            f"{folder} holds a world made with {found}, expected {dict(settings)}: choose a new folder"
        )
    return True


def searchable(post: Post) -> bool:
    """Whether a search for the hashtags finds the post."""
    return carries_photo(post) and post.tagged


def write(folder: Path, settings: Mapping[str, Any], made: Made) -> None:
    """Write both files."""
    write_parquet(folder / "truth_images.parquet", _images(made))
    truth = {"settings": dict(settings)}
    for part in (_posts, _photos, _themes, _likes, _geometry):
        truth.update(part(made))
    write_json(folder / "truth.json", truth)


def _images(made: Made) -> pa.Table:
    # A photo on several posts belongs to the first of them; a retweet has none of its own.
    first: dict[int, Post] = {}
    for post in made.posts:
        if post.carries == "retweet":
            continue
        for row in post.photos:
            first.setdefault(row, post)
    rows = []
    for row, shot in enumerate(made.shots):
        of = shot.duplicate_of
        original = None if of is None else str(made.shots[of].media_id)
        measured = not np.isnan(shot.similarity)
        rows.append(
            {
                "image_name": str(shot.media_id),
                "id": str(first[row].id),
                "theme": shot.picture.subject,
                "subject": shot.picture.subject,
                "caption": pictures.caption(shot.picture),
                "nsfw": shot.picture.veil,
                "duplicate_of": original,
                "duplicate_kind": shot.duplicate_kind,
                "answer": shot.answer,
                "similarity": shot.similarity if measured else None,
                "quintile": shot.quintile or None,
            }
        )
    rows.sort(key=lambda row: str(row["image_name"]))
    return pa.Table.from_pylist(rows)


# ------------------------------------------------------------- posts and photos


def _posts(made: Made) -> Truth:
    with_photos = [post for post in made.posts if carries_photo(post)]
    found = [post for post in made.posts if searchable(post)]
    listed = [post for post in made.posts if post.id in made.listed]
    both = [post for post in listed if searchable(post)]
    reached = listed + [post for post in found if post.id not in made.listed]
    months = [f"{month:%Y-%m}" for month in plan.MONTHS]
    by_month = Counter(f"{post.created_at:%Y-%m}" for post in with_photos)
    return {
        "growth_per_month": plan.GROWTH,
        "posts_per_month": {month: by_month[month] for month in months},
        "posts": len(with_photos),
        "carried": dict(Counter(post.carries for post in made.posts)),
        "listed": len(made.listed),
        "found_by_search": len(found),
        "found_both_ways": len(both),
        "outcomes": _outcomes(reached),
        "outcomes_listed": _outcomes(listed),
        "rows": sum(len(post.photos) for post in with_photos),
    }


def _outcomes(posts: Sequence[Post]) -> dict[str, int]:
    """Posts per outcome of a look-up."""
    return dict(Counter(GONE.get(post.carries, "found") for post in posts))


def _photos(made: Made) -> Truth:
    kinds = Counter(shot.duplicate_kind for shot in made.shots if shot.duplicate_kind)
    shared = []
    for post in made.posts:
        if post.carries == "media_id":
            photo = made.shots[post.photos[0]]
            shared.append([str(post.id), str(photo.media_id)])
    kept = [shot for shot in made.shots if shot.fresh]
    pairs = []
    for shot in made.shots:
        if shot.duplicate_of is not None:
            original = made.shots[shot.duplicate_of]
            ids = [str(shot.media_id), str(original.media_id)]
            pairs.append([*ids, shot.duplicate_kind])
    return {
        "photos": len(made.shots),
        "answers": dict(Counter(shot.answer for shot in made.shots)),
        "fetched": sum(shot.answer not in DEAD for shot in made.shots),
        "kept": len(kept),
        "duplicates": {"media_id": len(shared), **kinds},
        "duplicate_pairs": pairs,
        "shared_photos": shared,
        "nsfw_share": float(np.mean([shot.picture.veil for shot in kept])),
    }


def _themes(made: Made) -> Truth:
    kept = Counter(shot.picture.subject for shot in made.shots if shot.fresh)
    prompts = next(one for one in made.sets if one.name == "prompts")
    asked = Counter(picture.subject for picture in prompts.pictures)
    p, q = _shares(kept), _shares(asked)
    change = {theme: plan.SHARES[theme][1] for theme in THEMES}
    return {
        "themes": list(THEMES),
        "rising": [theme for theme in THEMES if change[theme] > 0],
        "falling": [theme for theme in THEMES if change[theme] < 0],
        "flat": [theme for theme in THEMES if change[theme] == 0],
        "nsfw_themes": sorted(plan.VEILED),
        "p": p,
        "q": q,
        "kl_posts_prompts": _divergence(p, q),
    }


def _shares(counts: Counter[str]) -> dict[str, float]:
    """The share of each theme."""
    return {theme: counts[theme] / counts.total() for theme in THEMES}


def _divergence(p: Mapping[str, float], q: Mapping[str, float]) -> float | None:
    """KL(p, q) in nats; None where it is infinite, because q lacks a theme of p."""
    themes = [theme for theme in THEMES if p[theme]]
    if not all(q[theme] for theme in themes):
        return None
    terms = [p[theme] * np.log(p[theme] / q[theme]) for theme in themes]
    return float(sum(terms))


def _likes(made: Made) -> Truth:
    live = [post.likes for post in made.posts if carries_photo(post)]
    by_quintile = {str(n): irr for n, irr in enumerate(likes.QUINTILE_IRR, 1)}
    brackets = ("<500", "500-5000", ">5000")
    by_followers = dict(zip(brackets, likes.FOLLOWER_IRR, strict=True))
    return {
        "quintile_irr": by_quintile,
        "follower_irr": by_followers,
        "frailty_variance": plan.FRAILTY_VARIANCE,
        "mean_likes": float(np.mean(live)),
        "authors": len(made.authors.ids),
    }


# ------------------------------------------------------------------- geometry


def _geometry(made: Made) -> Truth:
    by_set = dict(made.embedded)
    groups = {one.name: one for one in made.sets}
    distances = {name: mean_distance(rows) for name, rows in by_set.items()}
    distances["same artist"] = _within(by_set["paintings"], PER_ARTIST)
    distances["same prompt"] = _within(by_set["prompts"], PER_PROMPT)
    between = _between(by_set["prompts"], np.array(groups["prompts"].groups()))
    return {
        "distances": distances,
        "between_prompts": between,
        "within_between": distances["same prompt"] / between,
    }


def mean_distance(rows: NDArray[np.float16]) -> float:
    """Mean Euclidean distance over all pairs of different rows (paper, Fig 3a)."""
    pairs = np.triu_indices(len(rows), 1)
    return float(_pairwise(rows)[pairs].mean())


def _pairwise(rows: NDArray[np.float16]) -> NDArray[np.float64]:
    """Distances between all rows, float64[n, n]."""
    exact = rows.astype(np.float64)
    square = (exact**2).sum(1)
    distance = square[:, None] + square[None] - 2 * exact @ exact.T
    # Rounding leaves some squares just below zero.
    return np.asarray(np.sqrt(np.maximum(distance, 0)))


def _within(rows: NDArray[np.float16], size: int) -> float:
    """Mean distance in each group of `size` consecutive rows, groups weighted equally."""
    starts = range(0, len(rows), size)
    distances = [mean_distance(rows[at : at + size]) for at in starts]
    return float(np.mean(distances))


def _between(rows: NDArray[np.float16], groups: NDArray[np.str_]) -> float:
    different = groups[:, None] != groups[None]
    return float(_pairwise(rows)[different].mean())
