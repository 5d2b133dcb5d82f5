"""A dataset repository of the loopback Hub, in memory: its commits, tags and settings."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from huggingface_hub.utils.sha import git_hash


@dataclass
class Repo:
    """Commits (sha and files), newest last; tags by name; settings."""

    commits: list[tuple[str, dict[str, bytes]]] = field(
        default_factory=lambda: [("0" * 40, {})]
    )
    tags: dict[str, str] = field(default_factory=dict)
    gated: Any = False
    private: bool = False
    card: dict[str, Any] = field(default_factory=dict)

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        sha = (
            self.commits[-1][0]
            if revision == "main"
            else self.tags.get(revision, revision)
        )
        return next((commit for commit in self.commits if commit[0] == sha), None)

    def commit(self, files: dict[str, bytes]) -> str:
        sha = hashlib.sha1(
            f"{len(self.commits)}{sorted((p, git_hash(d)) for p, d in files.items())}".encode()
        ).hexdigest()
        self.commits.append((sha, files))
        return sha


def entry(path: str, data: bytes) -> dict[str, Any]:
    """A file as the Hub lists it."""
    return {"type": "file", "path": path, "oid": git_hash(data), "size": len(data)}
