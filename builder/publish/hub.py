"""`twigma publish hub NAMESPACE/NAME`: a release on the Hugging Face Hub, one tag a version.

Dry by default: it reads what is on the Hub and says what would change. Who may download and who may see the repository
stay as they are set there, unless asked otherwise. An interrupted run resumes, and what has not changed is not sent.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import twigma
from twigma.builder.publish.hub_card import files_for_hub
from twigma.builder.publish.hub_client import HubRepository
from twigma.builder.publish.hub_history import History
from twigma.builder.publish.hub_plan import (
    GATES,
    Files,
    Publication,
    compare,
    file_states,
)
from twigma.builder.publish.publications import known_doi
from twigma.builder.publish.removed_rows import RemovedRows
from twigma.builder.release.identity import identity_of_release
from twigma.builder.release.privacy_check import check_privacy
from twigma.core.workspace import AnyWorkspace


def publish_hub(
    release: Path,
    repo: str,
    *,
    go: bool = False,
    gated: str | None = None,
    private: bool | None = None,
    erase_history: bool = False,
    confirm: Callable[[Publication], bool] | None = None,
    work: AnyWorkspace = "work",
    endpoint: str | None = None,
    token: str | None = None,
) -> Publication:
    """Bring `repo` (NAMESPACE/NAME) to the state of a release folder, and tag its version; with `go`, else only tell.

    `gated` is auto (whoever accepts the conditions), manual (whoever you let in) or none; with `private` only members
    of the namespace see it. None leaves both as they are, and gates a new repository with auto. `work` is the working
    folder of the release: it knows what was removed on request. With `erase_history` old tags, commits and stored files
    that still hold such rows are deleted; `confirm` is shown the plan before anything is changed, and answers whether
    to do that too. Where the version was published on Zenodo from `work`, the card names its DOI. The token is that of
    `hf auth login` or $HF_TOKEN.

    Raises ValueError when the folder is no complete release or holds removed rows, when the repository holds anything
    else, or when this version is there with other tables; PermissionError when the Hub refuses the token; RuntimeError
    when somebody else changed the repository meanwhile; OSError when the Hub or the connection fails.
    """
    release = Path(release)
    if gated not in (None, *GATES):
        raise ValueError(f"gated: expected one of {GATES}, found {gated!r}")
    if repo.count("/") != 1:
        raise ValueError(f"expected a repository as NAMESPACE/NAME, found {repo!r}")
    twigma.check_files(release)
    check_privacy(release)
    removed = RemovedRows(release, work)
    hub = HubRepository(repo, endpoint, token)
    version = str(twigma.read_manifest(release)["version"])
    doi = known_doi(work, identity_of_release(release).name, version)
    files = files_for_hub(release, repo, doi)
    tag = f"v{version}"
    plan, head = compare(hub, files, tag, gated, private)
    history = History(hub, removed)
    if plan.exists:
        plan = replace(plan, places=history.survey().places)
    if not go:
        return plan
    if confirm is not None:
        erase_history = confirm(plan) or erase_history
    _send(hub, files, plan, head, private)
    erased = history.erase() if erase_history else 0
    _set(hub, plan, opening=True)
    places = history.survey().places
    tags = tuple(hub.tags())
    return replace(plan, places=places, tags=tags, erased=erased, done=True)


# ------------------------------------------------------------------ changing


def _send(
    hub: HubRepository, files: Files, plan: Publication, head: Any, private: bool | None
) -> None:
    """Create, close off, send and tag, as far as each is needed."""
    if not plan.exists:
        hub.create(private)
        head = hub.info()
    # Access is restricted before the first file is there, and opened after the last change.
    _set(hub, plan, opening=False)
    if plan.changes:
        added = {}
        for path in plan.changes:
            if path in files:
                added[path] = files[path]
        gone = [path for path, state in plan.files.items() if state == "removed"]
        hub.commit(f"Release {plan.tag}", head.sha, added, gone)
        head = hub.info()
        for path, state in file_states(files, head).items():
            if state != "unchanged":
                raise RuntimeError(
                    f"{hub.name}: {path} is not what was sent: somebody else writes there; run again"
                )
    if not plan.tagged:
        hub.tag(plan.tag, head.sha)


def _set(hub: HubRepository, plan: Publication, *, opening: bool) -> None:
    """Make the changes of settings that let more people in, or those that do not."""
    access, visibility = plan.access, plan.visibility
    if access.is_changed and access.opens is opening:
        hub.set_gate(access.then)
    if plan.exists and visibility.is_changed:
        to_public = visibility.then == "public"
        if to_public is opening:
            hub.set_private(not to_public)
