"""The demo's platform on 127.0.0.1: an X API and an image host over a world folder.

`python -m twigma.demo.platform.server WORLD` serves one by hand; tests and the demo use `with Platform(world) as
platform:`.
"""

import argparse
import asyncio
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from aiohttp import web

from twigma.demo.platform.image_host import ANSWERS, MEDIA, ImageHost, is_answer
from twigma.demo.platform.x_api import FAULTS, WINDOW, XApi
from twigma.demo.platform.x_world import World

DEMO_FAULTS = {3: "503", 5: "429"}


class Platform:
    """Serves a world from a thread, on a free port unless one is given; `api_url` and `image_url` say where.

    `faults` plants one fault on the API call of that number, from 1: one of FAULTS. `limits` are the calls a window
    of `window` seconds by path. `slow_seconds` is how long a slow image takes. `token` is the one bearer token accepted
    (any, when None). `hits` counts requests by path, `billed` posts given out by id, and `asked` lists the API calls.
    """

    def __init__(
        self,
        world: Path | World,
        port: int = 0,
        *,
        faults: Mapping[int, str] | None = None,
        limits: Mapping[str, int] | None = None,
        window: int = WINDOW,
        slow_seconds: float = 2.0,
        token: str | None = None,
    ) -> None:
        self.world = world if isinstance(world, World) else World.read(Path(world))
        media = self.world.media.values()
        self.images = {one["name"]: one for one in media if one["type"] == "photo"}
        faults = dict(faults or {})
        self._refuse_unknown(faults)
        self.port = port
        self.hits: Counter[str] = Counter()
        self._api = XApi(self.world, faults, limits or {}, window, token)
        self._image_host = ImageHost(self.images, self.hits, slow_seconds)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="platform", daemon=True)
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._failure = ""

    def _refuse_unknown(self, faults: Mapping[int, str]) -> None:
        answers = {str(image["answer"]) for image in self.images.values()}
        unknown = {answer for answer in answers if not is_answer(answer)}
        unknown |= set(faults.values()) - set(FAULTS)
        if unknown:
            raise ValueError(
                f"expected answers of {ANSWERS} or a status, and faults of {FAULTS}; found {sorted(unknown)}"
            )

    @property
    def api_url(self) -> str:
        """Where the X API answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def image_url(self) -> str:
        """What stands for https://pbs.twimg.com."""
        return self.api_url

    @property
    def billed(self) -> Counter[str]:
        """Posts given out, by id."""
        return self._api.billed

    @property
    def billed_users(self) -> Counter[str]:
        """Users given out, by id."""
        return self._api.billed_users

    @property
    def asked(self) -> list[tuple[str, dict[str, str]]]:
        """Path and parameters of every API call."""
        return self._api.asked

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failure:
            raise OSError(self._failure)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            # Raised by __enter__: in this thread nobody would see it.
            reason = error.strerror or error
            self._failure = f"cannot serve on port {self.port}: {reason}"
        finally:
            self._loop.close()
            self._ready.set()

    async def _serve(self) -> None:
        server = web.Server(self._handle, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", self.port, backlog=512)
            await site.start()
            self.port = int(runner.addresses[0][1])
            self._ready.set()
            await self._stop.wait()
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith(MEDIA):
            return await self._image_host.answer(request)
        self.hits[request.path] += 1
        return self._api.answer(request)


def main() -> None:
    """Serve a world until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m twigma.demo.platform.server", description=__doc__
    )
    parser.add_argument("world", type=Path, help="folder of a demo world")
    parser.add_argument("--port", type=int, default=8321)
    parser.add_argument(
        "--faults", action="store_true", help="plant one 503 and one 429"
    )
    args = parser.parse_args()
    faults = DEMO_FAULTS if args.faults else None
    with Platform(args.world, args.port, faults=faults) as platform:
        try:
            where = (
                f"X API at {platform.api_url}, images at {platform.image_url}{MEDIA}"
            )
            print(f"{where}; Ctrl-C stops", flush=True)
            threading.Event().wait()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
