"""The X API on bad days: wrong clocks, used-up accounts, broken pages, a token that must not show (23 to 25, 28)."""

import base64
import contextlib
import csv
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq

from ..support.servers import Answer, Handler, Host
from ..support.worlds import photo, slow
from .fetching import Run, left_by, twigma
from .table import Measured, row
from .x_pages import (
    CANARY,
    LOOKUP,
    SEARCH,
    Archive,
    asked,
    give,
    http_date,
    media_path,
    page,
    post_ids,
    problem,
    rehydrate,
)

HOUR, DAY = 3600, 86_400


def write_list(path: Path, ids: Sequence[str]) -> Path:
    """A list of post ids."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("id\n" + "".join(f"{post}\n" for post in ids))
    return path


# ------------------------------------------------------------------ 23: clocks


@row(
    23,
    "server clock off by ±1 h, ±1 day",
    "sleep ≤ real reset + 10 s",
    quick=None,
    default=6,
    long=60,
)
def clocks(count: int, folder: Path) -> Measured:
    offsets = [0, HOUR, -HOUR, DAY, -DAY]
    with ThreadPoolExecutor() as threads:
        both = list(
            threads.map(lambda off: _clock(count, off, folder / str(off)), offsets)
        )
    waits = [wait for pair in both for wait in pair]
    ok = all(count - 1.5 <= wait <= count + 10 for wait in waits)
    figures = (
        f"a reset in {count} s waited out in {min(waits):.1f} to {max(waits):.1f} s"
    )
    return Measured(
        ok, f"{figures}, by the API's clock and the image host's, {len(offsets)} clocks"
    )


def _clock(seconds: int, off: int, folder: Path) -> tuple[float, float]:
    """Seconds that the client let pass after a used-up rate limit, and after a Retry-After that is a date."""
    ids = post_ids(101)

    def lookup(handler: Handler) -> None:
        reset = {
            "x-rate-limit-remaining": "0",
            "x-rate-limit-reset": str(int(time.time() + off + seconds)),
        }
        some = asked(handler)["ids"].split(",")
        answer = (
            page(some)
            if ids[0] not in some
            else page(some) | {"includes": page([ids[0]])["includes"]}
        )
        give(handler, 200, answer, reset | {"Date": http_date(off)})

    def image(handler: Handler) -> None:
        if handler.server.hits[path] > 1:
            return handler.reply(200, photo(1))
        return give(
            handler,
            429,
            "",
            {"Date": http_date(off), "Retry-After": http_date(off + seconds)},
        )

    path = media_path(ids[0])
    with Host({LOOKUP: lookup, path: image}) as host:
        run = rehydrate(folder / "work", write_list(folder / "ids.csv", ids), host.url)
        calls = [at for at, asked in host.log if asked.startswith(LOOKUP)]
        images = [at for at, asked in host.log if asked.startswith(path)]
    if run.code or len(calls) != 2 or len(images) != 2:
        raise RuntimeError(
            f"{len(calls)} calls, {len(images)} image requests, exit code {run.code}: {run.text[-300:]}"
        )
    return calls[1] - calls[0], images[1] - images[0]


# ------------------------------------------------------------------ 24: used up

STOPS: dict[str, tuple[Answer, str]] = {
    "usage-capped": (
        lambda handler: give(
            handler, 429, problem("UsageCapExceeded", "usage-capped", 429), LEFT
        ),
        "UsageCapExceeded",
    ),
    "usage-capped, no headers": (
        lambda handler: give(
            handler, 429, problem("Too Many Requests", "usage-capped", 429)
        ),
        "UsageCapExceeded",
    ),
    "credits": (
        lambda handler: give(handler, 402, problem("CreditsDepleted", "credits", 402)),
        "CreditsDepleted",
    ),
    "spend cap": (
        lambda handler: give(handler, 403, problem("SpendCapReached", "credits", 403)),
        "SpendCapReached",
    ),
    "plain 429": (
        lambda handler: give(handler, 429, "Rate limit exceeded\n"),
        "HTTP 429",
    ),
    "429, reset only": (
        lambda handler: give(handler, 429, "", {"x-rate-limit-reset": "soon"}),
        "HTTP 429",
    ),
    "dead token": (lambda handler: give(handler, 401, ""), "refused the token"),
}
LEFT = {"x-rate-limit-remaining": "3000", "x-rate-limit-reset": "9999999999"}


@row(
    24,
    "usage caps, missing headers",
    "stops with the reason ≤ 30 s",
    quick=None,
    default=1,
    long=20,
)
def used_up(count: int, folder: Path) -> Measured:
    faults, slowest, calls = [], 0.0, 0
    cases = [
        (name, *case, folder / f"{name}-{turn}")
        for turn in range(count)
        for name, case in STOPS.items()
    ]
    with ThreadPoolExecutor(3) as threads:
        for name, reason, run, seconds, requests in threads.map(
            lambda case: _stop(*case), cases
        ):
            slowest, calls = max(slowest, seconds), max(calls, requests)
            if run.code != 1 or reason not in run.text or seconds > 30:
                faults.append(
                    f"{name}: exit code {run.code} after {seconds:.0f} s: {run.text[-200:]}"
                )
    figures = f"{len(cases)} runs stopped with exit code 1 and the reason, the slowest after {slowest:.1f} s"
    return Measured(
        not faults, "; ".join(faults) or f"{figures} and at most {calls} calls"
    )


def _stop(
    name: str, answer: Answer, reason: str, folder: Path
) -> tuple[str, str, Run, float, int]:
    """Look up two calls' worth of ids where the second call is answered so; how it ended, how soon, and calls made."""
    ids = post_ids(150)

    def lookup(handler: Handler) -> None:
        if handler.server.hits[LOOKUP] == 1:
            give(
                handler,
                200,
                page(asked(handler)["ids"].split(",")),
                {"Date": http_date(0)},
            )
        else:
            answer(handler)

    with Host({LOOKUP: lookup}) as host:
        run = rehydrate(folder / "work", write_list(folder / "ids.csv", ids), host.url)
        seconds = time.monotonic() - host.log[1][0]
    kept = pq.read_metadata(folder / "work" / "images.parquet").num_rows
    return (
        name,
        reason if kept == 75 else f"75 posts kept, not {kept}",
        run,
        seconds,
        len(host.log),
    )


# ------------------------------------------------------------------ 25: broken pages


@row(
    25,
    "duplicate and empty pages, dead cursors",
    "L; 0 duplicates",
    quick=None,
    default=2000,
    long=50_000,
)
def broken_pages(count: int, folder: Path) -> Measured:
    with ThreadPoolExecutor() as threads:
        search = threads.submit(_search, folder / "search", count)
        round_and_round = threads.submit(_search, folder / "circle", 500, 300)
        look_up = threads.submit(_look_up, folder / "lookup", count // 4)
    found, archive, searched = search.result()
    circled, circle, run = round_and_round.result()
    looked_up, left = look_up.result()
    faults = [f"search: {fault}" for fault in _differences(found, post_ids(count))]
    faults += [f"in circles: exit code {run.code}, {circle.calls} calls"] * (
        run.code != 1 or circle.calls > 20
    )
    faults += [
        f"look-up: {fault}"
        for fault in [*_differences(looked_up, post_ids(count // 4)), *left]
    ]
    faults += [f"search ended with {searched.code}: {searched.text[-200:]}"] * bool(
        searched.code
    )
    figures = f"{len(found):,} of {count:,} posts by {archive.calls} tricked pages, {len(looked_up):,} looked up"
    told = f"a search in circles stopped after {circle.calls} calls with {len(circled)} posts"
    return Measured(
        not faults, "; ".join(faults[:3]) or f"{figures}, 0 duplicates; {told}"
    )


def _search(
    work: Path, count: int, circle: int | None = None
) -> tuple[list[str], Archive, Run]:
    archive = Archive(post_ids(count), circle=circle)
    with Host({SEARCH: archive.answer}) as host:
        period = ("--start", "2022-06-01", "--end", "2022-12-31")
        more = ("--work", work, "--budget", 100_000)
        run = twigma(
            "collect",
            "--hashtag",
            "aiart",
            *period,
            *more,
            env={"X_BEARER_TOKEN": CANARY, "TWIGMA_X_URL": host.url},
            timeout=3600,
        )
    return pq.read_table(work / "images.parquet")["id"].to_pylist(), archive, run


def _look_up(folder: Path, count: int) -> tuple[list[str], list[str]]:
    """Look up ids on pages that say everything twice, hold posts nobody asked for, or nothing at all."""
    ids = post_ids(count)
    gone = [str(int(post) + 1) for post in ids[: count // 10]]

    def lookup(handler: Handler) -> None:
        some = [post for post in asked(handler)["ids"].split(",") if post not in gone]
        stranger = [str(int(some[0]) + 7)] if some else []
        give(handler, 200, page([*some, *some, *stranger]))

    with Host({LOOKUP: lookup}) as host:
        host.answers |= {
            media_path(post): photo(at % 50) for at, post in enumerate(ids)
        }
        run = rehydrate(
            folder / "work",
            write_list(folder / "ids.csv", [*sorted([*gone, *ids]), *ids[:50]]),
            host.url,
        )
    with (folder / "work" / "outcomes.csv").open() as file:
        outcomes = [(line["id"], line["outcome"]) for line in csv.DictReader(file)]
    faults = [] if run.code == 0 else [f"exit code {run.code}: {run.text[-200:]}"]
    if sorted(outcomes) != sorted(
        [(post, "absent") for post in gone] + [(post, "found") for post in ids]
    ):
        faults.append(f"{len(outcomes)} outcomes of {len(gone) + len(ids)} ids")
    names = pq.read_table(folder / "work" / "images.parquet")["image_name"].to_pylist()
    return [name for name in names if name in set(ids)], faults + left_by(
        folder / "work", names
    ).faults


def _differences(found: list[str], wanted: list[str]) -> list[str]:
    missing, extra = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
    return (
        [f"{missing.total()} missing, {extra.total()} too many"]
        if missing or extra
        else []
    )


# ------------------------------------------------------------------ 28: the token


@row(
    28,
    "a token echoed, refused, misspelt, killed",
    "0 found outside its own file",
    quick=None,
    default=1,
    long=10,
)
def token_canary(count: int, folder: Path) -> Measured:
    seen: list[tuple[str, bytes]] = []
    runs = []
    for turn in range(count):
        with Host() as host:
            runs += _echoes(host, folder / str(turn), seen)
            runs += _bad_tokens(host, folder / str(turn))
    token_files = set(folder.rglob("token"))
    seen += [(run.text[:60], run.text.encode()) for run in runs]
    seen += [
        (path.name, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path not in token_files
    ]
    leaks = sorted(
        {where for where, text in seen if any(form in text for form in FORMS)}
    )
    traces = sum("Traceback" in run.text for run in runs)
    looks = Counter(where for where, _ in seen if where.startswith("/proc"))
    figures = f"{len(leaks)} of {len(seen):,} places hold it: what {len(runs)} runs said ({traces} tracebacks), files"
    ok = (
        not leaks
        and traces == sum(run.code == 1 for run in runs) == 9 * count
        and len(looks) == 2
    )
    return Measured(
        ok,
        f"{figures}, {looks.total()} looks at arguments and workers' environments {leaks[:5] or ''}",
    )


FORMS = (CANARY.encode(), CANARY[25:].encode(), base64.b64encode(CANARY.encode())[:40])


def _echoes(host: Host, work: Path, seen: list[tuple[str, bytes]]) -> list[Run]:
    """Look-ups on a server that repeats the token in every answer, with the token in the environment or a file."""
    ids = write_list(work / "ids.csv", post_ids(3))
    token = work / "token"
    token.write_text(CANARY)
    token.chmod(0o600)

    def look(pids: list[int]) -> None:
        """All arguments, and the environments of the fetch's processes (one just forked still shows its parent's)."""
        for pid in pids:
            with contextlib.suppress(OSError):
                arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
                seen.append(("/proc/PID/cmdline", arguments))
                if b"fetch.worker_pool" in arguments:
                    seen.append(
                        ("/proc/PID/environ", Path(f"/proc/{pid}/environ").read_bytes())
                    )

    def echo(code: int) -> Answer:
        def answer(handler: Handler) -> None:
            said = handler.headers["Authorization"]
            body = (
                page(asked(handler)["ids"].split(","))
                if code == 200
                else problem("Refused", said, code, said)
            )
            headers = {"X-Echo": said, "Location": f"/{said}", "Retry-After": "1000"}
            give(
                handler,
                code,
                body | {"errors": [{"detail": said, "title": said}]},
                headers,
            )

        return answer

    runs = []
    for code in (400, 401, 402, 403, 302, 503, 200):
        host.answers = {LOOKUP: echo(code)} | {
            media_path(post): slow(photo(1), 1.5) for post in post_ids(3)
        }
        by_file = {"X_BEARER_TOKEN": ""} if code % 2 else {}
        if by_file:
            by_file["TWIGMA_X_TOKEN_FILE"] = str(token)
        runs.append(
            rehydrate(
                work / str(code),
                ids,
                host.url,
                "-v",
                watch=look,
                **by_file,
            )
        )
    return runs


def _bad_tokens(host: Host, folder: Path) -> list[Run]:
    """Tokens that cannot be sent, and a file that others may read."""
    ids = write_list(folder / "ids.csv", post_ids(3))
    runs = [
        rehydrate(folder / "bad", ids, host.url, "-v", X_BEARER_TOKEN=bad)
        for bad in (f"{CANARY}\nX-Header: y", f"{CANARY} é", f"{CANARY} {CANARY}")
    ]
    open_file = folder / "open" / "token"
    open_file.parent.mkdir()
    open_file.write_text(CANARY)
    open_file.chmod(0o644)
    return [
        *runs,
        rehydrate(
            folder / "bad", ids, host.url, "-v", TWIGMA_X_TOKEN_FILE=str(open_file)
        ),
    ]
