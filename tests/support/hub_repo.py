"""A dataset repository of the loopback Hub, in memory: its commits and references, settings and large files."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from huggingface_hub.utils.sha import git_hash

MAIN = "main"
ATTRIBUTES = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"


class Pointer(bytes):
    """What a commit holds in place of a large file: the text that Git LFS defines."""

    @classmethod
    def to(cls, sha256: str, size: int) -> "Pointer":
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        return cls(text.encode())

    @property
    def sha256(self) -> str:
        return self.decode().split("sha256:")[1].split()[0]

    @property
    def size(self) -> int:
        return int(self.decode().split("size ")[1])


@dataclass(frozen=True)
class Commit:
    sha: str
    files: dict[str, bytes]
    parent: str | None
    title: str


@dataclass
class Repo:
    """A repository: commits by hash, references by name, settings, and large files by SHA-256 with the path they had.

    Commits that no reference leads to are still answered for, as a Git server does until it cleans up.
    """

    gated: Any = False
    private: bool = False
    card: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    converts: dict[str, str] = field(default_factory=dict)
    pulls: dict[str, str] = field(default_factory=dict)
    objects: dict[str, Commit] = field(default_factory=dict)
    stored: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.branches[MAIN] = self.add({}, None, "initial commit").sha

    def add(self, files: dict[str, bytes], parent: str | None, title: str) -> Commit:
        blobs = sorted((path, git_hash(data)) for path, data in files.items())
        text = f"{len(self.objects)}{blobs}{parent}"
        commit = Commit(hashlib.sha1(text.encode()).hexdigest(), files, parent, title)
        self.objects[commit.sha] = commit
        return commit

    def commit(
        self, files: dict[str, bytes], branch: str = MAIN, title: str = "a commit"
    ) -> str:
        """Put a commit with exactly these files on a branch."""
        made = self.add(files, self.branches[branch], title)
        self.branches[branch] = made.sha
        return made.sha

    def squash(self, branch: str, title: str) -> None:
        files = self.objects[self.branches[branch]].files
        self.branches[branch] = self.add(files, None, title).sha

    def references(self) -> dict[str, str]:
        """Every name that a commit can be asked for by, with its commit."""
        heads = {f"refs/heads/{name}": sha for name, sha in self.branches.items()}
        tags = {f"refs/tags/{name}": sha for name, sha in self.tags.items()}
        short = self.branches | self.tags
        return heads | tags | self.converts | self.pulls | short

    def at(self, revision: str) -> Commit | None:
        return self.objects.get(self.references().get(revision, revision))

    def history(self, sha: str) -> list[Commit]:
        """The commits that lead to one, newest first."""
        found = []
        at: str | None = sha
        while at is not None:
            found.append(self.objects[at])
            at = self.objects[at].parent
        return found

    def content(self, data: bytes) -> bytes | None:
        """The bytes of a file of a commit; None where its large content was deleted."""
        if isinstance(data, Pointer):
            _, content = self.stored.get(data.sha256, ("", None))
            return content
        return data

    @property
    def commits(self) -> list[tuple[str, dict[str, bytes]]]:
        """The commits of main, oldest first: hash and files, without what the Hub itself put there."""
        found = []
        for commit in reversed(self.history(self.branches[MAIN])):
            files = {}
            for path, data in commit.files.items():
                if path != ".gitattributes":
                    files[path] = self.content(data) or b""
            found.append((commit.sha, files))
        return found

    def everything(self) -> bytes:
        """Every byte that can be downloaded: each file of each commit of each reference, and all that is stored."""
        parts = [content for _, content in self.stored.values()]
        for sha in set(self.references().values()):
            for commit in self.history(sha):
                parts += commit.files.values()
        return b"\n".join(parts)


def entry(path: str, data: bytes) -> dict[str, Any]:
    """A file as the Hub lists it in a tree."""
    about = {"type": "file", "path": path, "oid": git_hash(data), "size": len(data)}
    if isinstance(data, Pointer):
        about |= {"size": data.size, "lfs": lfs(data) | {"oid": data.sha256}}
    return about


def sibling(path: str, data: bytes) -> dict[str, Any]:
    """A file as the Hub lists it beside the facts of a repository."""
    about = {"rfilename": path, "size": len(data), "blobId": git_hash(data)}
    if isinstance(data, Pointer):
        about |= {"size": data.size, "lfs": lfs(data)}
    return about


def lfs(data: Pointer) -> dict[str, Any]:
    return {"sha256": data.sha256, "size": data.size, "pointerSize": len(data)}
