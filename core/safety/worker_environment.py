"""What of this process's environment its workers get: everything but the tokens that only the driver uses.

Workers read strangers' images and load strangers' models; whoever takes one of them over finds no token there. What
needs a token (the X API, Zenodo, models behind a login) is asked by the driver, before workers start.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

TOKENS = ("X_BEARER_TOKEN", "ZENODO_TOKEN", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
# Of an object store, which the driver alone reads and writes. While it does, these cannot leave its own environment.
STORE_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
)
# A worker loads what the driver fetched; nor does it send the token that `hf auth login` wrote.
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
# Limits that the user sets, and that workers have to keep.
LIMITS = ("TWIGMA_MAX_PIXELS",)
# On machines of a cluster, which fetch models themselves and may have a token for that.
ON_NODES = dict.fromkeys(("X_BEARER_TOKEN", "ZENODO_TOKEN", *STORE_KEYS), "")

# Their output comes to the driver line by line, where only its own bars move.
NO_BARS = {
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


def for_worker() -> dict[str, str]:
    """The environment of a worker on this machine: no token, no Hub, and this process's import path."""
    withheld = {*TOKENS, *STORE_KEYS}
    allowed = {
        name: value for name, value in os.environ.items() if name not in withheld
    }
    return (
        allowed
        | OFFLINE
        | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    )


def forget_store_keys() -> None:
    """Drop what a worker has inherited of an object store, before it reads anything of a stranger."""
    _set(dict.fromkeys(STORE_KEYS))


def on_nodes() -> dict[str, str]:
    """What workers on machines of a cluster get, whose environment is their own: no token, and the user's limits."""
    limits = {name: os.environ[name] for name in LIMITS if name in os.environ}
    return ON_NODES | limits


@contextlib.contextmanager
def inherited() -> Iterator[None]:
    """Have processes that start meanwhile inherit the same, where they can only inherit."""
    changes = dict.fromkeys(TOKENS) | OFFLINE
    before = {name: os.environ.get(name) for name in changes}
    _set(changes)
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def private_cluster() -> Iterator[None]:
    """Have a Ray cluster that starts meanwhile listen on loopback only, know no token, and write for this user."""
    from ray._private import ray_constants

    _only_ours(Path.home() / ".ray" / "auth_token")
    clusters, ray_constants.ENABLE_RAY_CLUSTER = (
        ray_constants.ENABLE_RAY_CLUSTER,
        False,
    )  # one node: its IP is loopback
    umask = os.umask(0o077)
    try:
        with inherited():
            yield
    finally:
        os.umask(umask)
        ray_constants.ENABLE_RAY_CLUSTER = clusters


def _only_ours(token: Path) -> None:
    """Let nobody else read a token that Ray wrote earlier."""
    with contextlib.suppress(OSError):  # none yet, or not ours
        if token.stat().st_mode & 0o077:
            token.chmod(0o600)
