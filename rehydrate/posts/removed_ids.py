"""What was taken out on request and must not come back: `WORK/removed.json`, salted hashes of post and image ids.

`twigma removals` writes it. Every page is stripped of what it names before it is stored, and every list before it is
used, so that look-ups, searches, imports and added images cannot bring any of it back.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from twigma.core.files import write_json
from twigma.core.machine import usable_cpus
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.posts.page_content import dicts, media_keys, versions

POSTS = ("tweets", "posts")  # of `includes`, in either dialect
SCRYPT = {"n": 1 << 15, "r": 8, "p": 1}  # 32 MiB and about 0.1 s an id
HEADING = """\
# What was taken out on request. To find what to drop from a copy, try the ids that this release no longer holds.
# In Python: private = sha256((salt + id).encode()).hexdigest()
#            scrypt(private.encode(), salt=salt.encode(), n=2**15, r=8, p=1, maxmem=2**26, dklen=32).hex()
# Each id tried costs about 0.1 s of a core and 32 MiB. That keeps people from trying every id of a month. It does not
# hide which ids of a list that somebody has were taken out: whoever has an earlier release compares the two.
"""
REFERENCES = ("referenced_tweets", "referenced_posts")

Post = dict[str, Any]


@dataclass(frozen=True)
class Removed:
    """Salted SHA-256 hashes of ids, for a private file: fast to check, and so fast to try ids of a known month on."""

    salt: str = ""
    hashes: frozenset[str] = frozenset()

    def holds(self, name: Any) -> bool:
        """Whether this id of a post or an image was removed."""
        if not self.hashes or not isinstance(name, str):
            return False
        return hash_of(self.salt, name) in self.hashes

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
    """The hash that a release may carry, made of the salt and the hash of `hash_of`, in hex.

    It is slow on purpose: about 0.1 s of a core and 32 MiB for every id that somebody tries.
    """
    digest = hashlib.scrypt(
        private.encode(), salt=salt.encode(), maxmem=64 << 20, dklen=32, **SCRYPT
    )
    return digest.hex()


def public_list(removed: Removed) -> str:
    """The text of a release's `removals.txt`: how its hashes are made, what they hide and what not, and the hashes."""
    if not removed.hashes:
        return f"{HEADING}# Nothing was taken out.\n"
    slow_hash = partial(public_hash, removed.salt)
    with ThreadPoolExecutor(usable_cpus()) as threads:
        hashes = sorted(threads.map(slow_hash, removed.hashes))
    return "\n".join([f"{HEADING}# salt: {removed.salt}", *hashes, ""])


@dataclass(frozen=True)
class PublicRemovals:
    """The salt and the slow hashes of a release's `removals.txt`, for those without the working folder."""

    salt: str = ""
    hashes: frozenset[str] = frozenset()

    def among(self, names: Iterable[str]) -> set[str]:
        """Which of these ids were removed; about 0.1 s of a core for each."""
        asked = list(names)
        if not self.hashes or not asked:
            return set()
        with ThreadPoolExecutor(usable_cpus()) as threads:
            held = list(threads.map(self._holds, asked))
        return {name for name, is_held in zip(asked, held, strict=True) if is_held}

    def _holds(self, name: str) -> bool:
        return public_hash(self.salt, hash_of(self.salt, name)) in self.hashes


def parse_public_list(text: str) -> PublicRemovals:
    """What `public_list` wrote; ValueError where a line is neither a comment nor a hash.

    >>> parse_public_list("# salt: 00ff\\n" + "a" * 64).salt
    '00ff'
    """
    salt = ""
    hashes = set()
    for line in text.splitlines():
        if line.startswith("# salt: "):
            salt = line.removeprefix("# salt: ")
        elif re.fullmatch("[0-9a-f]{64}", line):
            hashes.add(line)
        elif line and not line.startswith("#"):
            raise ValueError(
                f"removals.txt: expected a comment or a hash, found {line[:80]!r}"
            )
    return PublicRemovals(salt, frozenset(hashes))


def read_removed(work: AnyWorkspace) -> Removed:
    """The removals of a working folder; ValueError when the file is damaged: nobody's wish may be lost."""
    path = Workspace(work).removed_file
    if not path.exists():
        return Removed()
    try:
        value = json.loads(path.read_bytes())
        return Removed(str(value["salt"]), frozenset(map(str, value["hashes"])))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged ({error!r}): restore it before anything else is done here"
        ) from None


def add_removed(work: AnyWorkspace, names: Iterable[str]) -> Removed:
    """Add these ids to the removals of a working folder; the salt is drawn once."""
    work = Workspace(work)
    known = read_removed(work)
    salt = known.salt or secrets.token_hex(16)
    new = {hash_of(salt, name) for name in names}
    removed = Removed(salt, known.hashes | new)
    record = {"salt": salt, "hashes": sorted(removed.hashes)}
    write_json(work.removed_file, record, private=True)
    return removed


# ------------------------------------------------------------------ pages


def strip_answer(answer: Mapping[str, Any], removed: Removed) -> dict[str, Any]:
    """An answer of the API without the posts and photos that were removed, and without authors of nothing else."""
    stripped = dict(answer)
    if not removed.hashes:
        return stripped
    posts: list[Post] = []
    for post in dicts(answer.get("data")):
        if not any(removed.holds(name) for name in versions(post)):
            posts.append(_strip_post(post, removed))
    if "data" in answer:
        stripped["data"] = posts
    if "errors" in answer:
        errors = dicts(answer["errors"])
        stripped["errors"] = [one for one in errors if not _names(one, removed)]
    includes = answer.get("includes")
    if isinstance(includes, dict):
        stripped["includes"] = _strip_includes(includes, posts, removed)
    meta = answer.get("meta")
    if isinstance(meta, dict):  # the newest and the oldest id of a page
        stripped["meta"] = {
            key: value for key, value in meta.items() if not removed.holds(value)
        }
    return stripped


def _strip_post(post: Post, removed: Removed) -> Post:
    """A post without its removed photos, and without references to removed posts."""
    stripped = dict(post)
    keys = media_keys(post)
    remaining = [key for key in keys if not _is_removed_media(key, removed)]
    if len(remaining) < len(keys):
        stripped["attachments"] = {**post["attachments"], "media_keys": remaining}
    for name in REFERENCES:
        if name in post:
            stripped[name] = _without_removed(post[name], removed)
    return stripped


def _strip_includes(
    includes: Mapping[str, Any], posts: list[Post], removed: Removed
) -> dict[str, Any]:
    """What comes beside the posts, reduced to what the posts that are left refer to."""
    stripped = dict(includes)
    keys: set[str] = set()
    for post in posts:
        keys.update(media_keys(post))
    authors = {post.get("author_id") for post in posts}
    if "media" in includes:
        media = dicts(includes["media"])
        stripped["media"] = [one for one in media if one.get("media_key") in keys]
    for name in POSTS:
        if name in includes:
            stripped[name] = _without_removed(includes[name], removed)
            authors |= {post.get("author_id") for post in stripped[name]}
    if "users" in includes:
        users = dicts(includes["users"])
        stripped["users"] = [user for user in users if user.get("id") in authors]
    return stripped


def _without_removed(posts: Any, removed: Removed) -> list[Post]:
    return [post for post in dicts(posts) if not removed.holds(post.get("id"))]


def _is_removed_media(key: str, removed: Removed) -> bool:
    return removed.holds(key.rpartition("_")[2])


def _names(error: Mapping[str, Any], removed: Removed) -> bool:
    """Whether an error is about a removed id."""
    ids = (error.get("value"), error.get("resource_id"))
    return any(removed.holds(str(name)) for name in ids)
