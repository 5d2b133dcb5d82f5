"""Texts that a later capture has cut short, as X's older API and tables of tools do with long posts. Pure.

A long post has its whole text in a field of its own (`note_tweet`), for which a capture may not have asked: then its
text ends after 280 characters, or 140. Such a text does not replace one that was whole.
"""

import html
import re
from itertools import groupby
from operator import itemgetter

import numpy as np
import pyarrow as pa

from twigma.core.tables import whole
from twigma.rehydrate.posts.row_numbers import Rows

_LINKS = re.compile(r"(?:\s*https?://\S+)+\s*$")
_DOTS = re.compile(r"\s*(?:…|\.\.\.)$")
# Characters of a text that ends in dots, and of any other, from which its end is taken for a cut: X cuts after 140 or
# 280, of which a link takes up to 25. A shorter text was rather edited.
FEWEST_WITH_DOTS, FEWEST = 20, 100


def is_cut(text: str, whole: str) -> bool:
    """Whether a text is the beginning of a longer one, but for dots and links at its end.

    >>> is_cut("a castle on a hill, in the style of… https://t.co/x", "a castle on a hill, in the style of Monet")
    True
    """
    begins = _LINKS.sub("", html.unescape(text))
    without_dots = _DOTS.sub("", begins)
    fewest = FEWEST if begins == without_dots else FEWEST_WITH_DOTS
    if len(without_dots) < fewest:
        return False
    whole = html.unescape(whole)
    # What a whole text has beyond: more than the link to its photos.
    rest = _LINKS.sub("", whole)[len(without_dots) :]
    return whole.startswith(without_dots) and bool(rest.strip())


def have_several(codes: Rows, moments: Rows, has_text: Rows) -> Rows:
    """bool[n]: rows with a text (bool[n]) of posts that have one at several moments (int64[n]), by codes (int64[n])."""
    first = np.full(codes.max() + 1, np.iinfo(np.int64).max)
    last = np.zeros(len(first), np.int64)
    np.minimum.at(first, codes[has_text], moments[has_text])
    np.maximum.at(last, codes[has_text], moments[has_text])
    return np.asarray(has_text & (first < last)[codes])


def whole_texts(codes: Rows, moments: Rows, texts: pa.ChunkedArray) -> dict[int, int]:
    """By post, the moment of the statement whose text counts where the last text is cut.

    Parameters
    ----------
    codes, moments : int64[n], the post of each row, and the statement, by time.
    texts : string[n], none of them null.
    """
    order = np.lexsort((moments, codes))
    encoded = whole(texts).dictionary_encode()
    kinds = np.asarray(encoded.indices)[order]
    rows = zip(
        codes[order].tolist(), moments[order].tolist(), kinds.tolist(), strict=True
    )
    found: dict[int, int] = {}
    for code, statements in groupby(rows, key=itemgetter(0)):
        ordered = [(moment, kind) for _, moment, kind in statements]
        if len({kind for _, kind in ordered}) == 1:
            continue  # they all have one text
        spelled = [(at, encoded.dictionary[kind].as_py()) for at, kind in ordered]
        moment = _moment_of_whole(spelled)
        if moment != spelled[-1][0]:
            found[code] = moment
    return found


def _moment_of_whole(statements: list[tuple[int, str]]) -> int:
    """When the text was stated that the last one is cut from; of the last one where it is whole."""
    moment, text = statements[-1]
    for earlier, other in reversed(statements):
        if is_cut(text, other) and not is_cut(other, text):
            moment, text = earlier, other
    return moment
