"""Settings that few need, from environment variables, and the client of the X API that they describe."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Setting:
    """An environment variable of the commands; `docs/environment.md` lists all of them."""

    name: str
    meaning: str
    default: str = ""

    @property
    def value(self) -> str:
        """Its value now; the default when it is unset or empty."""
        return os.environ.get(self.name) or self.default


X_URL = Setting("TWIGMA_X_URL", "server of the X API v2", "https://api.x.com")
X_DIALECT = Setting(
    "TWIGMA_X_DIALECT",
    "which names of fields that server answers with: `legacy` or `current`",
    "legacy",
)
X_TOKEN_FILE = Setting(
    "TWIGMA_X_TOKEN_FILE",
    "file with the bearer token of the X API, mode 0600; `X_BEARER_TOKEN` comes before `~/.config/twigma/x_token`, "
    "this file before both",
)
IMAGE_URL = Setting(
    "TWIGMA_IMAGE_URL",
    "host that photos are fetched from, instead of https://pbs.twimg.com",
)
ALLOW_HOSTS = Setting(
    "TWIGMA_ALLOW_HOSTS",
    "private addresses that images may be fetched from: HOST or HOST:PORT, separated by commas",
)
HUB_URL = Setting("TWIGMA_HUB_URL", "another Hub than https://huggingface.co")
ZENODO_URL = Setting(
    "TWIGMA_ZENODO_URL", "another server that speaks the API of Zenodo (InvenioRDM)"
)
SETTINGS = (
    X_URL,
    X_DIALECT,
    X_TOKEN_FILE,
    IMAGE_URL,
    ALLOW_HOSTS,
    HUB_URL,
    ZENODO_URL,
)


def split_words(text: str) -> tuple[str, ...]:
    """The entries of a list separated by commas.

    >>> split_words("127.0.0.1:80, images.lab")
    ('127.0.0.1:80', 'images.lab')
    """
    return tuple(word.strip() for word in text.split(",") if word.strip())


def x_client() -> Any:
    """A client of the X API, as the environment says; PermissionError without a token."""
    from twigma.rehydrate.sources.x.bearer_token import read_token
    from twigma.rehydrate.sources.x.client import XClient

    file = Path(X_TOKEN_FILE.value) if X_TOKEN_FILE.value else None
    dialect: Any = X_DIALECT.value
    if dialect not in ("legacy", "current"):
        raise ValueError(
            f"{X_DIALECT.name}: expected legacy or current, found {dialect!r}"
        )
    return XClient(X_URL.value, read_token(file), dialect)
