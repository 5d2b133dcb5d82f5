"""A loopback Zenodo for the tests: records, drafts and files in memory, after the InvenioRDM API."""

import copy
import hashlib
import json
import re
from typing import Any
from urllib.parse import urlsplit

from . import loopback

Record = dict[str, Any]


class Handler(loopback.Handler):
    server: "Invenio"

    def do_GET(self) -> None:
        self.route()

    def do_POST(self) -> None:
        self.route()

    def do_PUT(self) -> None:
        self.route()

    def do_DELETE(self) -> None:
        self.route()

    def route(self) -> None:
        path = urlsplit(self.path).path
        if path.endswith("/content") and self.server.cuts > 0:
            self.server.cuts -= 1
            self.rfile.read(int(self.headers["Content-Length"]) // 2)
            self.close_connection = True
            return
        body = self.body()
        self.server.log.append((self.command, path, len(body)))
        if self.server.busy > 0:
            self.server.busy -= 1
            return self.say(429, {"message": "slow down"}, Retry_After="0")
        public = self.command == "GET" and not re.search(r"/draft|/user/", path)
        if (
            not public
            and self.headers.get("Authorization") != f"Bearer {self.server.token}"
        ):
            return self.say(403, {"message": "Permission denied."})
        for method, pattern, action in ROUTES:
            if method == self.command and (match := re.fullmatch(pattern, path)):
                return action(self, body, **match.groupdict())
        return self.say(404, {"message": f"no {self.command} {path}"})

    def say(self, code: int, value: Any = None, **headers: str) -> None:
        self.reply(
            code, b"" if value is None else json.dumps(value).encode(), **headers
        )

    def shown(self, record: Record) -> Record:
        return {
            key: value
            for key, value in record.items()
            if key not in ("content", "chain")
        }

    def of(self, number: str, draft: bool) -> Record | None:
        record = self.server.records.get(number)
        if record is None or record["is_published"] is draft:
            self.say(404, {"message": "The persistent identifier does not exist."})
            return None
        return record

    # ------------------------------------------------------------------ answers

    def mine(self, body: bytes) -> None:
        hits = [self.shown(record) for record in reversed(self.server.records.values())]
        self.say(200, {"hits": {"hits": hits, "total": len(hits)}})

    def create(self, body: bytes) -> None:
        number = self.server.new(json.loads(body)["metadata"], chain=None)
        self.say(201, self.shown(self.server.records[number]))

    def latest(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=False):
            chain = [
                one
                for one in self.server.records.values()
                if one["chain"] == record["chain"]
            ]
            self.say(200, self.shown([one for one in chain if one["is_published"]][-1]))

    def published_files(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=False):
            self.say(200, {"entries": _entries(record)})

    def new_version(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=False):
            chain = [
                one
                for one in self.server.records.values()
                if one["chain"] == record["chain"]
            ]
            waiting = [one for one in chain if not one["is_published"]]
            made = (
                waiting[0]["id"]
                if waiting
                else self.server.new(
                    record["metadata"], record["chain"], chain[-1]["id"]
                )
            )
            self.say(201, self.shown(self.server.records[made]))

    def import_files(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=True):
            record["content"] = dict(self.server.records[record["after"]]["content"])
            self.say(201, {"entries": _entries(record)})

    def reserve(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=True):
            record["pids"] = {
                "doi": {
                    "identifier": f"10.5281/zenodo.{number}",
                    "provider": "datacite",
                }
            }
            self.say(201, self.shown(record))

    def describe(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=True):
            value = json.loads(body)
            record["metadata"] = value["metadata"]
            record["pids"] = value.get("pids", {})  # what a PUT leaves out is gone
            self.say(200, self.shown(record))

    def draft_files(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=True):
            self.say(200, {"entries": _entries(record)})

    def start_file(self, body: bytes, number: str) -> None:
        record = self.of(number, draft=True)
        names = [one["key"] for one in json.loads(body)]
        if record and any(name in record["content"] for name in names):
            self.say(400, {"message": f"File with key {names[0]} already exists."})
        elif record:
            record["content"] |= dict.fromkeys(names)
            self.say(201, {"entries": _entries(record)})

    def content(self, body: bytes, number: str, name: str) -> None:
        if record := self.of(number, draft=True):
            self.server.received += len(body)
            record["uploading"] = record.get("uploading", {}) | {name: body}
            self.say(200, {"key": name, "status": "pending"})

    def commit_file(self, body: bytes, number: str, name: str) -> None:
        if record := self.of(number, draft=True):
            record["content"][name] = record.pop("uploading")[name]
            self.say(200, {"key": name, "status": "completed"})

    def delete_file(self, body: bytes, number: str, name: str) -> None:
        if record := self.of(number, draft=True):
            del record["content"][name]
            self.say(204)

    def publish(self, body: bytes, number: str) -> None:
        if record := self.of(number, draft=True):
            missing = [
                key
                for key in ("title", "creators", "publication_date", "resource_type")
                if not record["metadata"].get(key)
            ]
            if missing or None in record["content"].values() or not record["content"]:
                return self.say(
                    400, {"message": f"A validation error occurred: {missing}"}
                )
            record["is_published"] = True
            return self.say(202, self.shown(record))
        return None


def _entries(record: Record) -> list[dict[str, Any]]:
    return [
        {"key": name, "status": "pending"}
        if data is None
        else {
            "key": name,
            "status": "completed",
            "size": len(data),
            "checksum": f"md5:{hashlib.md5(data).hexdigest()}",
        }
        for name, data in record["content"].items()
    ]


R, D, F = "/api/records/(?P<number>[0-9]+)", "/draft", "/(?P<name>[^/]+)"
ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/api/user/records", Handler.mine),
    ("POST", "/api/records", Handler.create),
    ("GET", R + "/versions/latest", Handler.latest),
    ("GET", R + "/files", Handler.published_files),
    ("POST", R + "/versions", Handler.new_version),
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


class Invenio(loopback.Server):
    """The server: `cuts` uploads lose their connection half-way, `busy` calls are answered 429."""

    token = "zenodo-loopback-token"

    def __init__(self) -> None:
        super().__init__(Handler)
        self.records: dict[str, Record] = {}
        self.log: list[tuple[str, str, int]] = []
        self.cuts = self.busy = self.received = 0

    def new(self, metadata: dict[str, Any], chain: str | None, after: str = "") -> str:
        number = str(9_000_001 + len(self.records))
        record = {
            "id": number,
            "chain": chain or number,
            "after": after,
            "is_published": False,
            "pids": {},
        }
        self.records[number] = record | {
            "metadata": copy.deepcopy(metadata),
            "content": {},
        }
        return number
