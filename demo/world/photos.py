"""The photos of the demo's posts: drawn, copied in three ways, and given to posts.

`demo/world/build.py` draws the world with them.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twigma.demo.drawing import pictures
from twigma.demo.drawing.pictures import Picture
from twigma.demo.drawing.scenery import Rng
from twigma.demo.training.lessons import workers
from twigma.demo.world import posts as plan
from twigma.demo.world.posts import COPIES, DEAD, Post

ORIENTATION = 0x0112
SHAPES = ((384, 256), (256, 384), (512, 288))
CHUNK = 32


@dataclass
class Photo:
    """One media id of a post: what it shows, its file, and how the image host answers for it."""

    picture: Picture
    month: int
    answer: str = "ok"
    data: bytes = b""
    media_id: int = 0
    quintile: int = 0
    similarity: float = float("nan")
    duplicate_of: int | None = None  # row of the photo that this is a copy of
    duplicate_kind: str | None = None

    @property
    def fresh(self) -> bool:
        """Whether it can be fetched and copies no other: the images that quintiles are made of."""
        return self.duplicate_of is None and self.answer not in DEAD


def draw_photos(posts: Sequence[Post], rng: Rng) -> list[Photo]:
    """A photo for every picture the posts need, month by month; nothing is drawn yet."""
    photos: list[Photo] = []
    for month, start in enumerate(plan.MONTHS):
        mine = [
            post
            for post in posts
            if _month(post) == (start.year, start.month) and carries_photo(post)
        ]
        answers = [
            _answer(post)
            for post in mine
            if post.carries not in COPIES
            for _ in range(post.wanted)
        ]
        themes = plan.draw_themes(month, len(answers), rng)
        photos += [
            Photo(plan.draw_picture(t, rng), month, answer)
            for t, answer in zip(themes, answers, strict=True)
        ]
    for row in rng.choice(len(photos), len(photos) // 25, replace=False):
        shape = SHAPES[int(row) % len(SHAPES)]
        photos[row].picture = replace(photos[row].picture, size=shape)
    return photos


def carries_photo(post: Post) -> bool:
    """Whether the post is one of those with photos (retweets and all that is gone are not)."""
    return post.carries == "photo" or post.carries in plan.CARRIED


def _month(post: Post) -> tuple[int, int]:
    return post.created_at.year, post.created_at.month


def _answer(post: Post) -> str:
    return "ok" if post.carries in ("photo", "several") else post.carries


# ------------------------------------------------------------------ pixels


def render(shown: Sequence[Picture], processes: int) -> list[bytes]:
    """The image files of these pictures, in order."""
    with workers(processes if len(shown) > 500 else 1) as pool:
        return list(
            pool.map(_file, shown, chunksize=CHUNK) if pool else map(_file, shown)
        )


def _file(picture: Picture) -> bytes:
    return pictures.encode(pictures.draw(picture))


def odd_files(photos: Sequence[Photo]) -> None:
    """Store one photo as a PNG, and one turned on its side with an EXIF note that says so."""
    healthy = [photo for photo in photos if photo.answer == "ok"]
    png, turned = healthy[len(healthy) // 3], healthy[len(healthy) // 2]
    png.data = pictures.encode(pictures.draw(png.picture), form="PNG")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned.data = pictures.encode(
        pictures.draw(turned.picture).transpose(Image.Transpose.ROTATE_90), exif=exif
    )


def reencoded(data: bytes, rng: Rng) -> bytes:
    """The same picture a little smaller, saved again at a lower quality."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    side = rng.uniform(0.82, 0.96)
    small = image.resize(
        (round(image.width * side), round(image.height * side)),
        Image.Resampling.LANCZOS,
    )
    return pictures.encode(small, quality=int(rng.integers(70, 82)))


# ------------------------------------------------------------------- giving


def give(posts: Sequence[Post], photos: list[Photo], rng: Rng) -> None:
    """Give every post its photos. Those of one post share a quintile, as likes belong to a post; copies come last.

    Copies whose file is another one are appended to `photos`.
    """
    for month, start in enumerate(plan.MONTHS):
        mine = [
            post
            for post in posts
            if _month(post) == (start.year, start.month) and carries_photo(post)
        ]
        rows = [row for row, photo in enumerate(photos) if photo.month == month]
        _give_month(mine, rows, photos, rng)
    given: list[tuple[Post, int]] = []
    for post in posts:
        if post.carries in COPIES:
            _copy(post, given, photos, rng)
        given += [
            (post, row)
            for row in post.photos
            if photos[row].fresh and photos[row].answer == "ok"
        ]


def _give_month(
    posts: Sequence[Post], rows: Sequence[int], photos: Sequence[Photo], rng: Rng
) -> None:
    left: dict[str, dict[int, list[int]]] = {}
    for row in rng.permutation(rows).tolist():
        left.setdefault(photos[row].answer, {}).setdefault(
            photos[row].quintile, []
        ).append(row)
    for post in sorted(
        (post for post in posts if post.carries not in COPIES),
        key=lambda post: -post.wanted,
    ):
        by_quintile = left[_answer(post)]
        post.photos = list(_take(by_quintile, post.wanted, rng))
        post.quintile = photos[post.photos[0]].quintile or int(rng.integers(1, 6))


def _take(by_quintile: dict[int, list[int]], wanted: int, rng: Rng) -> Iterator[int]:
    """`wanted` photos of one quintile, or of the fullest ones where none has so many."""
    while wanted:
        enough = [key for key, rows in by_quintile.items() if len(rows) >= wanted]
        odds = np.array([len(by_quintile[key]) for key in enough], float)
        key = (
            int(rng.choice(enough, p=odds / odds.sum()))
            if enough
            else max(by_quintile, key=_filled(by_quintile))
        )
        rows = by_quintile[key]
        some = rows[-wanted:]
        del rows[-wanted:]
        wanted -= len(some)
        yield from some


def _filled(by_quintile: dict[int, list[int]]) -> Callable[[int], int]:
    return lambda key: len(by_quintile[key])


def _copy(
    post: Post, given: Sequence[tuple[Post, int]], photos: list[Photo], rng: Rng
) -> None:
    """Let the post carry a photo of an earlier post: the same media id, or a copy under a new one."""
    earlier = [
        row
        for other, row in given
        if other.created_at < post.created_at and photos[row].picture.size[0] == 256
    ]
    row = int(rng.choice(earlier))
    original = photos[row]
    post.quintile = original.quintile
    if post.carries != "media_id":
        data = (
            original.data
            if post.carries == "identical"
            else reencoded(original.data, rng)
        )
        photos.append(
            replace(
                original,
                data=data,
                media_id=0,
                duplicate_of=row,
                duplicate_kind=post.carries,
            )
        )
        row = len(photos) - 1
    post.photos = [row]


def quintiles_into(
    photos: Sequence[Photo],
    similarity: NDArray[np.float64],
    quintile: NDArray[np.int64],
) -> None:
    """Note the similarity and quintile of the fresh photos, given in their order."""
    fresh = [photo for photo in photos if photo.fresh]
    for photo, value, fifth in zip(
        fresh, similarity.tolist(), quintile.tolist(), strict=True
    ):
        photo.similarity, photo.quintile = value, fifth
