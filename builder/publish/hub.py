"""`twigma publish hub NAMESPACE/NAME`: a release on the Hugging Face Hub, one tag a version.

Dry by default: it reads what stands on the Hub and says what would change. The Hub's own client sends the files, so a
cut upload goes on where it was, and what has not changed is not sent. Access is gated before the first file is there.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.utils.sha import git_hash

import twigma
from twigma.builder.publish.card_with_doi import release_with_doi
from twigma.builder.publish.publications import known_doi
from twigma.builder.release.privacy_check import FILES, check_privacy
from twigma.core.files import file_sha256
from twigma.core.services.deadline import ANSWER_SECONDS, within
from twigma.core.services.user_agent import HUB_LIBRARY
from twigma.core.workspace import AnyWorkspace

GATES = ("auto", "manual", "none")
OF_THE_HUB = {".gitattributes"}


@dataclass(frozen=True)
class Publication:
    """What publishing changes: every file (path to new, changed, removed or unchanged), the bytes to send, the tag.

    `exists`: the repository is there already; `tagged`: this version is published, with exactly these files.
    """

    repo: str
    tag: str
    exists: bool
    tagged: bool
    files: dict[str, str]
    sending: int
    done: bool = False

    @property
    def changes(self) -> list[str]:
        """The files that are not as they should be on the Hub."""
        return [path for path, state in self.files.items() if state != "unchanged"]


def publish_hub(
    release: Path,
    repo: str,
    work: AnyWorkspace = "work",
    *,
    go: bool = False,
    gated: str = "auto",
    private: bool = False,
    endpoint: str | None = None,
    token: str | None = None,
) -> Publication:
    """Bring `repo` (NAMESPACE/NAME) to the state of a release folder, and tag its version; with `go`, else only tell.

    Where the version was published on Zenodo from `work`, the card on the Hub names its DOI. `gated` is auto (whoever
    accepts the conditions), manual (whoever you let in) or none. The token is that of
    `hf auth login` or $HF_TOKEN. Raises ValueError when the folder is no whole release, when the repository holds
    anything else, or when this version stands there with other files; PermissionError when the Hub refuses the token;
    RuntimeError when somebody else changed the repository meanwhile; OSError when the connection fails.
    """
    release = Path(release)
    if gated not in GATES:
        raise ValueError(f"gated: expected one of {GATES}, found {gated!r}")
    if repo.count("/") != 1:
        raise ValueError(f"expected a repository as NAMESPACE/NAME, found {repo!r}")
    twigma.check_files(release)
    check_privacy(release)
    api = HfApi(
        endpoint=endpoint,
        token=token,
        **HUB_LIBRARY,
    )
    doi = known_doi(work, str(twigma.read_manifest(release)["version"]))
    with _translate_errors(repo), release_with_doi(release, doi) as folder:
        found, head = compare(api, folder, repo, release)
        return (
            _carry_out(api, folder, found, head, gated=gated, private=private)
            if go
            else found
        )


def compare(
    api: HfApi, release: Path, repo: str, without_doi: Path | None = None
) -> tuple[Publication, str | None]:
    """What stands on the Hub beside the release, and the newest commit there; reads only.

    `without_doi` is the release before its card named a DOI: a tag may stand for that one too.
    """
    local = {"MANIFEST.json", *twigma.read_manifest(release)["files"]}
    tag = f"v{twigma.read_manifest(release)['version']}"
    try:
        head = within(
            ANSWER_SECONDS,
            lambda: api.repo_info(repo, repo_type="dataset", files_metadata=True),
            repo,
        )
    except RepositoryNotFoundError:
        sending = sum((release / path).stat().st_size for path in local)
        return Publication(
            repo, tag, False, False, dict.fromkeys(sorted(local), "new"), sending
        ), None
    files = _states(release, local, head)
    if foreign := [
        path for path in files if path not in local and not FILES.fullmatch(path)
    ]:
        raise ValueError(
            f"{repo} holds {foreign[0]!r}, which is of no release: publish to another repository"
        )
    refs = within(
        ANSWER_SECONDS, lambda: api.list_repo_refs(repo, repo_type="dataset"), repo
    )
    tagged = tag in {ref.name for ref in refs.tags}
    if tagged:
        at_tag = api.repo_info(
            repo, repo_type="dataset", revision=tag, files_metadata=True
        )
        if differing := _differing(release, without_doi, local, at_tag):
            raise ValueError(
                f"{repo} has {tag} already, with another {differing[0]}: make the release again under a new "
                "--release-version"
            )
        card_only = without_doi and not _differing(without_doi, None, local, head)
        if not card_only:
            # A later version may be at the head: it stays.
            files = dict.fromkeys(sorted(local), "unchanged")
    sending = sum(
        (release / path).stat().st_size
        for path, state in files.items()
        if state in ("new", "changed")
    )
    return Publication(repo, tag, True, tagged, files, sending), head.sha


def _differing(
    release: Path, or_else: Path | None, local: set[str], remote: Any
) -> list[str]:
    """The files in which a commit differs from a release, and from the other one that it may be."""
    states = _states(release, local, remote)
    differing = [path for path, state in states.items() if state != "unchanged"]
    if differing and or_else is not None:
        return _differing(or_else, None, local, remote)
    return differing


def _states(release: Path, local: set[str], remote: Any) -> dict[str, str]:
    there = {
        file.rfilename: file
        for file in remote.siblings
        if file.rfilename not in OF_THE_HUB
    }
    states = {path: _state(release / path, there.get(path)) for path in sorted(local)}
    return states | dict.fromkeys(sorted(set(there) - local), "removed")


def _state(path: Path, remote: Any) -> str:
    """Compare by what the Hub knows of a file: the SHA-256 of a large one, git's hash of a small one."""
    if remote is None:
        return "new"
    if remote.lfs is not None:
        return "unchanged" if remote.lfs.sha256 == file_sha256(path) else "changed"
    same = remote.size == path.stat().st_size and remote.blob_id == git_hash(
        path.read_bytes()
    )
    return "unchanged" if same else "changed"


def _carry_out(
    api: HfApi,
    release: Path,
    found: Publication,
    head: str | None,
    *,
    gated: str,
    private: bool,
) -> Publication:
    repo = found.repo
    if not found.exists:
        api.create_repo(repo, repo_type="dataset", private=private)
        head = api.repo_info(repo, repo_type="dataset").sha
    gate: Any = False if gated == "none" else gated
    api.update_repo_settings(repo, repo_type="dataset", gated=gate)
    message = f"Release {found.tag}"
    if found.tagged:
        message = f"DOI of {found.tag} in the card"
    if found.changes:
        api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=release,
            commit_message=message,
            parent_commit=head,
            delete_patterns=[
                path for path, state in found.files.items() if state == "removed"
            ]
            or None,
        )
    if not found.tagged:
        now, _ = compare(api, release, repo)
        if now.changes:
            raise RuntimeError(
                f"{repo}: {now.changes[0]} is not what was sent: somebody else writes there; run again"
            )
        api.create_tag(
            repo, repo_type="dataset", tag=found.tag, tag_message=f"Release {found.tag}"
        )
    return replace(found, done=True)


@contextmanager
def _translate_errors(repo: str) -> Iterator[None]:
    """What the Hub refuses, in a sentence that says what to do."""
    try:
        yield
    except HfHubHTTPError as error:
        status, said = (
            error.response.status_code,
            error.server_message or str(error).splitlines()[0],
        )
        if status in (401, 403):
            raise PermissionError(
                f"the Hub does not let this token write to {repo} (HTTP {status}: {said}): `hf auth login` with a "
                "token that may write, or set HF_TOKEN"
            ) from None
        if status in (409, 412):
            raise RuntimeError(
                f"{repo} was changed meanwhile (HTTP {status}: {said}): look at it, then run again"
            ) from None
        raise OSError(
            f"the Hub answers HTTP {status} for {repo}: {said}; run again to go on"
        ) from None
    except json.JSONDecodeError:
        raise OSError(
            f"what answers for {repo} is no Hub (its answer is not JSON): is a proxy or a login page in between? "
            "Run again later"
        ) from None
    except httpx2.HTTPError as error:
        raise OSError(
            f"no connection to the Hub ({type(error).__name__}: {error}); run again to go on"
        ) from None
