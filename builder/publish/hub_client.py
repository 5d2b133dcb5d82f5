"""One repository of the Hugging Face Hub, a dataset or a Space: what is read there, and what can be changed.

The Hub's own client (`huggingface_hub`) makes the calls, `core/services/hub_calls.py` tries them again. Every change is
one that can be looked up afterwards, and is.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.errors import (
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
)

from twigma.core.services.hub_calls import FAILURES, Calls, hub_api

KIND = "dataset"
MAIN = "main"


class HubRepository:
    """The repository `name` (NAMESPACE/NAME), a dataset or a Space; it need not exist yet.

    `endpoint` is another Hub than huggingface.co, `token` another one than that of `hf auth login` or $HF_TOKEN.
    Methods raise what `hub_calls.py` says.
    """

    def __init__(
        self,
        name: str,
        endpoint: str | None = None,
        token: str | None = None,
        *,
        kind: str = KIND,
    ) -> None:
        self.name = name
        self._kind = kind
        self._calls = Calls(name)
        self._api = hub_api(endpoint, token)

    # ------------------------------------------------------------------ reading

    def info(self, revision: str | None = None) -> Any:
        """Commit, settings and files at a revision, as `huggingface_hub` has them; None without such a repository."""

        def look() -> Any:
            try:
                return self._api.repo_info(
                    self.name,
                    repo_type=self._kind,
                    revision=revision,
                    files_metadata=True,
                )
            except RepositoryNotFoundError:
                return None

        return self._calls.read(look)

    def refs(self) -> Any:
        """Tags, branches, the Hub's own conversions and pull requests, as `GitRefs`."""
        return self._calls.read(
            lambda: self._api.list_repo_refs(
                self.name, repo_type=self._kind, include_pull_requests=True
            )
        )

    def tags(self) -> dict[str, str]:
        """The commit of every tag."""
        return {ref.name: ref.target_commit for ref in self.refs().tags}

    def branches(self) -> dict[str, str]:
        """The newest commit of every branch."""
        return {ref.name: ref.target_commit for ref in self.refs().branches}

    def commits(self, revision: str) -> list[str]:
        """The commits that lead to a revision, newest first."""
        listed = self._calls.read(
            lambda: self._api.list_repo_commits(
                self.name, repo_type=self._kind, revision=revision
            )
        )
        return [commit.commit_id for commit in listed]

    def read_columns(
        self, path: str, revision: str, names: Collection[str]
    ) -> pa.Table:
        """Those of these columns that a Parquet file has; no rows where its content was deleted from the Hub."""
        # Not through the Hub's cache: it would keep a copy of what is about to be erased.
        with TemporaryDirectory(prefix="twigma-") as folder:
            file = self._calls.read(
                lambda: self._download(path, revision, folder), seconds=None
            )
            if file is None:
                return pa.table({})
            present = pq.read_schema(file).names
            wanted = [name for name in names if name in present]
            return pq.read_table(file, columns=wanted)

    def read_bytes(self, path: str, revision: str) -> bytes:
        """The content of a file; empty where it was deleted from the Hub."""
        with TemporaryDirectory(prefix="twigma-") as folder:
            file = self._calls.read(
                lambda: self._download(path, revision, folder), seconds=None
            )
            return b"" if file is None else Path(file).read_bytes()

    def _download(self, path: str, revision: str, folder: str) -> str | None:
        """The path of a file after its download; None where the Hub no longer stores it."""
        try:
            return self._api.hf_hub_download(
                self.name,
                path,
                repo_type=self._kind,
                revision=revision,
                local_dir=folder,
            )
        except RemoteEntryNotFoundError:
            return None
        except LocalEntryNotFoundError as error:
            # Which the client makes of whatever went wrong.
            raise (error.__cause__ or error) from None

    def stored_files(self) -> list[Any]:
        """Every large file that the Hub stores for it, as `LFSFileInfo`, whether a commit needs it or not."""
        return self._calls.read(
            lambda: list(self._api.list_lfs_files(self.name, repo_type=self._kind))
        )

    # ------------------------------------------------------------------ changing

    def create(self, private: bool | None) -> None:
        """Make the repository; without `private`, as visible as its namespace has it by default. A Space is static."""
        sdk = "static" if self._kind == "space" else None
        self._calls.write(
            "create the repository",
            lambda: self._api.create_repo(
                self.name, repo_type=self._kind, private=private, space_sdk=sdk
            ),
            lambda: self.info() is not None,
        )

    def set_gate(self, gate: str) -> None:
        """Set who may download: auto, manual or none."""
        value: Any = False if gate == "none" else gate
        self._calls.write(
            f"set access to {gate}",
            lambda: self._api.update_repo_settings(
                self.name, repo_type=self._kind, gated=value
            ),
            lambda: self.info().gated == value,
        )

    def set_private(self, private: bool) -> None:
        """Hide the repository from everybody but the members of its namespace, or show it."""
        visibility = "private" if private else "public"
        self._calls.write(
            f"make it {visibility}",
            lambda: self._api.update_repo_settings(
                self.name, repo_type=self._kind, private=private
            ),
            lambda: bool(self.info().private) is private,
        )

    def commit(
        self,
        message: str,
        parent: str,
        files: Mapping[str, Path | bytes],
        removed: Collection[str],
    ) -> None:
        """Add and remove files in one commit on `parent`, the newest of main; RuntimeError where it no longer is."""

        def send() -> None:
            changes: list[Any] = [CommitOperationDelete(path) for path in removed]
            for path, content in files.items():
                changes.append(CommitOperationAdd(path, content))
            try:
                self._api.create_commit(
                    self.name,
                    changes,
                    repo_type=self._kind,
                    commit_message=message,
                    parent_commit=parent,
                )
            except RuntimeError as error:
                # What the client makes of any failure to send a large file.
                if isinstance(error.__cause__, FAILURES):
                    raise error.__cause__ from None
                raise OSError(
                    f"{error} ({error.__cause__}); run again to resume"
                ) from None

        self._calls.write(
            "send the files", send, lambda: self.info().sha != parent, seconds=None
        )

    def tag(self, name: str, revision: str) -> None:
        """Tag a commit; a tag of that name must not exist."""
        self._calls.write(
            f"tag {name}",
            lambda: self._api.create_tag(
                self.name,
                repo_type=self._kind,
                tag=name,
                revision=revision,
                tag_message=f"Release {name}",
            ),
            lambda: name in self.tags(),
        )

    def delete_tag(self, name: str) -> None:
        """Delete a tag."""
        self._calls.write(
            f"delete the tag {name}",
            lambda: self._api.delete_tag(self.name, repo_type=self._kind, tag=name),
            lambda: name not in self.tags(),
        )

    def branch(self, name: str, revision: str) -> None:
        """Make a branch that begins at a revision."""
        self._calls.write(
            f"make the branch {name}",
            lambda: self._api.create_branch(
                self.name, repo_type=self._kind, branch=name, revision=revision
            ),
            lambda: name in self.branches(),
        )

    def delete_branch(self, name: str) -> None:
        """Delete a branch."""
        self._calls.write(
            f"delete the branch {name}",
            lambda: self._api.delete_branch(
                self.name, repo_type=self._kind, branch=name
            ),
            lambda: name not in self.branches(),
        )

    def squash(self, branch: str, message: str) -> None:
        """Replace the commits of a branch by one with its files; the others cannot be restored."""
        self._calls.write(
            f"squash the history of {branch}",
            lambda: self._api.super_squash_history(
                self.name, repo_type=self._kind, branch=branch, commit_message=message
            ),
            lambda: len(self.commits(branch)) == 1,
        )

    def delete_stored(self, files: Collection[Any]) -> None:
        """Delete large files from the Hub's storage, for good; no commit may need them any more."""
        gone = {file.file_oid for file in files}

        def remaining() -> set[str]:
            return gone & {file.file_oid for file in self.stored_files()}

        self._calls.write(
            "delete stored files",
            lambda: self._api.permanently_delete_lfs_files(
                self.name, files, rewrite_history=False, repo_type=self._kind
            ),
            lambda: not remaining(),
        )
