"""The calls of the loopback Hub that change something: repositories, settings, commits, large files, references."""

import base64
import hashlib
import json
import re
from typing import Any

import yaml

from .hub_repo import ATTRIBUTES, Pointer, Repo

REPO = r"/api/(?:datasets|spaces)/(?P<repo>[^/]+/[^/]+)"
# What the Hub puts into a new static Space, beside the attributes.
TEMPLATE = {
    "README.md": b"---\ntitle: Explorer\nsdk: static\n---\n",
    "index.html": b"<!doctype html><h1>Welcome to your static Space!</h1>",
    "style.css": b"body { padding: 2rem; }",
}
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")


def key_of(path: str, repo: str) -> str:
    """The name under which a repository is held: datasets and Spaces have names of their own."""
    return f"spaces/{repo}" if re.match("/(api/|store/)?spaces/", path) else repo


class Changes:
    """Half of the handler of `hub.py`; `server`, `say` and `find` are the other half's."""

    server: Any
    say: Any
    find: Any
    headers: Any
    muted = False  # while a call is carried out whose answer is to be lost

    def create(self, query: dict[str, Any], body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        kind = asked["type"]
        if kind == "space" and asked.get("sdk") not in ("static", "gradio", "docker"):
            return self.say(400, {"error": "Missing or unknown sdk"})
        key = f"spaces/{name}" if kind == "space" else name
        if key in self.server.repos:
            return self.say(409, {"error": f"You already created this {kind} repo"})
        store = Repo(private=asked.get("visibility") == "private")
        store.commit({".gitattributes": ATTRIBUTES}, title="initial commit")
        if kind == "space":
            files = {".gitattributes": ATTRIBUTES, **TEMPLATE}
            store.branches["main"] = store.add(files, None, "initial commit").sha
        self.server.repos[key] = store
        url = f"{self.server.url}/{kind}s/{name}"
        return self.say(200, {"url": url, "name": name})

    def settings(self, query: dict[str, Any], body: bytes, repo: str) -> None:
        if found := self.find(repo):
            asked = json.loads(body)
            store = found[0]
            store.gated = asked.get("gated", store.gated)
            if "visibility" in asked:
                store.private = asked["visibility"] == "private"
            self.say(200, {})

    def validate(self, query: dict[str, Any], body: bytes) -> None:
        asked = json.loads(body)
        if asked["repoType"] == "dataset":
            return self.say(200, {"errors": [], "warnings": []})
        assert asked["repoType"] == "space"
        head = yaml.safe_load(asked["content"].split("---\n")[1])
        errors = []
        for name in ("colorFrom", "colorTo"):
            if head.get(name) not in COLOURS:
                errors.append({"message": f'"{name}" must be one of {COLOURS}'})
        if head.get("sdk") not in ("static", "gradio", "docker"):
            errors.append({"message": '"sdk" must be one of static, gradio, docker'})
        if len(head.get("short_description", "")) > 60:
            errors.append({"message": '"short_description" is too long'})
        if errors:
            text = "Invalid metadata in README.md"
            return self.say(400, {"error": text, "errors": errors, "warnings": []})
        return self.say(200, {"errors": [], "warnings": []})

    def preupload(
        self, query: dict[str, Any], body: bytes, repo: str, revision: str
    ) -> None:
        if found := self.find(repo, revision):
            present = found[1].files
            files = []
            for one in json.loads(body)["files"]:
                path = one["path"]
                is_large = self.server.large and path.endswith(self.server.large_files)
                data = present.get(path)
                oid = None if data is None else _oid(data)
                mode = "lfs" if is_large else "regular"
                files.append(
                    {
                        "path": path,
                        "uploadMode": mode,
                        "shouldIgnore": False,
                        "oid": oid,
                    }
                )
            self.say(200, {"files": files})

    def commit(
        self, query: dict[str, Any], body: bytes, repo: str, revision: str
    ) -> None:
        found = self.find(repo, revision)
        if not found:
            return None
        self.server.before_commit()
        store = found[0]
        head = store.at(revision)
        lines = [json.loads(line) for line in body.splitlines()]
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, head.sha):
            text = "A commit has happened since. Please refresh and try again."
            return self.say(412, {"error": text})
        files = dict(head.files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                path, content = value["path"], store.stored[value["oid"]][1]
                store.stored[value["oid"]] = (path, content)
                files[path] = Pointer.to(value["oid"], len(content))
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        sha = store.commit(files, revision, header["summary"])
        return self.say(
            200,
            {
                "success": True,
                "commitOid": sha,
                "commitUrl": f"{self.server.url}/{_address(repo)}/commit/{sha}",
            },
        )

    # ------------------------------------------------------------------ references

    def tag(self, query: dict[str, Any], body: bytes, repo: str, revision: str) -> None:
        found, asked = self.find(repo, revision), json.loads(body)
        if found and asked["tag"] in found[0].tags:
            self.say(409, {"error": "Tag reference exists already"})
        elif found:
            found[0].tags[asked["tag"]] = found[1].sha
            self.say(200, {})

    def untag(
        self, query: dict[str, Any], body: bytes, repo: str, revision: str
    ) -> None:
        if found := self.find(repo):
            if found[0].tags.pop(revision, None) is None:
                text = f"Invalid rev id: {revision}"
                return self.say(404, {"error": text, "code": "RevisionNotFound"})
            return self.say(200, {})
        return None

    def branch(
        self, query: dict[str, Any], body: bytes, repo: str, revision: str
    ) -> None:
        start = json.loads(body).get("startingPoint", "main")
        if found := self.find(repo, start):
            if revision in found[0].branches:
                return self.say(409, {"error": "Reference already exists"})
            found[0].branches[revision] = found[1].sha
            return self.say(200, {})
        return None

    def unbranch(
        self, query: dict[str, Any], body: bytes, repo: str, revision: str
    ) -> None:
        if found := self.find(repo):
            if revision == "main":
                return self.say(403, {"error": "Cannot delete main"})
            del found[0].branches[revision]
            return self.say(200, {})
        return None

    def squash(
        self, query: dict[str, Any], body: bytes, repo: str, revision: str
    ) -> None:
        found = self.find(repo)
        if found and revision not in found[0].branches:
            self.say(400, {"error": "You cannot squash a tag"})
        elif found:
            found[0].squash(revision, json.loads(body)["message"])
            self.say(200, {})

    # ------------------------------------------------------------------ large files

    def batch(self, query: dict[str, Any], body: bytes, repo: str) -> None:
        """Where to send large files: nowhere when they are stored already (`post_lfs_batch_info`)."""
        if found := self.find(repo):
            objects = []
            for one in json.loads(body)["objects"]:
                answer = dict(one)
                if one["oid"] not in found[0].stored:
                    href = f"{self.server.url}/store/{repo}/{one['oid']}"
                    answer["actions"] = {"upload": {"href": href, "header": {}}}
                objects.append(answer)
            self.say(200, {"transfer": "basic", "objects": objects})

    def store(self, query: dict[str, Any], body: bytes, repo: str, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.server.repos[repo].stored[oid] = ("", body)
        self.say(200, {})

    def list_stored(self, query: dict[str, Any], body: bytes, repo: str) -> None:
        """The fields that `LFSFileInfo` reads; only for those who may write."""
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self.say(403, {"error": "You don't have the required permissions"})
        if found := self.find(repo):
            entries = [
                {
                    "fileOid": oid,
                    "oid": oid,
                    "filename": path,
                    "size": len(content),
                    "pushedAt": "2026-01-01T00:00:00.000Z",
                    "ref": "main",
                }
                for oid, (path, content) in found[0].stored.items()
            ]
            return self.say(200, entries)
        return None

    def delete_stored(self, query: dict[str, Any], body: bytes, repo: str) -> None:
        if found := self.find(repo):
            for oid in json.loads(body)["deletions"]["sha"]:
                del found[0].stored[oid]
            self.say(200, {})


def _address(repo: str) -> str:
    """Where a repository is on the website."""
    return repo if repo.startswith("spaces/") else f"datasets/{repo}"


def _oid(data: bytes) -> str:
    """What `preupload` says of a file that is there: SHA-256 of a large one, git's hash of another."""
    from huggingface_hub.utils.sha import git_hash

    return data.sha256 if isinstance(data, Pointer) else git_hash(data)


REVISION = "(?P<revision>[^/]+)"
CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "/api/repos/create", Changes.create),
    ("POST", "/api/validate-yaml", Changes.validate),
    ("PUT", REPO + "/settings", Changes.settings),
    ("POST", REPO + "/preupload/" + REVISION, Changes.preupload),
    ("POST", REPO + "/commit/" + REVISION, Changes.commit),
    ("POST", REPO + "/tag/" + REVISION, Changes.tag),
    ("DELETE", REPO + "/tag/" + REVISION, Changes.untag),
    ("POST", REPO + "/branch/" + REVISION, Changes.branch),
    ("DELETE", REPO + "/branch/" + REVISION, Changes.unbranch),
    ("POST", REPO + "/super-squash/" + REVISION, Changes.squash),
    ("GET", REPO + "/lfs-files", Changes.list_stored),
    ("POST", REPO + "/lfs-files/batch", Changes.delete_stored),
    (
        "POST",
        r"/(?:datasets|spaces)/(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch",
        Changes.batch,
    ),
    (
        "PUT",
        r"/store/(?:spaces/)?(?P<repo>[^/]+/[^/]+)/(?P<oid>[0-9a-f]{64})",
        Changes.store,
    ),
]
