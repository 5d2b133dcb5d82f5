"""Words counted by Arrow against `words.tokens` one text at a time."""

import doctest

import numpy as np
import pyarrow as pa
import pytest

from twigma.analysis.themes import words
from twigma.analysis.themes.words import WordCounts

TEXTS = [
    "RT @ada: New AI art, isn't it? https://t.co/x?a=1 #aiart 2023",
    "see www.example.com\x0bafter a vertical tab, http://a.b\x1dand a separator",
    "&amp;quot; R&B;x a1b under_score x-ray RTs not_RT RT.",
    "araffe there is a painting of a castle Castle CASTLE",
    "自動生成 画像 été e\u0301t #été @été İSTANBUL ½ Ⅷa",
    "the a an", "", " ", "http://", "@ # & ;", None, "naïve art and art",
]  # fmt: skip


def one_by_one(texts, groups, weights, drop=frozenset()):
    counts = {}
    for text, group, weight in zip(texts, groups, weights, strict=True):
        if text is not None:
            of_group = counts.setdefault(group, {})
            for word in words.tokens(text, drop):
                of_group[word] = of_group.get(word, 0) + weight
    return counts


@pytest.mark.parametrize("whole", [True, False], ids=["ints", "floats"])
def test_words_are_those_of_each_text(whole, monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.integers(len(TEXTS), size=500)
    groups = rng.integers(-1, 4, 500)
    weights = rng.integers(1, 5, 500) if whole else rng.uniform(0.5, 3, 500)
    texts = [TEXTS[row] for row in rows]
    monkeypatch.setattr(words, "TEXTS", 70)
    counts = WordCounts(words.BOILERPLATE)
    # A column of several arrays, whose parts are no blocks.
    pieces = pa.chunked_array([texts[:111], texts[111:]], pa.string())
    counts.add(pieces, groups, weights)
    expected = one_by_one(texts, groups, weights.tolist(), words.BOILERPLATE)
    assert counts.by_group.keys() == expected.keys()
    for group, of_group in expected.items():
        assert counts.by_group[group] == pytest.approx(of_group, rel=1e-12)
    if whole:
        assert all(type(n) is int for n in counts.by_group[0].values())


def test_every_ascii_character_parts_words_or_is_of_one_as_in_python():
    texts = []
    for code in range(128):
        for frame in ("ab{}cd", "http://ab{}cd", "@ab{}cd ef", "RT{}ab", "&ab{};cd"):
            texts.append(frame.format(chr(code)))
    counts = WordCounts()
    counts.add(pa.array(texts), np.arange(len(texts)), np.ones(len(texts), int))
    expected = one_by_one(texts, range(len(texts)), [1] * len(texts))
    assert counts.by_group == expected


def test_a_group_without_words_is_one_and_one_without_texts_is_none():
    counts = WordCounts()
    counts.add(pa.array(["the", None], pa.string()), np.array([1, 2]), np.ones(2, int))
    assert counts.by_group == {1: {}}
    assert doctest.testmod(words).failed == 0
