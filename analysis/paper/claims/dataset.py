"""What the paper states of the dataset itself: how much was searched, found, lost and kept (text, abstract, Fig 1)."""

from collections.abc import Iterator

from twigma.analysis.paper import stated
from twigma.analysis.paper.claim import Claim

COLLECT = "a release holds what was kept: pass the folder of `twigma collect` with --work, once all of it is fetched"
LOSSES = "no MANIFEST.json of `twigma release` beside the data, which counts what could not be fetched"
CONTRADICTION = (
    "the paper contradicts itself: {text} in its text, {table} in its Table 1"
)


def dataset_claims() -> Iterator[Claim]:
    """The claims on the dataset, in the order of the paper."""
    yield from _collected()
    yield from _kept()
    yield from _contradictions()
    yield Claim(
        figure="Fig 1b",
        quantity="months",
        sentence="The posts span 27 months.",
        stated=f"{stated.MONTHS}",
        kind="count",
        keys=("data/months",),
        value=stated.MONTHS,
        result="fig1b",
    )
    yield Claim(
        figure="Fig 1b",
        quantity="growth of posts a month",
        sentence="Posts with AI-generated images grow steadily.",
        stated="above 0",
        kind="positive",
        keys=("growth",),
        result="fig1b",
    )


def _collected() -> Iterator[Claim]:
    """What a search finds, which only the folder of the collection knows."""
    hashtags, found = stated.HASHTAGS, stated.POSTS_FOUND
    yield Claim(
        figure="Text",
        quantity="hashtags searched",
        sentence="The posts were searched by 19 hashtags.",
        stated=f"{hashtags}",
        kind="count",
        keys=("collected/hashtags",),
        value=hashtags,
        why=COLLECT,
    )
    yield Claim(
        figure="Text",
        quantity="posts found",
        sentence="The search found about 2.2 million posts.",
        stated=f"about {found:,}",
        kind="count",
        keys=("collected/posts",),
        value=found,
        rounding=50_000,
        why=COLLECT,
    )
    with_photos = stated.POSTS_WITH_PHOTOS
    yield Claim(
        figure="Text",
        quantity="posts with photos",
        sentence="About 1.3 million of them have photos that can be fetched.",
        stated=f"about {with_photos:,}",
        kind="count",
        keys=("collected/posts_with_photos",),
        value=with_photos,
        rounding=50_000,
        why=COLLECT,
    )
    yield Claim(
        figure="Text",
        quantity="share of photos unavailable",
        sentence="About a tenth of the photos were no longer available.",
        stated="about 10%",
        kind="count",
        keys=("data/unavailable",),
        value=stated.UNAVAILABLE,
        rounding=0.05,
        why=LOSSES,
    )


def _kept() -> Iterator[Claim]:
    """What the published table holds."""
    posts, images, rounded = stated.POSTS, stated.IMAGES, stated.IMAGES_ROUNDED
    yield Claim(
        figure="Text",
        quantity="posts",
        sentence="623,707 posts are left after removing duplicates.",
        stated=f"{posts:,}",
        kind="count",
        keys=("data/posts",),
        value=posts,
    )
    yield Claim(
        figure="Text",
        quantity="images",
        sentence="They carry 805,650 images.",
        stated=f"{images:,}",
        kind="count",
        keys=("data/images",),
        value=images,
    )
    yield Claim(
        figure="Abstract",
        quantity="images, rounded",
        sentence="The dataset has over 800,000 images.",
        stated=f"over {rounded:,}",
        kind="count",
        keys=("data/images",),
        value=rounded + 50_000,
        rounding=50_000,
    )


def _contradictions() -> Iterator[Claim]:
    """What Table 1 and the text state differently."""
    text, in_table = "January 2021", "January 2020"
    yield Claim(
        figure="Table 1",
        quantity="first month",
        sentence="The posts begin in January 2020 (Table 1), or in January 2021 (text).",
        stated=f"{stated.FIRST_MONTH_IN_TABLE}, {stated.FIRST_MONTH}",
        kind="none",
        why=CONTRADICTION.format(text=text, table=in_table),
    )
    size, in_table = stated.DIFFUSIONDB, f"{stated.DIFFUSIONDB_IN_TABLE:,}"
    yield Claim(
        figure="Table 1",
        quantity="images of DiffusionDB",
        sentence="DiffusionDB has 18 million images (Table 1), or 14 million (text).",
        stated=f"{in_table}, {size:,}",
        kind="none",
        why=CONTRADICTION.format(text=f"{size:,}", table=in_table),
    )
