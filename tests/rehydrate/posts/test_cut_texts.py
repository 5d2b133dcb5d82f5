"""A later capture with a text cut short takes nothing from a whole one; an edited text replaces it."""

from typing import Any

import pytest

from twigma.rehydrate.posts.cut_texts import is_cut
from twigma.rehydrate.posts.parse_pages import posts

LONG = " ".join(f"word{at}" for at in range(90)) + " & the end #last"
LINK = " https://t.co/abcdefghij"
KEY = "3_1565745318061842432"


def page(day: int, **fields: Any) -> dict[str, Any]:
    """A page of the API of one post with a photo; `fields` are of the post."""
    # The first 11 characters of the name of a photo spell its id.
    url = "https://pbs.twimg.com/media/FbqlEjPOoAAxxxx.jpg"
    post = {"id": "1565745318061842432", "attachments": {"media_keys": [KEY]}}
    media = {"media_key": KEY, "type": "photo", "url": url}
    answer = {"data": [post | fields], "includes": {"media": [media]}}
    request = {"ids": [post["id"]]}
    received = f"2024-01-{day:02}T00:00:00Z"
    return {"request": request, "answer": answer, "received_at": received}


def row(*pages: dict[str, Any]) -> dict[str, Any]:
    table, _ = posts(pages)
    found: dict[str, Any]
    (found,) = table.to_pylist()
    return found


@pytest.mark.parametrize(
    "cut",
    [
        LONG[:279] + "…" + LINK,
        LONG[:270] + "..." + LINK,
        LONG[:115] + "…" + LINK,  # as version 1.1 of the API has it
        LONG[:280],
        LONG[:255],
    ],
)
def test_a_cut_text_replaces_no_whole_one_but_counts_do(cut: str) -> None:
    note = page(
        1,
        text=LONG[:275] + "…" + LINK,
        note_tweet={"text": LONG},
        public_metrics={"like_count": 1},
    )
    later = page(2, text=cut, public_metrics={"like_count": 5})
    for pages in ([note, later], [later, note], [note, later, page(3, text=cut)]):
        found = row(*pages)
        assert found["text"] == LONG
        assert found["hashtags"] == ["last"]
        assert found["like_count"] == 5
    assert row(later)["text"] == cut  # nothing better is known


def test_of_several_whole_texts_the_last_before_the_cut_counts() -> None:
    edited = LONG.replace("the end", "the very end")
    cut = page(3, text=LONG[:250] + "…")
    first, second = page(1, text=LONG), page(2, text=edited)
    assert row(first, second, cut)["text"] == edited
    assert row(first, cut)["text"] == LONG


@pytest.mark.parametrize(
    "text",
    [
        "a new text",
        LONG.replace("word3", "other"),
        "word0 word1" + LINK,  # too short to be what X cuts
        LONG + " and more",
        "…",
    ],
)
def test_another_text_is_an_edit_and_counts(text: str) -> None:
    assert row(page(1, text=LONG), page(2, text=text))["text"] == text


def test_entities_of_html_and_the_link_to_photos_are_no_difference() -> None:
    whole = "x" * 120 + " & more"
    assert is_cut("x" * 120 + " &amp;…" + LINK, whole)
    assert not is_cut("x" * 120 + LINK, "x" * 120 + LINK + LINK)
    assert not is_cut(whole, whole)
