"""Files of a dataset of the Hub, at one commit, or of the web; `twigma reference add` downloads them here.

The Hub's own client discards a partial file when it is stopped, so `core/services/download.py` fetches the bytes,
through the session of that client, which knows the user's settings.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

import httpx2
from huggingface_hub import get_hf_file_metadata, get_session, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from twigma.core.services.deadline import ANSWER_SECONDS
from twigma.core.services.download import GIT_SHA1, download
from twigma.core.services.hub_calls import hub_api, refusal, retried
from twigma.core.services.user_agent import HUB_LIBRARY

LISTING_SECONDS = ANSWER_SECONDS * 5  # of large repositories, in pages
# The Hub states a hash without its name: of git for a small file, SHA-256 for a large one, MD5 elsewhere.
METHODS = {32: "md5", 40: GIT_SHA1, 64: "sha256"}  # by length in hex


def dataset_facts(
    repo: str, revision: str | None = None, endpoint: str | None = None
) -> tuple[str, str | None]:
    """The commit of a dataset that `revision` (a branch, tag or commit; else main) names, and its card's licence."""
    with _translate_errors(repo):
        api = hub_api(endpoint)
        info = retried(lambda: api.dataset_info(repo, revision=revision), repo)
    licence = None if info.card_data is None else info.card_data.get("license")
    if isinstance(licence, list):
        licence = ", ".join(licence)
    return str(info.sha), licence


def hub_files(
    repo: str, revision: str, patterns: tuple[str, ...], endpoint: str | None = None
) -> list[str]:
    """The files of a dataset repository that match one of `patterns`, sorted; FileNotFoundError when none does."""
    with _translate_errors(repo):
        api = hub_api(endpoint)
        listed = retried(
            lambda: api.list_repo_files(repo, repo_type="dataset", revision=revision),
            repo,
            LISTING_SECONDS,
        )

    def matches(path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in patterns)

    files = sorted(filter(matches, listed))
    if not files:
        raise FileNotFoundError(
            f"{repo} at {revision} has no file like {' or '.join(patterns)}: found {listed[:5]} …"
        )
    return files


def hub_file(
    repo: str, path: str, revision: str, folder: Path, endpoint: str | None = None
) -> Path:
    """Download one file of a dataset repository into `folder`, checked against the hash that the Hub states for it.

    ValueError when the bytes are others, OSError when the connection fails: the next run resumes.
    """
    url = hf_hub_url(
        repo, path, repo_type="dataset", revision=revision, endpoint=endpoint
    )
    name = f"{repo}/{path}"
    with _translate_errors(name):
        facts = retried(
            lambda: get_hf_file_metadata(url, endpoint=endpoint, **HUB_LIBRARY), name
        )
        headers = build_hf_headers(**HUB_LIBRARY)
        if _server(facts.location) != _server(url):
            # The store of large files is another server, which must not see the token.
            headers.pop("authorization", None)
        return download(
            facts.location,
            folder / path.replace("/", "_"),
            size=facts.size,
            checksum=_named_checksum(facts.etag),
            headers=headers,
            client=get_session(),
        )


def web_file(url: str, folder: Path, checksum: str | None = None) -> Path:
    """Download a file from its address into `folder`; `checksum` is its MD5 or SHA-256 in hex, where it is known."""
    path = folder / Path(httpx2.URL(url).path).name
    return download(url, path, checksum=_named_checksum(checksum))


def _server(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what may see a token that another of the same host may not."""
    parts = httpx2.URL(url)
    return parts.scheme, parts.host, parts.port


def _named_checksum(value: str | None) -> str | None:
    """A hash as METHOD:HEX; None where its method is not known."""
    method = METHODS.get(len(value or ""))
    return None if method is None else f"{method}:{value}"


@contextmanager
def _translate_errors(what: str) -> Iterator[None]:
    """What a server refuses, in a sentence that says what to do."""
    try:
        yield
    except GatedRepoError as error:
        raise refusal(what, error) from None
    except RepositoryNotFoundError:
        raise FileNotFoundError(
            f"the Hub has no dataset {what}, or lets only some see it: `hf auth login`"
        ) from None
    except EntryNotFoundError:
        raise FileNotFoundError(
            f"no file {what} is on the Hub: is the name, or the revision, right?"
        ) from None
    except json.JSONDecodeError:
        raise OSError(
            f"what answers in the Hub's place about {what} is not the Hub: is a proxy or a login page in between? "
            "Try again later"
        ) from None
    except HfHubHTTPError as error:
        raise OSError(
            f"HTTP {error.response.status_code} for {what}: run again to resume"
        ) from None
    except httpx2.HTTPError as error:
        raise OSError(
            f"no connection for {what} ({type(error).__name__}: {error}): run again to resume"
        ) from None
