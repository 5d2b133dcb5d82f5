"""An X API that answers with everything but pages: silence, halves, drips, bombs, login pages, dead tokens (row 44)."""

import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..support.servers import Handler, Host
from ..support.unpacking import gzip_bomb
from .table import Measured, row
from .x_pages import CANARY, LOOKUP, SEARCH, Page, asked, created, give, page, post_ids

MOST = 500  # MB
LIMIT = 1 << 30  # bytes that the client may ask for
RUNS = 60  # after which an id counts as lost
DEADLINE = 1.0  # seconds for an answer
BOMB = gzip_bomb(b'{"data":[', b"[],", 3 << 20)  # some gigabytes
TRICKS = (
    "silent",
    "errors",
    "null",
    "half",
    "drip",
    "endless",
    "bomb",
    "mark",
    "login",
    "elsewhere",
    "401",
    "503",
)
# Looks up, or searches, again and again until there is nothing left to ask; prints each sentence, the ids and the peak.
CLIENT = """
import json, re, sys
from pathlib import Path
import pyarrow.parquet as pq
from twigma.builder.collect.collect import collect
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup
work, kind, url, token, deadline, runs = sys.argv[1:]
ids = json.loads(sys.stdin.read())
with XClient(url, token, deadline=float(deadline), sleep=lambda _: None, search_pace=0) as x:
    for _ in range(int(runs)):
        try:
            if kind == "lookup":
                if lookup(work, ids, x).outcomes["found"] == len(ids):
                    break
            elif collect(work, ["aiart"], "2022-06-01", "2022-12-31", x).done:
                break
        except (RuntimeError, OSError) as error:
            print("said", type(error).__name__, error, sep="\\t")
found = pq.read_table(f"{work}/images.parquet", columns=["id"])["id"].to_pylist()
print("lost", len(set(ids) - set(found)), sep="\\t")
print("peak", int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024, sep="\\t")
"""


class Outcome(NamedTuple):
    """What a client came to: its sentences, ids lost, the most memory held in MB, and what else it wrote."""

    sentences: list[str]
    lost: int
    peak: int
    errors: str


class HostileX:
    """Look-ups and a search over posts, where every other call is a trick.

    `delivered` counts posts in answers that can be read; those of a page that lacked others are asked for again, and
    X bills them once a day. `again` are those that were asked for although they had come on a page without a fault.
    """

    def __init__(self, ids: Sequence[str], elsewhere: str) -> None:
        self.ids = list(reversed(ids))
        self.elsewhere = elsewhere
        self.calls: Counter[str] = Counter()
        self.whole: set[str] = set()
        self.again = 0

    def lookup(self, handler: Handler) -> None:
        """Answer a look-up of ids."""
        some = asked(handler)["ids"].split(",")
        trick = self._trick(handler, LOOKUP)
        if trick == "half":
            some = some[::2]  # X passes over the others
        if trick in ("", "half", "mark"):
            self._deliver(handler, page(some), some, trick)

    def search(self, handler: Handler) -> None:
        """Answer a page of the search; a page of more than 100 posts is always refused."""
        params = asked(handler)
        size = int(params["max_results"])
        if size > 100:
            give(handler, 503, "")
            return
        end = params["end_time"].removesuffix("Z") + ".000Z"
        first = sum(created(post) >= end for post in self.ids)
        first = int(params.get("next_token", first))
        some = self.ids[first : first + size]
        following = first + size
        more = {"next_token": str(following)} if following < len(self.ids) else {}
        whole = page(some, result_count=len(some), **more)
        trick = self._trick(handler, SEARCH)
        if trick == "half":
            give(handler, 200, {**whole, "data": whole["data"][::2]})
        elif trick in ("", "mark"):
            self._deliver(handler, whole, some, trick)

    def _deliver(
        self, handler: Handler, answer: Page, some: Sequence[str], trick: str
    ) -> None:
        self.again += len(self.whole.intersection(some))
        self.whole.update(some)
        text = json.dumps(answer)
        give(handler, 200, f"\ufeff{text}" if trick == "mark" else text)

    def _trick(self, handler: Handler, path: str) -> str:
        """The trick of this call, played where it needs no posts."""
        at = self.calls[path]
        self.calls[path] += 1
        trick = TRICKS[at // 2 % len(TRICKS)] if at % 2 else ""
        json_type = {"Content-Type": "application/json"}
        if trick == "silent":
            give(handler, 200, {}, json_type)
        elif trick == "errors":
            give(handler, 200, {"errors": [{"title": "Over capacity"}]}, json_type)
        elif trick == "null":
            give(handler, 200, {"data": None}, json_type)
        elif trick == "login":
            give(handler, 200, "<html>Sign in</html>", {"Content-Type": "text/html"})
        elif trick == "elsewhere":
            give(handler, 302, "", {"Location": f"{self.elsewhere}/login"})
        elif trick == "401":
            give(handler, 401, {"title": "Unauthorized"}, json_type)
        elif trick == "503":
            give(handler, 503, "")
        elif trick in ("drip", "endless", "bomb"):
            _send_without_end(handler, trick)
        return trick


def _send_without_end(handler: Handler, trick: str) -> None:
    """A byte now and then, bytes without end, or a little that unpacks to gigabytes."""
    handler.close_connection = True
    handler.send_response_only(200)
    if trick == "bomb":
        handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()
    try:
        if trick == "bomb":
            handler.wfile.write(BOMB)
            return
        handler.wfile.write(b'{"data":[')
        until = time.monotonic() + 60
        while time.monotonic() < until:
            handler.wfile.write(b" " if trick == "drip" else b"[]," * 20_000)
            if trick == "drip":
                time.sleep(0.05)
    except OSError:
        return  # the client has hung up, as it should


def run_client(work: Path, kind: str, url: str, ids: Sequence[str]) -> Outcome:
    """Run the client in a process of its own whose memory is limited and measured."""
    words = [str(work), kind, url, CANARY, str(DEADLINE), str(RUNS)]
    ran = subprocess.run(
        [sys.executable, "-c", CLIENT, *words],
        input=json.dumps(list(ids)),
        text=True,
        capture_output=True,
        check=False,
        timeout=3600,
        env=os.environ | {"TQDM_DISABLE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT)),
    )
    lines = [line.split("\t") for line in ran.stdout.splitlines()]
    values = {line[0]: line[1] for line in lines if line[0] in ("lost", "peak")}
    sentences = ["\t".join(line[1:]) for line in lines if line[0] == "said"]
    lost = int(values.get("lost", len(ids)))
    return Outcome(sentences, lost, int(values.get("peak", 10**6)), ran.stderr)


@row(
    44,
    "an X API that sends everything but pages",
    "0 ids lost, 0 bought twice, ≤ 500 MB, the token to no other host",
    quick=1300,
    default=3000,
    long=100_000,
)
def hostile_x(count: int, folder: Path) -> Measured:
    """Look up and search `count` posts; a client runs until it has them all."""
    ids = post_ids(count)
    faults: list[str] = []
    figures: list[str] = []
    with Host({"/login": 200}) as elsewhere:
        for kind in ("lookup", "search"):
            service = HostileX(ids, elsewhere.url)
            answers = {LOOKUP: service.lookup, SEARCH: service.search}
            with Host(answers) as host:
                outcome = run_client(folder / kind, kind, host.url, ids)
            faults += [f"{kind}: {fault}" for fault in _faults(outcome, service)]
            calls = sum(service.calls.values())
            dollars = service.again * 0.005
            figures.append(
                f"{kind}: {count:,} posts in {calls} calls and {len(outcome.sentences) + 1} runs, {outcome.lost} lost, "
                f"${dollars:.2f} twice, peak {outcome.peak} MB"
            )
        if elsewhere.log:
            faults.append(f"{len(elsewhere.log)} requests to another host")
    return Measured(not faults, "; ".join([*figures, *faults[:3]]))


def _faults(outcome: Outcome, service: HostileX) -> list[str]:
    faults: list[str] = []
    if outcome.lost:
        faults.append(f"{outcome.lost} ids lost; {outcome.errors[-300:]}")
    if service.again:
        faults.append(f"{service.again} posts bought twice")
    if outcome.peak > MOST:
        faults.append(f"a peak of {outcome.peak} MB")
    if CANARY in outcome.errors or any(CANARY in one for one in outcome.sentences):
        faults.append("the token is in a message")
    for sentence in outcome.sentences:
        if "Traceback" in sentence or not any(word in sentence for word in EXPECTED):
            faults.append(f"not expected: {sentence}")
    return faults


EXPECTED = ("redirects to", "refused the token", "run again", "run the same command")
