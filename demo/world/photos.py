"""The photos of the demo's posts: drawn, copied in three ways, and given to posts.

`demo/world/build.py` draws the world with them.
"""

import datetime
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
        answers: list[str] = []
        for post in _of_month(posts, start):
            # A copy takes its photo from an earlier post.
            if post.carries not in COPIES:
                answers += [_answer(post)] * post.wanted
        themes = plan.draw_themes(month, len(answers), rng)
        for theme, answer in zip(themes, answers, strict=True):
            photos.append(Photo(plan.draw_picture(theme, rng), month, answer))
    for row in rng.choice(len(photos), len(photos) // 25, replace=False):
        shape = SHAPES[int(row) % len(SHAPES)]
        photos[row].picture = replace(photos[row].picture, size=shape)
    return photos


def carries_photo(post: Post) -> bool:
    """Whether the post is one of those with photos (retweets and all that is gone are not)."""
    return post.carries == "photo" or post.carries in plan.CARRIED


def _of_month(posts: Sequence[Post], start: datetime.date) -> list[Post]:
    """The posts with photos of the month that begins on `start`."""
    month = start.year, start.month
    carrying = [post for post in posts if carries_photo(post)]
    return [p for p in carrying if (p.created_at.year, p.created_at.month) == month]


def _answer(post: Post) -> str:
    return "ok" if post.carries in ("photo", "several") else post.carries


# ------------------------------------------------------------------ pixels


def render(shown: Sequence[Picture], processes: int) -> list[bytes]:
    """The image files of these pictures, in order."""
    # A small world is drawn before a second process has started.
    with workers(processes if len(shown) > 500 else 1) as pool:
        if pool is None:
            return [_file(picture) for picture in shown]
        return list(pool.map(_file, shown, chunksize=CHUNK))


def _file(picture: Picture) -> bytes:
    return pictures.encode(pictures.draw(picture))


def odd_files(photos: Sequence[Photo]) -> None:
    """Store one photo as a PNG, and one turned on its side with an EXIF note that says so."""
    healthy = [photo for photo in photos if photo.answer == "ok"]
    png, turned = healthy[len(healthy) // 3], healthy[len(healthy) // 2]
    png.data = pictures.encode(pictures.draw(png.picture), form="PNG")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    on_its_side = pictures.draw(turned.picture).transpose(Image.Transpose.ROTATE_90)
    turned.data = pictures.encode(on_its_side, exif=exif)


def reencoded(data: bytes, rng: Rng) -> bytes:
    """The same picture a little smaller, saved again at a lower quality."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    side = rng.uniform(0.82, 0.96)
    size = (round(image.width * side), round(image.height * side))
    small = image.resize(size, Image.Resampling.LANCZOS)
    return pictures.encode(small, quality=int(rng.integers(70, 82)))


# ------------------------------------------------------------------- giving


def give(posts: Sequence[Post], photos: list[Photo], rng: Rng) -> None:
    """Give every post its photos. Those of one post share a quintile, as likes belong to a post; copies come last.

    Copies whose file is another one are appended to `photos`.
    """
    for month, start in enumerate(plan.MONTHS):
        rows = [row for row, photo in enumerate(photos) if photo.month == month]
        _give_month(_of_month(posts, start), rows, photos, rng)
    earlier: list[tuple[Post, int]] = []
    for post in posts:
        if post.carries in COPIES:
            _copy(post, earlier, photos, rng)
        for row in post.photos:
            if photos[row].fresh and photos[row].answer == "ok":
                earlier.append((post, row))


def _give_month(
    posts: Sequence[Post], rows: Sequence[int], photos: Sequence[Photo], rng: Rng
) -> None:
    left: dict[str, dict[int, list[int]]] = {}  # rows by answer and quintile
    for row in rng.permutation(rows).tolist():
        by_quintile = left.setdefault(photos[row].answer, {})
        by_quintile.setdefault(photos[row].quintile, []).append(row)
    own = [post for post in posts if post.carries not in COPIES]
    # Posts that want several choose first, while a quintile still has so many.
    for post in sorted(own, key=lambda post: -post.wanted):
        by_quintile = left[_answer(post)]
        post.photos = list(_take(by_quintile, post.wanted, rng))
        post.quintile = photos[post.photos[0]].quintile or int(rng.integers(1, 6))


def _take(by_quintile: dict[int, list[int]], wanted: int, rng: Rng) -> Iterator[int]:
    """`wanted` photos of one quintile, or of the fullest ones where none has so many."""
    while wanted:
        enough = [key for key, rows in by_quintile.items() if len(rows) >= wanted]
        if enough:
            odds = np.array([len(by_quintile[key]) for key in enough], float)
            key = int(rng.choice(enough, p=odds / odds.sum()))
        else:
            key = max(by_quintile, key=_filled(by_quintile))
        rows = by_quintile[key]
        some = rows[-wanted:]
        del rows[-wanted:]
        wanted -= len(some)
        yield from some


def _filled(by_quintile: dict[int, list[int]]) -> Callable[[int], int]:
    return lambda key: len(by_quintile[key])


def _copy(
    post: Post, earlier: Sequence[tuple[Post, int]], photos: list[Photo], rng: Rng
) -> None:
    """Let the post carry a photo of an earlier post: the same media id, or a copy under a new one."""
    candidates = [
        row
        for other, row in earlier
        if other.created_at < post.created_at and photos[row].picture.size[0] == 256
    ]
    row = int(rng.choice(candidates))
    original = photos[row]
    post.quintile = original.quintile
    if post.carries == "media_id":
        post.photos = [row]
        return
    data = original.data
    if post.carries == "reencoded":
        data = reencoded(data, rng)
    copy = replace(
        original,
        data=data,
        media_id=0,
        duplicate_of=row,
        duplicate_kind=post.carries,
    )
    post.photos = [len(photos)]
    photos.append(copy)


def quintiles_into(
    photos: Sequence[Photo],
    similarity: NDArray[np.float64],
    quintile: NDArray[np.int64],
) -> None:
    """Note the similarity and quintile of the fresh photos, given in their order."""
    fresh = [photo for photo in photos if photo.fresh]
    values = zip(similarity.tolist(), quintile.tolist(), strict=True)
    for photo, (value, fifth) in zip(fresh, values, strict=True):
        photo.similarity = value
        photo.quintile = fifth
