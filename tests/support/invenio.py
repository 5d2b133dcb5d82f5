"""A loopback Zenodo for the tests: records, drafts and files in memory.

It answers as the sources of the service do, read at these commits of 2026: invenio-drafts-resources 36fe82e
(resources/records/resource.py and errors.py: `versions/latest` is a 301 to `links.self` with a body of JSON;
services/records/service.py: a draft of a next version that exists is returned; components/base.py: files are imported
into a draft without files only), invenio-rdm-records 1f23bb9 (services/components/metadata.py: a next version has no
`version` and `publication_date`; services/pids/manager.py: a DOI is reserved once; services/config.py: 100 files),
invenio-records-resources 9cc7539 (records/systemfields/files/manager.py: a file is started once, and committed after
its content), zenodo-rdm 6386403 (resources.py: `application/json` is the old API's form, `vnd.inveniordm.v1+json` the
stored one). That generic names of clients get 403 and that 504 may follow what was done is from public reports.
"""

import copy
import hashlib
import http.server
import json
import re
import threading
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

Record = dict[str, Any]
GENERIC = re.compile(r"python-(requests|urllib|httpx)|aiohttp|curl|Wget|^$", re.I)
MOST_FILES = 100
NOT_FOUND = "The persistent identifier does not exist."


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Invenio"

    def do_GET(self) -> None:
        self.route()

    def do_POST(self) -> None:
        self.route()

    def do_PUT(self) -> None:
        self.route()

    def do_DELETE(self) -> None:
        self.route()

    def log_message(self, *_: object) -> None:
        return None

    def route(self) -> None:
        path = urlsplit(self.path).path
        length = int(self.headers.get("Content-Length") or 0)
        if path.endswith("/content") and self.command == "PUT" and self.server.cuts > 0:
            self.server.cuts -= 1
            self.rfile.read(length // 2)
            self.close_connection = True
            return
        body = self.rfile.read(length)
        self.server.log.append((self.command, path, len(body)))
        if GENERIC.search(self.headers.get("User-Agent", "")):
            return self.say_page(403)
        if self.server.busy > 0:
            self.server.busy -= 1
            return self.say(429, {"message": "429 Too Many Requests"}, Retry_After="0")
        public = self.command == "GET" and not re.search(r"/draft|/user/", path)
        authorized = self.headers.get("Authorization") == f"Bearer {self.server.token}"
        if not public and not authorized:
            return self.say(403, {"status": 403, "message": "Permission denied."})
        return self.act(path, body)

    def act(self, path: str, body: bytes) -> None:
        for method, pattern, action in ROUTES:
            match = re.fullmatch(pattern, path)
            if method == self.command and match:
                self.lost = self.server.loses(action.__name__)
                if action.__name__ in self.server.failing:
                    self.server.failing.remove(action.__name__)
                    return self.say_page(502)
                parts = {
                    name: unquote(text) for name, text in match.groupdict().items()
                }
                return action(self, body, **parts)
        return self.say(404, {"message": f"no {self.command} {path}"})

    def say(self, code: int, value: Any = None, **headers: str) -> None:
        if getattr(self, "lost", False) and code < 400:
            self.lost = False
            return self.say_page(504)  # after what was asked for was done
        data = b"" if value is None else json.dumps(value).encode()
        headers = {"Content_Type": "application/json"} | headers
        return self.send(code, data, headers)

    def say_page(self, code: int) -> None:
        self.send(
            code, b"<html>\n<body>Error</body></html>", {"Content_Type": "text/html"}
        )

    def send(self, code: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def shown(self, record: Record) -> Record:
        """A record or draft in the form that the request accepts."""
        address = f"{self.server.url}/api/records/{record['id']}"
        links = {"self": address if record["is_published"] else f"{address}/draft"}
        if self.headers.get("Accept") == "application/json":
            files = [
                {
                    "key": entry["key"],
                    "size": entry.get("size"),
                    "checksum": entry.get("checksum"),
                    "links": {"self": f"{address}/files/{entry['key']}/content"},
                }
                for entry in _entries(record)
            ]
            about = {"id": int(record["id"]), "metadata": record["metadata"]}
            return about | {"files": files, "links": links}
        hidden = ("content", "uploading", "chain", "unlisted")
        shown = {key: value for key, value in record.items() if key not in hidden}
        parent = {"id": record["chain"]}
        if any(one["is_published"] for one in self.server.chain_of(record)):
            doi = {"identifier": f"10.5281/zenodo.{int(record['chain']) - 1}"}
            parent["pids"] = {"doi": doi}
        return shown | {"links": links, "parent": parent}

    def of(self, number: str, draft: bool) -> Record | None:
        record = self.server.records.get(number)
        if record is None or record["is_published"] is draft:
            self.say(404, {"status": 404, "message": NOT_FOUND})
            return None
        return record

    def refuse(self, field: str, reason: str) -> None:
        errors = [{"field": field, "messages": [reason]}]
        message = "A validation error occurred."
        self.say(400, {"status": 400, "message": message, "errors": errors})

    # ------------------------------------------------------------------ reading

    def mine(self, body: bytes) -> None:
        """From the search index, in which a record is `lag` questions after it was made."""
        hits = []
        for record in reversed(self.server.records.values()):
            if record["unlisted"] > 0:
                record["unlisted"] -= 1
            else:
                hits.append(self.shown(record))
        self.say(200, {"hits": {"hits": hits, "total": len(hits)}})

    def latest(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=False):
            chain = self.server.chain_of(record)
            newest = [one for one in chain if one["is_published"]][-1]
            address = f"{self.server.url}/api/records/{newest['id']}"
            answer = {"status": 301, "message": "Redirecting...", "location": address}
            self.say(301, answer, Location=address)

    def read(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=False):
            self.say(200, self.shown(record))

    def versions(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=False):
            chain = reversed(self.server.chain_of(record))
            hits = [self.shown(one) for one in chain if one["is_published"]]
            self.say(200, {"hits": {"hits": hits, "total": len(hits)}})

    def published_files(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=False):
            self.say(200, {"entries": _entries(record)})

    def read_content(self, body: bytes, number: str, name: str) -> None:
        if record := self.of(number, draft=False):
            data = record["content"][name]
            self.send(200, data, {"Content_Type": "application/octet-stream"})

    # ------------------------------------------------------------------ drafts

    def create(self, body: bytes) -> None:
        number = self.server.new(json.loads(body)["metadata"], chain=None)
        self.say(201, self.shown(self.server.records[number]))

    def read_draft(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=True):
            self.say(200, self.shown(record))

    def new_version(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=False):
            chain = self.server.chain_of(record)
            waiting = [one["id"] for one in chain if not one["is_published"]]
            if not waiting:
                metadata = dict(chain[-1]["metadata"])
                for name in ("version", "publication_date"):
                    metadata.pop(name, None)
                waiting = [self.server.new(metadata, record["chain"])]
            self.say(201, self.shown(self.server.records[waiting[0]]))

    def import_files(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=True):
            if record["content"]:
                return self.refuse("files.enabled", "Please remove all files first.")
            chain = self.server.chain_of(record)
            last = [one for one in chain if one["is_published"]][-1]
            record["content"] = dict(last["content"])
            self.say(201, {"entries": _entries(record)})
        return None

    def reserve(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=True):
            if record["pids"].get("doi"):
                return self.refuse("pids.doi", "A PID already exists for type doi")
            doi = {"identifier": f"10.5281/zenodo.{number}", "provider": "datacite"}
            record["pids"] = {"doi": doi}
            self.say(201, self.shown(record))
        return None

    def describe(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=True):
            value = json.loads(body)
            record["metadata"] = value["metadata"]
            record["pids"] = value.get("pids", {})  # what a PUT leaves out is gone
            self.say(200, self.shown(record))

    def publish(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=True):
            needed = ("title", "creators", "publication_date", "resource_type")
            missing = [key for key in needed if not record["metadata"].get(key)]
            if missing:
                return self.refuse(f"metadata.{missing[0]}", "Missing data.")
            if None in record["content"].values() or not record["content"]:
                return self.refuse("files", "Missing uploaded files.")
            record["is_published"] = True
            self.say(202, self.shown(record))
        return None

    # ------------------------------------------------------------------ files of a draft

    def draft_files(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=True):
            self.say(200, {"entries": _entries(record)})

    def start_file(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=True):
            names = [one["key"] for one in json.loads(body)]
            for name in names:
                if name in record["content"]:
                    message = f"File with key {name} already exists."
                    return self.say(400, {"status": 400, "message": message})
            if len(record["content"]) + len(names) > MOST_FILES:
                message = "Uploading selected files will result in exceeding the max"
                return self.say(400, {"status": 400, "message": message})
            record["content"] |= dict.fromkeys(names)
            self.say(201, {"entries": _entries(record)})
        return None

    def content(self, body: bytes, number: str, name: str) -> None:
        if record := self.of(number, draft=True):
            self.server.received += len(body)
            if self.server.spoils > 0:
                self.server.spoils -= 1
                body = body[:-1] + b"?"
            record["uploading"][name] = body
            self.say(200, {"key": name, "status": "pending"})

    def commit_file(self, body: bytes, number: str, name: str) -> None:
        if record := self.of(number, draft=True):
            if name not in record["uploading"] and record["content"][name] is None:
                return self.say(500, {"status": 500, "message": "Internal error"})
            if name in record["uploading"]:
                record["content"][name] = record["uploading"].pop(name)
            entry = next(one for one in _entries(record) if one["key"] == name)
            self.say(200, entry)
        return None

    def delete_file(self, body: bytes, number: str, name: str) -> None:
        if record := self.of(number, draft=True):
            if name not in record["content"]:
                message = f"Record '{number}' has no file '{name}'."
                return self.say(404, {"status": 404, "message": message})
            del record["content"][name]
            self.say(204)
        return None


def _entries(record: Record) -> list[dict[str, Any]]:
    entries = []
    for name, data in record["content"].items():
        entry = {"key": name, "status": "pending"}
        if data is not None:
            md5 = hashlib.md5(data).hexdigest()
            entry |= {
                "status": "completed",
                "size": len(data),
                "checksum": f"md5:{md5}",
            }
        entries.append(entry)
    return entries


R, D, F = "/api/records/(?P<number>[0-9]+)", "/draft", "/(?P<name>[^/]+)"
ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/api/user/records", Handler.mine),
    ("POST", "/api/records", Handler.create),
    ("GET", R, Handler.read),
    ("GET", R + "/versions/latest", Handler.latest),
    ("GET", R + "/versions", Handler.versions),
    ("GET", R + "/files", Handler.published_files),
    ("GET", R + "/files" + F + "/content", Handler.read_content),
    ("POST", R + "/versions", Handler.new_version),
    ("GET", R + D, Handler.read_draft),
    ("POST", R + D + "/actions/files-import", Handler.import_files),
    ("POST", R + D + "/pids/doi", Handler.reserve),
    ("PUT", R + D, Handler.describe),
    ("GET", R + D + "/files", Handler.draft_files),
    ("POST", R + D + "/files", Handler.start_file),
    ("PUT", R + D + "/files" + F + "/content", Handler.content),
    ("POST", R + D + "/files" + F + "/commit", Handler.commit_file),
    ("DELETE", R + D + "/files" + F, Handler.delete_file),
    ("POST", R + D + "/actions/publish", Handler.publish),
]


class Invenio(http.server.ThreadingHTTPServer):
    """The server.

    `cuts` uploads lose their connection half-way, `busy` calls are answered 429, `spoils` uploads are damaged, and the
    answers to `lost` (names of actions, each once) are 504 although they were done; `failing` ones are 502, and not
    done. A new record is in the list of the owner's after `lag` questions.
    """

    daemon_threads = True
    token = "zenodo-loopback-token"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.records: dict[str, Record] = {}
        self.log: list[tuple[str, str, int]] = []
        self.cuts = self.busy = self.received = self.spoils = self.lag = 0
        self.lost: list[str] = []
        self.failing: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def new(self, metadata: dict[str, Any], chain: str | None) -> str:
        # Of two numbers, the first is that of all versions.
        number = str(9_000_002 + 2 * len(self.records))
        self.records[number] = {
            "id": number,
            "chain": chain or number,
            "is_published": False,
            "pids": {},
            "metadata": copy.deepcopy(metadata),
            "content": {},
            "uploading": {},
            "unlisted": self.lag,
        }
        return number

    def chain_of(self, record: Record) -> list[Record]:
        """All versions of a record, oldest first."""
        records = self.records.values()
        return [one for one in records if one["chain"] == record["chain"]]

    def loses(self, action: str) -> bool:
        """Whether the answer to this call is lost."""
        if action not in self.lost:
            return False
        self.lost.remove(action)
        return True

    def __enter__(self) -> "Invenio":
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
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        return None
