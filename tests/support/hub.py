"""A loopback Hugging Face Hub for the tests: datasets and Spaces in memory, spoken to by the real huggingface_hub.

The calls, their bodies and the fields of the answers are those that huggingface_hub 2.4 sends and reads (`hf_api.py`,
`_commit_api.py`, `lfs.py`); which header makes which error is in its `utils/_http.py`, `hf_raise_for_status`. Files are
"regular", or with `large` Parquet goes through Git LFS, as on the real Hub. `log` holds (method, path, bytes received).
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from huggingface_hub.utils.sha import git_hash

from . import loopback
from .hub_changes import CHANGES, REPO, Changes, key_of
from .hub_repo import Commit, Repo, entry, sibling

PAGE = 2  # commits; 50 on the Hub


class Handler(Changes, loopback.Handler):
    disable_nagle_algorithm = True  # headers and body are two packets
    server: "Hub"

    def do_GET(self) -> None:
        self.route("GET")

    def do_HEAD(self) -> None:
        self.route("HEAD")

    def do_POST(self) -> None:
        self.route("POST")

    def do_PUT(self) -> None:
        self.route("PUT")

    def do_DELETE(self) -> None:
        self.route("DELETE")

    def route(self, method: str) -> None:
        body = self.body()
        if body is None:
            return
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        self.server.log.append((method, parts.path, len(body)))
        self.server.agents.add(self.headers.get("User-Agent", ""))
        self.server.authorizations.add(self.headers.get("Authorization", ""))
        fault = self.server.take_fault(method, path)
        if fault is not None and not fault.after:
            return self.fail(fault)
        if fault is not None:
            self.muted = True  # the call is carried out, and its answer lost
        try:
            self.answer(method, path, parse_qs(parts.query), body)
        finally:
            self.muted = False
        return None if fault is None else self.fail(fault)

    def answer(
        self, method: str, path: str, query: dict[str, Any], body: bytes
    ) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in (self.server.token, self.server.reader):
            return self.say(
                401, {"error": "Invalid credentials in Authorization header"}
            )
        for verb, pattern, action in ROUTES:
            match = re.fullmatch(pattern, path)
            if verb != method.replace("HEAD", "GET") or match is None:
                continue
            if verb != "GET" and action not in (Handler.paths_info, Changes.store):
                if not token:
                    return self.say(401, {"error": "Invalid username or password."})
                if token == self.server.reader:
                    text = "You don't have the required permissions"
                    return self.say(403, {"error": text})
            groups = match.groupdict()
            if "repo" in groups:
                groups["repo"] = key_of(path, groups["repo"])
            return action(self, query, body, **groups)
        return self.say(404, {"error": f"no {method} {path} here"})

    def fail(self, fault: "Fault") -> None:
        """Answer with a fault: a status, a redirect, or a page of HTML."""
        headers = dict(fault.headers)
        self.send_response(fault.status)
        page = b"<!doctype html><title>Please sign in</title>"
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)

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
        if self.muted:
            return
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(code)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        if code >= 400:
            self.send_header("X-Error-Message", value["error"])
            if "code" in value:
                self.send_header("X-Error-Code", value["code"])
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def find(self, repo: str, revision: str = "main") -> tuple[Repo, Commit] | None:
        """A repository and a commit of it; one that is private does not exist for strangers."""
        found = self.server.repos.get(repo)
        known = "Authorization" in self.headers
        if found is None or (found.private and not known):
            # Strangers are not told whether there is one.
            status = 404 if known else 401
            text = "Repository not found" if known else "Invalid username or password."
            self.say(status, {"error": text, "code": "RepoNotFound"})
            return None
        commit = found.at(revision)
        if commit is None:
            text = f"Invalid rev id: {revision}"
            self.say(404, {"error": text, "code": "RevisionNotFound"})
            return None
        return found, commit

    # ------------------------------------------------------------------ answers

    def info(
        self, query: dict[str, Any], body: bytes, repo: str, revision: str = "main"
    ) -> None:
        if found := self.find(repo, revision):
            store, commit = found
            about = {
                "id": repo.removeprefix("spaces/"),
                "sha": commit.sha,
                "private": store.private,
                "gated": store.gated,
                "disabled": False,
                "cardData": store.card,
                "siblings": [sibling(*file) for file in sorted(commit.files.items())],
                "tags": [],
                "downloads": 0,
                "likes": 0,
            }
            self.say(200, about)

    def refs(self, query: dict[str, Any], body: bytes, repo: str) -> None:
        def listed(refs: dict[str, str], head: str) -> list[dict[str, str]]:
            return [
                {
                    "name": name.rpartition("/")[2] if not head else name,
                    "ref": f"{head}{name}",
                    "targetCommit": sha,
                }
                for name, sha in refs.items()
            ]

        if found := self.find(repo):
            store = found[0]
            answer = {
                "branches": listed(store.branches, "refs/heads/"),
                "converts": listed(store.converts, ""),
                "tags": listed(store.tags, "refs/tags/"),
            }
            if query.get("include_prs") == ["1"]:
                answer["pullRequests"] = listed(store.pulls, "")
            self.say(200, answer)

    def commits(
        self, query: dict[str, Any], body: bytes, repo: str, revision: str
    ) -> None:
        """The history of a revision, in pages with a Link to the next, as `paginate` reads them."""
        if found := self.find(repo, revision):
            history = found[0].history(found[1].sha)
            page = int(query.get("p", ["0"])[0])
            first, last = page * PAGE, (page + 1) * PAGE
            entries = [
                {
                    "id": commit.sha,
                    "title": commit.title,
                    "message": "",
                    "authors": [{"user": "ada"}],
                    "date": "2026-01-01T00:00:00.000Z",
                }
                for commit in history[first:last]
            ]
            link = {}
            if len(history) > last:
                url = f"{self.server.url}{urlsplit(self.path).path}?p={page + 1}"
                link = {"Link": f'<{url}>; rel="next"'}
            self.say(200, entries, **link)

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
            names = [name for name in sorted(found[1].files) if name.startswith(head)]
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
            entries += [entry(name, found[1].files[name]) for name in shown]
            if path and not names:
                return self.say(
                    404, {"error": "no such entry", "code": "EntryNotFound"}
                )
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
            files = found[1].files
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
        store, commit = found
        data = store.content(commit.files[path]) if path in commit.files else None
        if data is None:
            return self.say(404, {"error": "Entry not found", "code": "EntryNotFound"})
        headers = {
            "ETag": f'"{git_hash(data)}"',
            "X_Repo_Commit": commit.sha,
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
            self.server.sent.append((path, len(data)))
            self.wfile.write(data)
            self.close_connection = True
        else:
            # Before it goes out: who has received it may look at once.
            self.server.sent.append((path, len(data)))
            self.say(code, data, **headers)
        return None


ROUTES: list[tuple[str, str, Any]] = [
    *CHANGES,
    ("GET", REPO + "/refs", Handler.refs),
    ("GET", REPO + "/commits/(?P<revision>[^/]+)", Handler.commits),
    ("GET", REPO + "/tree/(?P<revision>[^/]+)", Handler.tree),
    ("GET", REPO + "/tree/(?P<revision>[^/]+)/(?P<path>.+)", Handler.tree),
    ("POST", REPO + "/paths-info/(?P<revision>[^/]+)", Handler.paths_info),
    ("GET", REPO + "/revision/(?P<revision>[^/]+)", Handler.info),
    ("GET", REPO, Handler.info),
    (
        "GET",
        r"/(?:datasets|spaces)/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
        Handler.resolve,
    ),
    (
        "GET",
        r"/api/resolve-cache/(?:datasets|spaces)/(?P<repo>[^/]+/[^/]+)/(?P<revision>[^/]+)/(?P<path>.+)",
        Handler.resolve,
    ),
]


@dataclass
class Fault:
    """How a call goes wrong: its status and headers, how often, and whether it was carried out before."""

    method: str
    path: str
    status: int
    times: int = 1
    after: bool = False
    headers: tuple[tuple[str, str], ...] = ()


class Hub(loopback.Server):
    """The server: `with Hub() as hub:`; `token` may write, `cuts` commits lose their connection half-way.

    Of downloads `drops` lose theirs, and those `spoilt` differ in a bit; `sent` has (path, bytes) of each.
    """

    token = "hf_loopback"
    reader = "hf_reader"  # a token that may only read

    def __init__(self) -> None:
        super().__init__(Handler)
        self.repos: dict[str, Repo] = {}
        self.log: list[tuple[str, str, int]] = []
        self.agents: set[str] = set()
        self.authorizations: set[str] = set()
        self.faults: list[Fault] = []
        self.cuts = self.drops = 0
        self.large = False
        self.large_files: tuple[str, ...] = (".parquet",)
        self.spoilt: set[str] = set()
        self.sent: list[tuple[str, int]] = []
        self.before_commit: Callable[[], object] = lambda: None

    def fault(self, method: str, path: str, status: int, **how: Any) -> None:
        """Let calls whose path ends so go wrong."""
        self.faults.append(Fault(method, path, status, **how))

    def take_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.method == method and path.endswith(fault.path):
                fault.times -= 1
                return fault
        return None

    def received(self, part: str = "/commit/") -> int:
        """Bytes received so far by requests whose path holds `part`."""
        return sum(size for method, path, size in self.log if part in path)

    def hold(self, repo: str, files: dict[str, bytes], **card: Any) -> str:
        """Make a repository with these files and this card; its commit."""
        self.repos[repo] = Repo(card=card)
        return self.repos[repo].commit(files)
