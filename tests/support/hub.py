"""A loopback Hugging Face Hub for the tests: dataset repositories in memory, spoken to by the real huggingface_hub.

Every file is "regular", so that neither LFS nor Xet is needed. `log` holds (method, path, bytes received).
"""

import base64
import contextlib
import http.server
import json
import re
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from huggingface_hub.utils.sha import git_hash

from .hub_repo import Repo, entry

REPO = r"/api/datasets/(?P<repo>[^/]+/[^/]+)"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Hub"

    def do_GET(self) -> None:
        self.route("GET")

    def do_HEAD(self) -> None:
        self.route("HEAD")

    def do_POST(self) -> None:
        self.route("POST")

    def do_PUT(self) -> None:
        self.route("PUT")

    def log_message(self, *_: object) -> None:
        return None

    def route(self, method: str) -> None:
        body = self.body()
        if body is None:
            return
        parts = urlsplit(self.path)
        self.server.log.append((method, parts.path, len(body)))
        self.server.agents.append(self.headers.get("User-Agent", ""))
        if (
            method in ("POST", "PUT")
            and self.headers.get("Authorization") != f"Bearer {self.server.token}"
        ):
            return self.say(401, {"error": "Invalid username or password."})
        for verb, pattern, action in ROUTES:
            if verb == method.replace("HEAD", "GET") and (
                match := re.fullmatch(pattern, unquote(parts.path))
            ):
                return action(self, parse_qs(parts.query), body, **match.groupdict())
        return self.say(404, {"error": f"no {method} {parts.path} here"})

    def body(self) -> bytes | None:
        """The request's body; None where the connection is to be cut in the middle of it."""
        length = int(self.headers.get("Content-Length") or 0)
        if "/commit/" in self.path and self.server.cuts > 0:
            self.server.cuts -= 1
            self.rfile.read(length // 2)
            self.close_connection = True
            return None
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(length)

    def say(self, code: int, value: Any, **headers: str) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(code)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        if code >= 400:
            self.send_header("X-Error-Message", value["error"])
            if code == 404:
                self.send_header(
                    "X-Error-Code",
                    "RepoNotFound"
                    if "repository" in value["error"]
                    else "EntryNotFound",
                )
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def find(
        self, repo: str, revision: str = "main"
    ) -> tuple[Repo, tuple[str, dict[str, bytes]]] | None:
        found = self.server.repos.get(repo)
        commit = found and found.at(revision)
        if not found or not commit:
            self.say(404, {"error": f"no repository {repo} at {revision}"})
            return None
        return found, commit

    # ------------------------------------------------------------------ answers

    def info(
        self, query: dict[str, Any], body: bytes, repo: str, revision: str = "main"
    ) -> None:
        if found := self.find(repo, revision):
            store, (sha, files) = found
            siblings = [
                {"rfilename": p, "size": len(d), "blobId": git_hash(d)}
                for p, d in sorted(files.items())
            ]
            about = {
                "id": repo,
                "sha": sha,
                "private": store.private,
                "gated": store.gated,
                "disabled": False,
            }
            about |= {"cardData": store.card}
            self.say(
                200,
                about | {"siblings": siblings, "tags": [], "downloads": 0, "likes": 0},
            )

    def refs(self, query: dict[str, Any], body: bytes, repo: str) -> None:
        if found := self.find(repo):
            head = {
                "name": "main",
                "ref": "refs/heads/main",
                "targetCommit": found[1][0],
            }
            tags = [
                {"name": t, "ref": f"refs/tags/{t}", "targetCommit": s}
                for t, s in found[0].tags.items()
            ]
            self.say(200, {"branches": [head], "converts": [], "tags": tags})

    def create(self, query: dict[str, Any], body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if name in self.server.repos:
            return self.say(409, {"error": "You already created this dataset repo"})
        self.server.repos[name] = Repo(
            private=bool(asked.get("private")) or asked.get("visibility") == "private"
        )
        return self.say(
            200, {"url": f"{self.server.url}/datasets/{name}", "name": name}
        )

    def settings(self, query: dict[str, Any], body: bytes, repo: str) -> None:
        if found := self.find(repo):
            found[0].gated = json.loads(body).get("gated", found[0].gated)
            self.say(200, {})

    def validate(self, query: dict[str, Any], body: bytes) -> None:
        assert json.loads(body)["repoType"] == "dataset"
        self.say(200, {"errors": [], "warnings": []})

    def preupload(
        self, query: dict[str, Any], body: bytes, repo: str, revision: str
    ) -> None:
        if found := self.find(repo, revision):
            there = {path: git_hash(data) for path, data in found[1][1].items()}
            files = [
                {
                    "path": one["path"],
                    "uploadMode": "regular",
                    "shouldIgnore": False,
                    "oid": there.get(one["path"]),
                }
                for one in json.loads(body)["files"]
            ]
            self.say(200, {"files": files})

    def commit(
        self, query: dict[str, Any], body: bytes, repo: str, revision: str
    ) -> None:
        found = self.find(repo, revision)
        if not found:
            return None
        self.server.before_commit()
        store, (sha, files) = found[0], found[0].commits[-1]
        lines = [json.loads(line) for line in body.splitlines()]
        parent = lines[0]["value"].get("parentCommit")
        if parent not in (None, sha):
            return self.say(
                412,
                {"error": "A commit has happened since. Please refresh and try again."},
            )
        files = dict(files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        sha = store.commit(files)
        return self.say(
            200,
            {
                "success": True,
                "commitOid": sha,
                "commitUrl": f"{self.server.url}/datasets/{repo}/commit/{sha}",
            },
        )

    def tag(self, query: dict[str, Any], body: bytes, repo: str, revision: str) -> None:
        found, asked = self.find(repo, revision), json.loads(body)
        if found and asked["tag"] in found[0].tags:
            self.say(409, {"error": "Tag reference exists already"})
        elif found:
            found[0].tags[asked["tag"]] = found[1][0]
            self.say(200, {})

    def tree(
        self,
        query: dict[str, Any],
        body: bytes,
        repo: str,
        revision: str,
        path: str = "",
    ) -> None:
        if found := self.find(repo, revision):
            head = f"{path}/" if path else ""
            names = [name for name in sorted(found[1][1]) if name.startswith(head)]
            folders = {
                head + name[len(head) :].split("/")[0]
                for name in names
                if "/" in name[len(head) :]
            }
            entries = [
                {"type": "directory", "path": one, "oid": "0" * 40, "size": 0}
                for one in sorted(folders)
            ]
            deep = query.get("recursive") in (["true"], ["True"])
            shown = [name for name in names if deep or "/" not in name[len(head) :]]
            entries += [entry(name, found[1][1][name]) for name in shown]
            if path and not names:
                return self.say(404, {"error": "no such entry"})
            return self.say(200, entries)
        return None

    def paths_info(
        self, query: dict[str, Any], body: bytes, repo: str, revision: str
    ) -> None:
        if found := self.find(repo, revision):
            text = body.decode()
            paths = (
                json.loads(text)["paths"]
                if text.startswith("{")
                else parse_qs(text).get("paths", [])
            )
            files = found[1][1]
            entries = [entry(path, files[path]) for path in paths if path in files]
            folders = [
                path
                for path in paths
                if any(name.startswith(f"{path}/") for name in files)
            ]
            self.say(
                200,
                entries
                + [
                    {"type": "directory", "path": p, "oid": "0" * 40, "size": 0}
                    for p in folders
                ],
            )

    def resolve(
        self, query: dict[str, Any], body: bytes, repo: str, revision: str, path: str
    ) -> None:
        found = self.find(repo, revision)
        if not found:
            return None
        sha, files = found[1]
        if path not in files:
            return self.say(404, {"error": "no such entry"})
        data = files[path]
        headers = {
            "ETag": f'"{git_hash(data)}"',
            "X_Repo_Commit": sha,
            "Accept_Ranges": "bytes",
        }
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = (
                int(asked[1]),
                min(int(asked[2] or len(data) - 1), len(data) - 1),
            )
            headers["Content_Range"] = f"bytes {first}-{last}/{len(data)}"
            return self.send(path, 206, data[first : last + 1], headers)
        return self.send(path, 200, data, headers)

    def send(self, path: str, code: int, data: bytes, headers: dict[str, str]) -> None:
        """A file's bytes; those of a spoilt one with a byte turned, and half of them where the line is to drop."""
        if self.command == "HEAD":
            return self.say(code, data, **headers)
        if path in self.server.spoilt:
            data = data[:-1] + bytes([data[-1] ^ 1])
        if self.server.drops > 0 and len(data) > 1:
            self.server.drops -= 1
            self.send_response(code)
            for name, text in (headers | {"Content_Length": str(len(data))}).items():
                self.send_header(name.replace("_", "-"), text)
            self.end_headers()
            data = data[: len(data) // 2]
            self.wfile.write(data)
            self.close_connection = True
        else:
            self.say(code, data, **headers)
        return self.server.sent.append((path, len(data)))


ROUTES: list[tuple[str, str, Any]] = [
    ("POST", "/api/repos/create", Handler.create),
    ("POST", "/api/validate-yaml", Handler.validate),
    ("PUT", REPO + "/settings", Handler.settings),
    ("GET", REPO + "/refs", Handler.refs),
    ("POST", REPO + "/preupload/(?P<revision>[^/]+)", Handler.preupload),
    ("POST", REPO + "/commit/(?P<revision>[^/]+)", Handler.commit),
    ("POST", REPO + "/tag/(?P<revision>[^/]+)", Handler.tag),
    ("GET", REPO + "/tree/(?P<revision>[^/]+)", Handler.tree),
    ("GET", REPO + "/tree/(?P<revision>[^/]+)/(?P<path>.+)", Handler.tree),
    ("POST", REPO + "/paths-info/(?P<revision>[^/]+)", Handler.paths_info),
    ("GET", REPO + "/revision/(?P<revision>[^/]+)", Handler.info),
    ("GET", REPO, Handler.info),
    (
        "GET",
        r"/datasets/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
        Handler.resolve,
    ),
    (
        "GET",
        r"/api/resolve-cache/datasets/(?P<repo>[^/]+/[^/]+)/(?P<revision>[^/]+)/(?P<path>.+)",
        Handler.resolve,
    ),
]


class Hub(http.server.ThreadingHTTPServer):
    """The server: `with Hub() as hub:`; `token` may write, `cuts` commits lose their connection half-way.

    Of downloads `drops` lose theirs, and those `spoilt` differ in a bit; `sent` has (path, bytes) of each.
    """

    daemon_threads = True
    token = "hf_loopback"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos: dict[str, Repo] = {}
        self.log: list[tuple[str, str, int]] = []
        self.agents: list[str] = []  # the names that clients gave
        self.cuts = self.drops = 0
        self.spoilt: set[str] = set()
        self.sent: list[tuple[str, int]] = []
        self.before_commit: Callable[[], object] = lambda: None
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def received(self, part: str = "/commit/") -> int:
        """Bytes received so far by requests whose path holds `part`."""
        return sum(size for method, path, size in self.log if part in path)

    def hold(self, repo: str, files: dict[str, bytes], **card: Any) -> str:
        """Make a repository with these files and this card; its commit."""
        self.repos[repo] = Repo(card=card)
        return self.repos[repo].commit(files)

    def __enter__(self) -> "Hub":
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        return None
