"""Words of posts and captions: what counts as a word, and which words are stopwords; used by Fig 1c and Fig 4c.

`twigma analyze` counts them. Words are lower case, letters only, two letters or more. Texts of ASCII are cut into words
by Arrow, many at a time; all others by Python, one by one.
"""

import functools
import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from twigma.analysis.convert import Array

TOKEN = re.compile(r"[^\W\d_]{2,}")
# What a post carries beside its words: links, mentions, hashtags, the mark of a retweet, escaped characters.
NOISE = re.compile(r"https?://\S+|www\.\S+|[@#]\w+|\bRT\b|&\w+;")
TEXTS = 100_000  # that are counted at a time
# NOISE of ASCII for Arrow, whose RE2 knows fewer blanks: Python has four separators and the vertical tab beside them.
ASCII_NOISE = (
    r"https?://[^\t-\r\x1c-\x20]+|www\.[^\t-\r\x1c-\x20]+|[@#]\w+|\bRT\b|&\w+;"
)
SHORTEST = 2  # letters of a word
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


class WordCounts:
    """The words of each group of texts, and how often each occurs; of weighted texts, the sum of their weights.

    >>> counts = WordCounts()
    >>> texts = pa.array(["New art", "old art", None])
    >>> counts.add(texts, np.array([7, 8, 9]), np.array([2, 5, 1]))
    >>> counts.by_group
    {7: {'new': 2, 'art': 2}, 8: {'art': 5, 'old': 5}}
    """

    def __init__(self, drop: frozenset[str] = frozenset()) -> None:
        """`drop` are words that are not counted, beside the stopwords."""
        self.by_group: dict[int, dict[str, float]] = {}
        self._drop = drop

    def add(
        self,
        texts: pa.Array | pa.ChunkedArray,
        groups: npt.NDArray[np.int64],
        weights: Array,
    ) -> None:
        """Count some texts.

        Parameters
        ----------
        texts : string [n]; a missing one has no words, and its group need not have any.
        groups : int64 [n]. weights : int or float [n]; ints add up to ints.
        """
        for start in range(0, len(texts), TEXTS):
            some = slice(start, start + TEXTS)
            block = texts.slice(start, TEXTS)
            self._add(block, groups[some], weights[some])

    def _add(
        self, texts: pa.Array, groups: npt.NDArray[np.int64], weights: Array
    ) -> None:
        known = pc.is_valid(texts).to_numpy(zero_copy_only=False)
        for group in np.unique(groups[known]):
            self.by_group.setdefault(int(group), {})
        is_ascii = pc.fill_null(pc.string_is_ascii(texts), False)
        ascii_rows = is_ascii.to_numpy(zero_copy_only=False)
        self._add_ascii(texts.filter(is_ascii), groups[ascii_rows], weights[ascii_rows])
        others = np.flatnonzero(known & ~ascii_rows)
        for row, text in zip(
            others, texts.take(pa.array(others)).to_pylist(), strict=True
        ):
            counts = self.by_group[int(groups[row])]
            for word in tokens(text, self._drop):
                counts[word] = counts.get(word, 0) + weights[row].item()

    def _add_ascii(
        self, texts: pa.Array, groups: npt.NDArray[np.int64], weights: Array
    ) -> None:
        """Texts of ASCII, none missing."""
        clean = pc.ascii_lower(pc.replace_substring_regex(texts, ASCII_NOISE, " "))
        letters = pc.replace_substring_regex(clean, "[^a-z]+", " ")
        if isinstance(letters, pa.ChunkedArray):
            letters = letters.combine_chunks()
        split = pc.split_pattern(letters, " ")
        row = pc.list_parent_indices(split).to_numpy()
        encoded = pc.list_flatten(split).dictionary_encode()
        words = encoded.dictionary.to_pylist()
        distinct, group = np.unique(groups, return_inverse=True)
        cells = group[row] * len(words) + encoded.indices.to_numpy()
        size = len(distinct) * len(words)
        sums = np.bincount(cells, weights[row], minlength=size)
        if np.issubdtype(weights.dtype, np.integer):
            sums = sums.astype(np.int64)
        occurs = np.bincount(cells, minlength=size) > 0
        dropped = stopwords() | self._drop
        is_word = np.array(
            [len(w) >= SHORTEST and w not in dropped for w in words], bool
        )
        for cell in np.flatnonzero(occurs & np.tile(is_word, len(distinct))):
            counts = self.by_group[int(distinct[cell // len(words)])]
            word = words[cell % len(words)]
            counts[word] = counts.get(word, 0) + sums[cell].item()


def total(counts: Mapping[str, float]) -> float:
    """Occurrences of all words together, at least 1."""
    return max(sum(counts.values()), 1)


def ranked(counts: Mapping[str, float], n: int) -> list[tuple[str, float]]:
    """The `n` most frequent words, ties in alphabetical order, so that equal data gives equal tables."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:n]
