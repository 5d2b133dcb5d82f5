"""One post as an archive has it: what every reader of archives returns. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from twigma.rehydrate.ids.post_id import why_bad
from twigma.rehydrate.posts.post_fields import photo_id

Row = dict[str, Any]
# When a record was captured that does not say so: before any other.
UNDATED = "0001-01-01T00:00:00.000000Z"


class Record(NamedTuple):
    """One post as captured at a time: in the shape of v2 with its media and author, or the error that it is gone.

    The post has `attachments` only where the archive says what media it has.
    """

    id: str
    captured: str
    post: Row | None
    media: Sequence[Row] = ()
    user: Row | None = None
    error: Row | None = None

    @property
    def counts_followers(self) -> bool:
        """Whether it says how many followers the author has."""
        return self.user is not None


def make_record(
    name: Any,
    captured: str,
    post: Mapping[str, Any],
    media: list[Row] | None,
    user: Row | None,
) -> Record | str:
    """The record of a post, or why its id is none. `media` is None where the archive does not say what it has."""
    # A float stays text here, so that the reason can say that its digits are lost.
    name = str(name) if isinstance(name, str | int | float) else ""
    reason = why_bad(name)
    if reason:
        return f"post id {name[:40]!r}: {reason}"
    identified: Row = {"id": name}
    if media is not None:
        keys = [one["media_key"] for one in media]
        identified["attachments"] = {"media_keys": keys}
    return Record(name, captured, {**identified, **post}, media or [], user)


def photo_media(url: str) -> Row:
    """A photo in the shape of v2, of which only the URL is known: it shows the media id."""
    url = url.replace("http://", "https://", 1)
    name = photo_id(url)
    # Another kind of URL is its own key: no photo is fetched from it, but it is counted.
    key = f"3_{name}" if name else url
    return {"media_key": key, "type": "photo", "url": url}
