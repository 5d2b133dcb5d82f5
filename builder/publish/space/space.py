"""`twigma publish hub NAMESPACE/NAME --space`: the explorer of a release as a static Space beside the dataset.

Dry by default. A Space holds one page and one commit: earlier pages would show images that were removed since, so the
history is replaced each time, and stored files that no commit needs are deleted. An interrupted run resumes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import twigma
from twigma.builder.publish.hub_client import MAIN, HubRepository
from twigma.builder.publish.hub_plan import OF_THE_HUB, Setting, file_states
from twigma.builder.publish.publications import (
    SPACE,
    Place,
    Publication,
    remember,
    space_of,
)
from twigma.builder.publish.removed_rows import RemovedRows
from twigma.builder.publish.space.space_card import PAGE, space_card
from twigma.builder.release.identity import identity_of_release
from twigma.core.workspace import AnyWorkspace, Workspace

CARD = "README.md"
HUB = "https://huggingface.co"
MARK = b'name="generator" content="twigma explore"'
HEAD = 4096  # bytes of a page within which the mark is
# What the Hub itself puts into a new static Space.
OF_TEMPLATE = {CARD, PAGE, "style.css"}


Pages = Mapping[str, bytes]


@dataclass(frozen=True)
class SpacePublication:
    """What publishing the page changes: every file by its state, bytes to send, visibility, earlier commits.

    `others` are references that somebody else made there, which may hold earlier pages.
    """

    space: str
    dataset: str
    version: str
    exists: bool
    files: dict[str, str]
    sending: int
    visibility: Setting
    earlier: int = 0
    others: tuple[str, ...] = ()
    done: bool = False

    @property
    def is_current(self) -> bool:
        """Whether nothing would change."""
        sent = set(self.files.values()) - {"unchanged"}
        return self.exists and not (sent or self.earlier or self.visibility.is_changed)


def publish_space(
    release: Path,
    dataset: str,
    page: bytes,
    *,
    space: str | None = None,
    with_ids: bool = False,
    go: bool = False,
    private: bool | None = None,
    work: AnyWorkspace = "work",
    endpoint: str | None = None,
    token: str | None = None,
) -> SpacePublication:
    """Bring a Space to the page of a release that `dataset` (NAMESPACE/NAME) publishes; with `go`, else only tell.

    `page` is the explorer of the release, `with_ids` whether it names its images. `space` is NAMESPACE/NAME; None: the
    one that `work` remembers, or NAMESPACE/NAME-explorer. `private` None leaves it as it is; a new one is as private as
    the dataset. Raises ValueError when the Space holds anything else, or the release rows that were removed; other
    errors are those of `publish_hub`.
    """
    release = Path(release)
    RemovedRows(release, work)
    name = identity_of_release(release).name
    space = space or space_of(work, name, dataset)
    if space.count("/") != 1:
        raise ValueError(f"expected a Space as NAMESPACE/NAME, found {space!r}")
    card = space_card(release, dataset, with_ids=with_ids)
    files = {CARD: card.encode(), PAGE: page}
    version = str(twigma.read_manifest(release)["version"])
    hub = HubRepository(space, endpoint, token, kind=SPACE)
    if private is None:
        private = _is_private(HubRepository(dataset, endpoint, token), hub)
    plan = _compare(hub, files, dataset, version, private)
    if not go:
        return plan
    _send(hub, files, plan, private)
    place = Place(SPACE, endpoint or HUB, False, name)
    if Workspace(work).path.is_dir():
        remember(work, Publication(place, version, space, repository=dataset))
    return replace(plan, earlier=0, others=_others(hub), done=True)


# ------------------------------------------------------------------ reading


def _is_private(dataset: HubRepository, space: HubRepository) -> bool | None:
    """Whether a new Space is private: as its dataset is. None for one that is there, which stays as it is."""
    if space.info() is not None:
        return None
    head = dataset.info()
    return None if head is None else bool(head.private)


def _compare(
    hub: HubRepository, files: Pages, dataset: str, version: str, private: bool | None
) -> SpacePublication:
    head = hub.info()
    names = {None: "as its namespace has it", True: "private", False: "public"}
    plan = SpacePublication(
        space=hub.name,
        dataset=dataset,
        version=version,
        exists=head is not None,
        files=dict.fromkeys(files, "new"),
        sending=sum(len(content) for content in files.values()),
        visibility=Setting("", names[private]),
    )
    if head is None:
        return plan
    commits = hub.commits(MAIN)
    _refuse_foreign(hub, head, commits)
    states = file_states(files, head)
    sent = [path for path, state in states.items() if state in ("new", "changed")]
    now = bool(head.private)
    then = now if private is None else private
    return replace(
        plan,
        files=states,
        sending=sum(len(files[path]) for path in sent),
        visibility=Setting(names[now], names[then]),
        earlier=len(commits) - 1,
        others=_others(hub),
    )


def _refuse_foreign(hub: HubRepository, head: Any, commits: Sequence[str]) -> None:
    """ValueError where a Space holds anything but a page of ours, or what the Hub puts into a new one."""
    names = {file.rfilename for file in head.siblings} - OF_THE_HUB
    is_new = len(commits) == 1 and names <= OF_TEMPLATE
    page = hub.read_bytes(PAGE, head.sha) if PAGE in names else b""
    is_ours = MARK in page[:HEAD] and names <= OF_TEMPLATE
    if is_new or is_ours:
        return
    others = sorted(names - {CARD, PAGE}) or [PAGE]
    raise ValueError(
        f"the Space {hub.name} holds {others[0]!r}, which is no explorer of ours: it is left as it is; name another "
        "with --space-name"
    )


def _others(hub: HubRepository) -> tuple[str, ...]:
    """References besides main, which somebody else made."""
    refs = hub.refs()
    listed = [*refs.branches, *refs.tags, *(refs.pull_requests or [])]
    return tuple(ref.ref for ref in listed if ref.ref != f"refs/heads/{MAIN}")


# ------------------------------------------------------------------ changing


def _send(
    hub: HubRepository, files: Pages, plan: SpacePublication, private: bool | None
) -> None:
    """Create, close off, send, forget the past and open, as far as each is needed."""
    if not plan.exists:
        hub.create(private)
    if plan.exists and plan.visibility.then == "private":
        hub.set_private(True)
    head = hub.info()
    states = file_states(files, head)
    changed = {
        path: files[path] for path in files if states[path] in ("new", "changed")
    }
    gone = [path for path, state in states.items() if state == "removed"]
    if changed or gone:
        hub.commit(f"Version {plan.version}", head.sha, changed, gone)
        _require_sent(hub, files)
    if len(hub.commits(MAIN)) > 1:
        hub.squash(MAIN, f"Version {plan.version}")
        _require_sent(hub, files)
    _delete_unused(hub)
    if plan.exists and plan.visibility.is_changed and private is False:
        hub.set_private(False)


def _require_sent(hub: HubRepository, files: Pages) -> None:
    """RuntimeError where the Space does not hold exactly these files."""
    for path, state in file_states(files, hub.info()).items():
        if state != "unchanged":
            raise RuntimeError(
                f"the Space {hub.name}: {path} is not what was sent: somebody else writes there; run again"
            )


def _delete_unused(hub: HubRepository) -> None:
    """Delete the pages that the Hub stores as large files and main no longer needs."""
    if _others(hub):
        return  # they may need them; they are named
    needed = {file.lfs.sha256 for file in hub.info().siblings if file.lfs is not None}
    unused = []
    for file in hub.stored_files():
        hashes = {each.removeprefix("sha256:") for each in (file.oid, file.file_oid)}
        if file.filename == PAGE and not hashes & needed:
            unused.append(file)
    if unused:
        hub.delete_stored(unused)
