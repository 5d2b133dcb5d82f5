"""Moto's S3 on loopback, with one bucket `lab`; what it was asked is recorded, and it can refuse for a while."""

import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    create_backend_app,
)
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "lab"
KEYS = {"AWS_ACCESS_KEY_ID": "loopback", "AWS_SECRET_ACCESS_KEY": "no-secret"}


class Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        return None


class Store:
    """A running server. `requests` are (method, key) in order; with `refuses` set, writes of such names fail."""

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self.requests: list[tuple[str, str]] = []
        self.fetched: dict[str, int] = {}
        self.refuses = ""
        self.slow = 0.0  # seconds before an answer
        self.server = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet
        )
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(
            target=self.server.serve_forever, args=(0.02,), daemon=True
        ).start()
        # Moto keeps the buckets of one process in one place.
        urllib.request.urlopen(f"{self.url}/moto-api/reset", b"").close()
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )
        self.client.create_bucket(Bucket=BUCKET)

    def _answer(self, environ: dict[str, Any], start: Any) -> Any:
        time.sleep(self.slow)
        key = environ["PATH_INFO"].removeprefix(f"/{BUCKET}").lstrip("/")
        self.requests.append((environ["REQUEST_METHOD"], key))
        is_write = environ["REQUEST_METHOD"] in ("PUT", "POST")
        if self.refuses and is_write and self.refuses in key:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("403 Forbidden", [("Content-Type", "application/xml")])
            return [b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"]
        return self._app(environ, start)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def files(self, folder: str) -> dict[str, bytes]:
        """The contents of all objects below a folder, by their name in it."""
        found = {}
        for page in self.client.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=f"{folder}/"
        ):
            for item in page.get("Contents", ()):
                key = item["Key"]
                if not key.endswith("/"):
                    body = self.client.get_object(Bucket=BUCKET, Key=key)["Body"]
                    found[key.removeprefix(f"{folder}/")] = body.read()
        return found

    def put(self, key: str, data: bytes) -> None:
        """Write an object as another machine would."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)

    def delete(self, key: str) -> None:
        """Delete an object as another machine would."""
        self.client.delete_object(Bucket=BUCKET, Key=key)

    def reads(self, suffix: str) -> dict[str, int]:
        """How often each object of such a name was read."""
        counts: dict[str, int] = {}
        for method, key in self.requests:
            if method == "GET" and key.endswith(suffix):
                counts[key] = counts.get(key, 0) + 1
        return counts


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, machine: Path) -> Iterator[Store]:
    """A server, and an environment in which commands use it, with their mirrors below `machine`."""
    store = Store()
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
    monkeypatch.setenv("TWIGMA_MIRRORS", str(machine))
    try:
        yield store
    finally:
        store.close()


def contents(folder: Path) -> dict[str, bytes]:
    """The contents of all files below a folder that are not hidden, by name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            found[name.as_posix()] = path.read_bytes()
    return found
