"""What was taken out on request and must not come back: `WORK/removed.json`, salted hashes of post and image ids.

`twigma removals` writes it. Every page is stripped of what it names before it is stored, and every list before it is
used, so that look-ups, searches, imports and added images cannot bring any of it back.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from twigma.core.files import write_json
from twigma.rehydrate.posts.page_content import dicts, media_keys, versions

POSTS = ("tweets", "posts")  # of `includes`, in either dialect
SCRYPT = {"n": 1 << 15, "r": 8, "p": 1}
HEADING = """\
# What was taken out on request. To find what to drop from a copy, try the ids that this release no longer holds.
# In Python: private = sha256((salt + id).encode()).hexdigest()
#            scrypt(private.encode(), salt=salt.encode(), n=2**15, r=8, p=1, maxmem=2**26, dklen=32).hex()
# Each id tried costs about 0.1 s of a core and 32 MiB. That keeps people from trying every id of a month. It does not
# hide which ids of a list that somebody has were taken out: whoever has an earlier release compares the two.
"""
REFERENCES = ("referenced_tweets", "referenced_posts")


@dataclass(frozen=True)
class Removed:
    """Salted SHA-256 hashes of ids, for a private file: fast to check, and so fast to try ids of a known month on."""

    salt: str = ""
    hashes: frozenset[str] = frozenset()

    def holds(self, name: Any) -> bool:
        """Whether this id of a post or an image was removed."""
        return (
            bool(self.hashes)
            and isinstance(name, str)
            and hash_of(self.salt, name) in self.hashes
        )

    def mask(self, names: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Which of these ids were removed, bool[n]; null ids were not."""
        if not self.hashes:
            return pa.repeat(pa.scalar(False), len(names))
        return pa.array([self.holds(name) for name in names.to_pylist()], pa.bool_())


def hash_of(salt: str, name: str) -> str:
    """The SHA-256 of the salt and an id, in hex.

    >>> hash_of("salt", "1") == hashlib.sha256(b"salt1").hexdigest()
    True
    """
    return hashlib.sha256(f"{salt}{name}".encode()).hexdigest()


def public_hash(salt: str, private: str) -> str:
    """The hash that a release may carry, made of the salt and the hash that `hash_of` gives, in hex.

    It is slow on purpose: about 0.1 s of a core and 32 MiB for every id that somebody tries.
    """
    made = hashlib.scrypt(
        private.encode(), salt=salt.encode(), maxmem=64 << 20, dklen=32, **SCRYPT
    )
    return made.hex()


def public_list(removed: Removed) -> str:
    """The text of a release's `removals.txt`: how its hashes are made, what they hide and what not, and the hashes."""
    if not removed.hashes:
        return f"{HEADING}# Nothing was taken out.\n"
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        slow = sorted(
            threads.map(
                lambda private: public_hash(removed.salt, private), removed.hashes
            )
        )
    return "\n".join([f"{HEADING}# salt: {removed.salt}", *slow, ""])


def read_removed(work: Path) -> Removed:
    """The removals of a working folder; ValueError when the file is damaged: nobody's wish may be lost."""
    path = Path(work) / "removed.json"
    if not path.exists():
        return Removed()
    try:
        value = json.loads(path.read_bytes())
        return Removed(str(value["salt"]), frozenset(map(str, value["hashes"])))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged ({error!r}): restore it before anything else is done here"
        ) from None


def add_removed(work: Path, names: Iterable[str]) -> Removed:
    """Take these ids into the removals of a working folder; the salt is drawn once."""
    known = read_removed(work)
    salt = known.salt or secrets.token_hex(16)
    found = Removed(salt, known.hashes | {hash_of(salt, name) for name in names})
    write_json(
        Path(work) / "removed.json",
        {"salt": salt, "hashes": sorted(found.hashes)},
        private=True,
    )
    return found


# ------------------------------------------------------------------ pages


def strip_answer(answer: Mapping[str, Any], removed: Removed) -> dict[str, Any]:
    """An answer of the API without the posts and photos that were removed, and without authors of nothing else."""
    if not removed.hashes:
        return dict(answer)
    kept = [
        post
        for post in dicts(answer.get("data"))
        if not any(removed.holds(v) for v in versions(post))
    ]
    found = dict(answer)
    if "data" in answer:
        found["data"] = [_strip_post(post, removed) for post in kept]
    if "errors" in answer:
        found["errors"] = [
            error for error in dicts(answer["errors"]) if not _names(error, removed)
        ]
    if isinstance(answer.get("includes"), dict):
        found["includes"] = _strip_includes(
            answer["includes"], found.get("data", []), removed
        )
    if isinstance(answer.get("meta"), dict):
        found["meta"] = {
            key: value
            for key, value in answer["meta"].items()
            if not removed.holds(value)
        }
    return found


def _strip_post(post: Mapping[str, Any], removed: Removed) -> dict[str, Any]:
    found = dict(post)
    if any(_is_removed_media(key, removed) for key in media_keys(post)):
        keys = [key for key in media_keys(post) if not _is_removed_media(key, removed)]
        found["attachments"] = found["attachments"] | {"media_keys": keys}
    for name in REFERENCES:
        if name in found:
            found[name] = [
                one for one in dicts(found[name]) if not removed.holds(one.get("id"))
            ]
    return found


def _strip_includes(
    includes: Mapping[str, Any], data: list[dict[str, Any]], removed: Removed
) -> dict[str, Any]:
    found = dict(includes)
    wanted = {key for post in data for key in media_keys(post)}
    authors = {post.get("author_id") for post in data}
    if "media" in found:
        found["media"] = [
            media for media in dicts(found["media"]) if media.get("media_key") in wanted
        ]
    for name in POSTS:
        if name in found:
            found[name] = [
                post for post in dicts(found[name]) if not removed.holds(post.get("id"))
            ]
            authors |= {post.get("author_id") for post in found[name]}
    if "users" in found:
        found["users"] = [
            user for user in dicts(found["users"]) if user.get("id") in authors
        ]
    return found


def _is_removed_media(key: str, removed: Removed) -> bool:
    return removed.holds(key.rpartition("_")[2])


def _names(error: Mapping[str, Any], removed: Removed) -> bool:
    return any(
        removed.holds(str(error.get(field))) for field in ("value", "resource_id")
    )
