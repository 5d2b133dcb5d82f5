"""The demo's world: posts, photos, authors and reference sets with planted truths.

`python -m twigma.demo.world.build FOLDER` builds it; `twigma demo` does so too and checks what the product recovers.
`demo/platform/server.py` serves it, `demo/truths/compare.py` compares.
"""

import io
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from twigma.builder.models.clip_names import find_model
from twigma.builder.stages.clip_encoder import Encoder, load_encoder
from twigma.core.files import write_parquet
from twigma.core.progress import progress_bar
from twigma.core.safety import spreadsheet
from twigma.demo.drawing import pictures
from twigma.demo.drawing.scenery import Rng
from twigma.demo.training.lessons import one_thread
from twigma.demo.truths import planted
from twigma.demo.world import likes, photos, references, snowflake, texts
from twigma.demo.world import posts as plan
from twigma.demo.world.photos import Photo
from twigma.demo.world.posts import Authors, Post
from twigma.demo.world.references import Reference
from twigma.rehydrate.images.decode import read_pixels

CLIP = Path(__file__).parents[1] / "models" / "clip"
POSTS, REFERENCES, PER_AUTHOR = 2400, 600, 8
LISTED = 0.4  # of all posts stand in the published list of ids
SENSITIVE = {
    True: 0.8,
    False: 0.03,
}  # odds that X marks a post as sensitive, with and without a veil in its photos
STATES = ("deleted", "protected", "suspended", "absent")
VIDEO = {"video": ("7", 1280, 720), "animated_gif": ("16", 480, 480)}


def build_world(
    folder: Path, seed: int = 0, *, posts: int = POSTS, references: int = REFERENCES
) -> None:
    """Write the world to `folder`, the same bytes for the same arguments; nothing when it is there already.

    `posts` is the number of live posts with photos, `references` the size of each reference set. ValueError when
    the folder holds another world.
    """
    settings = {
        "seed": seed,
        "posts": posts,
        "references": references,
        "clip": find_model(str(CLIP)).sha256,
    }
    if planted.finished(folder, settings):
        return
    rng = np.random.default_rng([seed, 1])
    authors = plan.draw_authors(max(20, posts // PER_AUTHOR + posts // 60), rng)
    made = plan.draw_posts(posts, authors, rng)
    shots = photos.draw_photos(made, rng)
    sets = references_of(references, seed)
    encoder = load_encoder(str(CLIP))
    embedded = _draw(folder, shots, sets, encoder)
    photos.give(made, shots, rng)
    _number(made, shots, rng)
    _fill(made, shots, authors, rng)
    listed = _write(folder, made, shots, authors, rng)
    planted.write(
        folder, settings, planted.Made(made, shots, authors, sets, embedded, listed)
    )


def references_of(size: int, seed: int) -> list[Reference]:
    """The three reference sets of a world."""
    return references.draw_references(size, np.random.default_rng([seed, 2]))


def _draw(
    folder: Path, shots: list[Photo], sets: Sequence[Reference], encoder: Encoder
) -> dict[str, NDArray[np.float16]]:
    """Draw everything, write the reference sets, note the quintiles; the embeddings by set, fresh photos as `posts`."""
    wanted = [shot.picture for shot in shots] + [
        picture for one in sets for picture in one.pictures
    ]
    files = photos.render(wanted, processes=2)
    for shot in shots:
        shot.data = files.pop(0)
    photos.odd_files(shots)
    embedded: dict[str, NDArray[np.float16]] = {}
    for one in sets:
        mine = [files.pop(0) for _ in one.pictures]
        one.write(folder / "references" / f"{one.name}.tar", mine)
        embedded[one.name] = _embed(encoder, mine, one.name)
    embedded["posts"] = _embed(
        encoder, [shot.data for shot in shots if shot.fresh], "posts"
    )
    near = likes.similarity(embedded["posts"], embedded["paintings"])
    photos.quintiles_into(shots, near, likes.quintiles(near))
    return embedded


def _embed(encoder: Encoder, files: Sequence[bytes], name: str) -> NDArray[np.float16]:
    """Embeddings float16[n, 768], as users get them; the model runs while a thread decodes what comes next."""
    bar = progress_bar(files, desc=f"place the {name}", unit="image")
    with one_thread(), ThreadPoolExecutor(1) as pool:
        ready = pool.map(lambda data: encoder.prepare(read_pixels(data)[1]), bar)
        return np.concatenate(
            [encoder.forward(list(islice(ready, 64))) for _ in range(0, len(files), 64)]
        )


# ----------------------------------------------------------------- filling in


def _number(posts: Sequence[Post], shots: Sequence[Photo], rng: Rng) -> None:
    """Give each photo the id of an upload within the minute before its first post."""
    for post in posts:
        for row in post.photos:
            if not shots[row].media_id:
                before = int(rng.integers(2_000, 50_000)) << 22
                shots[row].media_id = snowflake.snowflake(post.created_at, rng) - before


def _fill(
    posts: Sequence[Post], shots: Sequence[Photo], authors: Authors, rng: Rng
) -> None:
    """Texts, hashtags, sensitivity and likes; a retweet repeats an earlier post."""
    for post in posts:
        theme = str(rng.choice(pictures.THEMES))
        shown = (
            shots[post.photos[0]].picture
            if post.photos
            else plan.draw_picture(theme, rng)
        )
        post.tagged = bool(rng.random() < texts.TAGGED)
        post.text = texts.post_text(
            pictures.caption(shown), post.tagged, post.carries == "retweet", rng
        )
        veiled = any(shots[row].picture.veil for row in post.photos)
        post.sensitive = bool(rng.random() < SENSITIVE[veiled])
    likes.draw_likes(posts, authors, rng)
    whole = [post for post in posts if post.carries == "photo"]
    for post in posts:
        if post.carries == "retweet":
            post.photos = whole[int(rng.integers(len(whole)))].photos


# -------------------------------------------------------------------- writing


def _write(
    folder: Path, posts: list[Post], shots: list[Photo], authors: Authors, rng: Rng
) -> set[int]:
    """The tables and the published list of ids, which is returned."""
    write_parquet(folder / "users.parquet", authors.table(rng))
    videos = {
        post.id: f"{VIDEO[post.carries][0]}_{post.id - (9_000 << 22)}"
        for post in posts
        if post.carries in VIDEO
    }
    write_parquet(
        folder / "posts.parquet", _posts_table(posts, shots, authors, videos, rng)
    )
    media = [*_photo_rows(shots, rng), *_video_rows(posts, videos, rng)]
    write_parquet(folder / "media.parquet", pa.Table.from_pylist(media, MEDIA))
    listed = _listed(posts, rng)
    spreadsheet.write_rows(folder / "ids.csv", ["id"], ([number] for number in listed))
    return set(listed)


def _posts_table(
    posts: Sequence[Post],
    shots: Sequence[Photo],
    authors: Authors,
    videos: dict[int, str],
    rng: Rng,
) -> pa.Table:
    passed_on = rng.poisson([0.18 * post.likes + 0.2 for post in posts])
    return pa.table(
        {
            "id": [str(post.id) for post in posts],
            "author_id": [authors.ids[post.author] for post in posts],
            "created_at": pa.array(
                [post.created_at for post in posts], pa.timestamp("ms")
            ),
            "text": [post.text for post in posts],
            "lang": rng.choice(
                ["en", "ja", "es", "qme"], len(posts), p=[0.86, 0.06, 0.04, 0.04]
            ).tolist(),
            "like_count": pa.array([post.likes for post in posts], pa.int64()),
            "quote_count": rng.poisson(passed_on * 0.1),
            "reply_count": rng.poisson([0.06 * post.likes + 0.1 for post in posts]),
            "retweet_count": passed_on,
            "possibly_sensitive": [post.sensitive for post in posts],
            "state": [
                post.carries if post.carries in STATES else "live" for post in posts
            ],
            "media_keys": pa.array(
                [
                    [f"3_{shots[row].media_id}" for row in post.photos]
                    or list(_video(post, videos))
                    for post in posts
                ],
                pa.list_(pa.string()),
            ),
        }
    )


def _video(post: Post, videos: dict[int, str]) -> Iterator[str]:
    if post.id in videos:
        yield videos[post.id]


MEDIA = pa.schema(
    [(name, pa.string()) for name in ("media_key", "type", "name")]
    + [
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("answer", pa.string()),
        ("body", pa.binary()),
    ]
)


def _photo_rows(shots: Sequence[Photo], rng: Rng) -> Iterator[dict[str, object]]:
    for shot in sorted(shots, key=lambda shot: shot.media_id):
        name = snowflake.photo_name(shot.media_id, rng)
        width, height = Image.open(io.BytesIO(shot.data)).size
        body = None if shot.answer in ("404", "410") else shot.data
        what = {"media_key": f"3_{shot.media_id}", "type": "photo", "name": name}
        yield {
            **what,
            "width": width,
            "height": height,
            "answer": shot.answer,
            "body": body,
        }


def _video_rows(
    posts: Sequence[Post], videos: dict[int, str], rng: Rng
) -> Iterator[dict[str, object]]:
    for post in posts:
        if post.id in videos:
            _, width, height = VIDEO[post.carries]
            name = snowflake.photo_name(int(videos[post.id].split("_")[1]), rng)
            what = {"media_key": videos[post.id], "type": post.carries, "name": name}
            yield {
                **what,
                "width": width,
                "height": height,
                "answer": "ok",
                "body": None,
            }


def _listed(posts: Sequence[Post], rng: Rng) -> list[int]:
    """Ids of the published list: all that no hashtag finds, and some that one does."""
    hidden = [post.id for post in posts if not planted.searchable(post)]
    found = [post.id for post in posts if planted.searchable(post)]
    more = max(0, round(LISTED * len(posts)) - len(hidden))
    return [
        int(number)
        for number in rng.permutation(
            [*hidden, *rng.choice(found, more, replace=False)]
        )
    ]


if __name__ == "__main__":
    build_world(Path(sys.argv[1]))
