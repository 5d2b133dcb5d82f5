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
BATCH = 64  # images that the model reads at once
LISTED = 0.4  # of all posts are in the published list of ids
# Odds that X marks a post as sensitive, with and without a veil in its photos.
SENSITIVE = {True: 0.8, False: 0.03}
STATES = ("deleted", "protected", "suspended", "absent")
# What a media key of X starts with, width and height.
VIDEO = {"video": ("7", 1280, 720), "animated_gif": ("16", 480, 480)}
LANGUAGES = {"en": 0.86, "ja": 0.06, "es": 0.04, "qme": 0.04}


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
    count = max(20, posts // PER_AUTHOR + posts // 60)
    authors = plan.draw_authors(count, rng)
    made = plan.draw_posts(posts, authors, rng)
    shots = photos.draw_photos(made, rng)
    sets = references_of(references, seed)
    encoder = load_encoder(str(CLIP))
    embedded = _draw(folder, shots, sets, encoder)
    # Likes depend upon similarity, so posts get their photos once these are embedded.
    photos.give(made, shots, rng)
    _number(made, shots, rng)
    _fill(made, shots, authors, rng)
    listed = _write(folder, made, shots, authors, rng)
    world = planted.Made(made, shots, authors, sets, embedded, listed)
    planted.write(folder, settings, world)


def references_of(size: int, seed: int) -> list[Reference]:
    """The three reference sets of a world."""
    return references.draw_references(size, np.random.default_rng([seed, 2]))


def _draw(
    folder: Path, shots: list[Photo], sets: Sequence[Reference], encoder: Encoder
) -> dict[str, NDArray[np.float16]]:
    """Draw everything, write the reference sets, note the quintiles; the embeddings by set, fresh photos as `posts`."""
    wanted = [shot.picture for shot in shots]
    for one in sets:
        wanted += one.pictures
    files = iter(photos.render(wanted, processes=2))
    for shot, data in zip(shots, islice(files, len(shots)), strict=True):
        shot.data = data
    photos.odd_files(shots)
    embedded: dict[str, NDArray[np.float16]] = {}
    for one in sets:
        mine = list(islice(files, len(one.pictures)))
        one.write(folder / "references" / f"{one.name}.tar", mine)
        embedded[one.name] = _embed(encoder, mine, one.name)
    fresh = [shot.data for shot in shots if shot.fresh]
    embedded["posts"] = _embed(encoder, fresh, "posts")
    near = likes.similarity(embedded["posts"], embedded["paintings"])
    photos.quintiles_into(shots, near, likes.quintiles(near))
    return embedded


def _embed(encoder: Encoder, files: Sequence[bytes], name: str) -> NDArray[np.float16]:
    """Embeddings float16[n, 768], as users get them; the model runs while a thread decodes what comes next."""
    bar = progress_bar(files, desc=f"embed the {name}", unit="image")
    embedded = []
    with one_thread(), ThreadPoolExecutor(1) as pool:
        ready = pool.map(lambda data: encoder.prepare(read_pixels(data)[1]), bar)
        for _ in range(0, len(files), BATCH):
            embedded.append(encoder.forward(list(islice(ready, BATCH))))
    return np.concatenate(embedded)


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
        # A post without photos has the text of one it could have had.
        first = shots[post.photos[0]].picture if post.photos else None
        shown = first or plan.draw_picture(theme, rng)
        post.tagged = bool(rng.random() < texts.TAGGED)
        words, retweet = pictures.caption(shown), post.carries == "retweet"
        post.text = texts.post_text(words, post.tagged, retweet, rng)
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
    videos = {post.id: _video_key(post) for post in posts if post.carries in VIDEO}
    table = _posts_table(posts, shots, authors, videos, rng)
    write_parquet(folder / "posts.parquet", table)
    media = [*_photo_rows(shots, rng), *_video_rows(posts, videos, rng)]
    write_parquet(folder / "media.parquet", pa.Table.from_pylist(media, MEDIA))
    listed = _listed(posts, rng)
    spreadsheet.write_rows(folder / "ids.csv", ["id"], ([number] for number in listed))
    return set(listed)


def _video_key(post: Post) -> str:
    """The media key of a video, uploaded nine seconds before its post."""
    prefix, _, _ = VIDEO[post.carries]
    return f"{prefix}_{post.id - (9_000 << 22)}"


def _posts_table(
    posts: Sequence[Post],
    shots: Sequence[Photo],
    authors: Authors,
    videos: dict[int, str],
    rng: Rng,
) -> pa.Table:
    # The four draws below are in the order of the columns: another is another world.
    retweets = rng.poisson([0.18 * post.likes + 0.2 for post in posts])
    languages, odds = list(LANGUAGES), list(LANGUAGES.values())
    spoken = rng.choice(languages, len(posts), p=odds)
    quotes = rng.poisson(retweets * 0.1)
    replies = rng.poisson([0.06 * post.likes + 0.1 for post in posts])
    moments = [post.created_at for post in posts]
    keys = [_media_keys(post, shots, videos) for post in posts]
    return pa.table(
        {
            "id": [str(post.id) for post in posts],
            "author_id": [authors.ids[post.author] for post in posts],
            "created_at": pa.array(moments, pa.timestamp("ms")),
            "text": [post.text for post in posts],
            "lang": spoken.tolist(),
            "like_count": pa.array([post.likes for post in posts], pa.int64()),
            "quote_count": quotes,
            "reply_count": replies,
            "retweet_count": retweets,
            "possibly_sensitive": [post.sensitive for post in posts],
            "state": [_state(post) for post in posts],
            "media_keys": pa.array(keys, pa.list_(pa.string())),
        }
    )


def _state(post: Post) -> str:
    return post.carries if post.carries in STATES else "live"


def _media_keys(
    post: Post, shots: Sequence[Photo], videos: dict[int, str]
) -> list[str]:
    if post.id in videos:
        return [videos[post.id]]
    return [f"3_{shots[row].media_id}" for row in post.photos]


MEDIA = pa.schema(
    [
        ("media_key", pa.string()),
        ("type", pa.string()),
        ("name", pa.string()),
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
        yield {
            "media_key": f"3_{shot.media_id}",
            "type": "photo",
            "name": name,
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
            key = videos[post.id]
            _, number = key.split("_")
            yield {
                "media_key": key,
                "type": post.carries,
                "name": snowflake.photo_name(int(number), rng),
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
    some = rng.choice(found, more, replace=False)
    return [int(number) for number in rng.permutation([*hidden, *some])]


if __name__ == "__main__":
    build_world(Path(sys.argv[1]))
