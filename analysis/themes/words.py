"""Words of posts and captions: what counts as a word, and which words are stopwords; used by Fig 1c and Fig 4c.

`twigma analyze` counts them. Words are lower case, letters only, two letters or more.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from itertools import repeat

TOKEN = re.compile(r"[^\W\d_]{2,}")
# What a post carries beside its words: links, mentions, hashtags, the mark of a retweet, escaped characters.
NOISE = re.compile(r"https?://\S+|www\.\S+|[@#]\w+|\bRT\b|&\w+;")
# What BLIP writes whatever it sees ("arafed" is its well-known invented word); themes are what is left.
BOILERPLATE = frozenset(
    [
        "araffe",
        "araffes",
        "arafed",
        "araffed",
        "arafe",
        "there",
        "close",
        "closeup",
        "image",
        "images",
        "picture",
        "pictures",
    ]
)


@functools.cache
def stopwords() -> frozenset[str]:
    """English words with no subject of their own, in the form our tokens have ("don't" gives "don")."""
    from wordcloud import STOPWORDS

    listed = " ".join(STOPWORDS).lower()
    return frozenset(TOKEN.findall(listed))


def tokens(text: str, drop: frozenset[str] = frozenset()) -> list[str]:
    """The words of one text, without links, mentions, hashtags, stopwords and `drop`.

    >>> tokens("RT @ada: New AI art, isn't it? https://t.co/x #aiart 2023")
    ['new', 'ai', 'art']
    """
    words = TOKEN.findall(NOISE.sub(" ", text).lower())
    dropped = stopwords() | drop
    return [word for word in words if word not in dropped]


def count(
    texts: Iterable[str | None],
    drop: frozenset[str] = frozenset(),
    weights: Iterable[float] | None = None,
) -> dict[str, float]:
    """How often each word occurs over all texts; a missing text has no words.

    `weights`, one a text, are how many texts each represents; counts are then sums of them.

    >>> count(["new art", "old art"], weights=[2, 5])
    {'new': 2, 'art': 7, 'old': 5}
    """
    if weights is None:
        weights = repeat(1)
    counts: dict[str, float] = {}
    # Not strict: `repeat` has no end.
    for text, weight in zip(texts, weights, strict=False):
        for word in tokens(text or "", drop):
            counts[word] = counts.get(word, 0) + weight
    return counts


def total(counts: Mapping[str, float]) -> float:
    """Occurrences of all words together, at least 1."""
    return max(sum(counts.values()), 1)


def ranked(counts: Mapping[str, float], n: int) -> list[tuple[str, float]]:
    """The `n` most frequent words, ties in alphabetical order, so that equal data gives equal tables."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:n]
