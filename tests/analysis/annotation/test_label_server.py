"""The server answers its own page alone, stores each label before it says so, and loses none when it is killed."""

import concurrent.futures
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pandas as pd
import pytest

from twigma import open_images
from twigma.analysis.annotation import LabelServer, LabelStore, serve
from twigma.core import locks

COMMAND = [sys.executable, "-c", "from twigma.cli import main; main()", "label"]


@contextmanager
def served(folder, work):
    with LabelServer(folder, open_images(work)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def started(folder, work):
    """The command as its own process, and the address it prints."""
    words = [*COMMAND, str(folder), "--work", str(work)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        yield process, re.search(r"http://127\.0\.0\.1:\d+/[\w-]+/", line)[0]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def ask(url, path, body=None, method=None, **headers):
    """Status, headers and body of one request."""
    host, port, token = re.fullmatch(r"http://([^:]+):(\d+)/(.+)/", url).groups()
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    data = None if body is None else json.dumps(body)
    if data is not None:
        headers = {"Content-Type": "application/json", **headers}
    method = method or ("GET" if data is None else "POST")
    where = path if path.startswith("/") else f"/{token}/{path}"
    connection.request(method, where, data, headers)
    answer = connection.getresponse()
    found = answer.status, dict(answer.headers), answer.read()
    connection.close()
    return found


def labels_of(folder, name):
    sheet = pd.read_csv(
        folder / f"annotator-{name}.csv", dtype=str, keep_default_na=False
    )
    assert sheet["item"].is_unique
    return {row.item: row.label for row in sheet.itertuples(index=False) if row.label}


def test_only_the_whole_address_opens_it(small):
    with served(small.folder, small.work) as server:
        assert server.server_address[0] == "127.0.0.1"
        status, headers, body = ask(server.url, "")
        assert status == 200 and b"<script src=" in body
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        refused = [
            ask(server.url, "/"),
            ask(server.url, f"/{'x' * len(server.token)}/"),
            ask(server.url, "/%F0%9F/start"),
            ask(server.url, "", Host="evil.invalid"),
            ask(server.url, "start", {"name": "ada"}, Origin="http://evil.invalid"),
        ]
        for status, _, body in refused:
            assert status == 403 and b"twigma label" in body
        for path in ("../key.csv", "key.csv", "image/999", "image/../key.csv"):
            assert ask(server.url, path)[0] == 404
        form = ask(
            server.url,
            "start",
            {"name": "ada"},
            **{"Content-Type": "text/plain"},
        )
        assert form[0] == 400
    assert not (small.folder / "annotator-ada.csv").exists()


def test_pictures_come_without_metadata_and_only_those_drawn(small):
    import io

    from PIL import Image

    with served(small.folder, small.work) as server:
        status, headers, body = ask(server.url, "image/2")
        assert status == 200 and headers["Content-Type"] == "image/jpeg"
        picture = Image.open(io.BytesIO(body))
        assert picture.size == (60, 40) and not picture.getexif()
        status, _, body = ask(server.url, "image/1")
        assert status == 404 and b"not stored" in body


def test_labels_are_stored_undone_and_resumed(small):
    with served(small.folder, small.work) as server:
        start = json.loads(ask(server.url, "start", {"name": " Ada  L. "})[2])
        order = [each["item"] for each in start["items"]]
        assert sorted(order, key=int) == [str(i) for i in range(1, 15)]
        assert start["labels"] == {} and all(each["blurred"] for each in start["items"])
        for place, label in enumerate(("1", "2", "0")):
            body = {"name": "Ada L.", "item": order[place], "label": label}
            assert json.loads(ask(server.url, "label", body)[2]) == {"done": place + 1}
            assert labels_of(small.folder, "Ada L.")[order[place]] == label
        body = {"name": "Ada L.", "item": order[2], "label": ""}
        assert json.loads(ask(server.url, "label", body)[2]) == {"done": 2}
    with served(small.folder, small.work) as server:
        again = json.loads(ask(server.url, "start", {"name": "Ada L."})[2])
        assert [each["item"] for each in again["items"]] == order
        assert again["labels"] == {order[0]: "1", order[1]: "2"}
        other = json.loads(ask(server.url, "start", {"name": "bo"})[2])
        assert other["labels"] == {}
        assert [each["item"] for each in other["items"]] != order


def test_columns_that_people_added_stay(small):
    path = small.folder / "annotator-1.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    comments = [f"=note {item}" for item in rows["item"]]
    rows.assign(comment=comments, id="9").to_csv(path, index=False)
    store = LabelStore(small.folder)
    for label in ("1", "2", "1"):
        assert store.record("1", "3", label) == 1
    found = pd.read_csv(path, dtype=str, keep_default_na=False).set_index("item")
    assert found.loc["3", "label"] == "1" and set(found["id"]) == {"9"}
    notes = found["comment"].str.lstrip("'").to_dict()
    assert notes == {item: f"=note {item}" for item in found.index}
    assert list(found.index) == rows["item"].tolist()


@pytest.mark.parametrize(
    ("call", "body", "sentence"),
    [
        ("start", {"name": "../../x"}, "letters, digits, spaces"),
        ("start", {"name": "<b>ada</b>"}, "letters, digits, spaces"),
        ("start", {"name": ""}, "begins with a letter or digit"),
        ("start", {"name": "a" * 41}, "up to 40"),
        ("label", {"name": "1", "item": "99", "label": "1"}, "an image of the sample"),
        ("label", {"name": "1", "item": "1", "label": "3"}, "a label 1, 2 or 0"),
    ],
)
def test_what_is_no_name_image_or_label_is_refused_in_a_sentence(
    small, call, body, sentence
):
    before = sorted(path.name for path in small.folder.iterdir())
    with served(small.folder, small.work) as server:
        status, _, answer = ask(server.url, call, body)
    assert status == 400 and sentence in json.loads(answer)["error"]
    assert sorted(path.name for path in small.folder.iterdir()) == before


def test_a_request_that_is_no_request_is_refused(small):
    with served(small.folder, small.work) as server:
        assert ask(server.url, "label", ["x"])[0] == 400
        assert ask(server.url, "nothing", {})[0] == 400
        assert ask(server.url, "label", {"name": "x" * 20_000})[0] == 400
        assert ask(server.url, "", {}, method="PUT")[0] == 501


def test_one_process_serves_a_folder(small):
    other = locks.alone(small.folder, "nobody")
    with other, pytest.raises(RuntimeError, match="another `twigma label` serves"):
        serve(small.folder, {})


def test_many_at_once_lose_nothing(small):
    with served(small.folder, small.work) as server:
        for name in ("ada", "bo"):
            ask(server.url, "start", {"name": name})
        calls = [
            {"name": name, "item": str(item), "label": "1"}
            for name in ("ada", "bo")
            for item in range(1, 15)
        ]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda body: ask(server.url, "label", body), calls))
    assert {status for status, _, _ in answers} == {200}
    for name in ("ada", "bo"):
        assert len(labels_of(small.folder, name)) == 14


def test_a_killed_server_lost_nothing_it_had_confirmed(small):
    """Killed with SIGKILL at a label that is on its way, twice; the sheet is whole each time."""
    confirmed: dict[str, str] = {}
    for kill_after in (4, 5):
        with started(small.folder, small.work) as (process, url):
            start = json.loads(ask(url, "start", {"name": "ada"})[2])
            # The label that was on its way may be there, once, or not at all.
            assert confirmed.items() <= start["labels"].items()
            assert len(start["labels"]) <= len(confirmed) + 1
            confirmed = start["labels"]
            todo = [
                each["item"] for each in start["items"] if each["item"] not in confirmed
            ]
            for done, item in enumerate(todo):
                if done == kill_after:
                    timer = threading.Thread(
                        target=os.kill, args=(process.pid, signal.SIGKILL)
                    )
                    timer.start()
                label = "12"[done % 2]
                body = {"name": "ada", "item": item, "label": label}
                try:
                    status, _, _ = ask(url, "label", body)
                except (OSError, http.client.HTTPException):
                    break
                assert status == 200
                confirmed[item] = label
            timer.join()
        stored = labels_of(small.folder, "ada")
        assert confirmed.items() <= stored.items()
        assert len(stored) <= len(confirmed) + 1
    assert len(LabelStore(small.folder).start("ada")[1]) == len(stored)
