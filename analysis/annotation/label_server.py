"""`twigma label DIR --work WORK`: a page on this machine alone, where people see the pictures and label them.

Who may open it is decided in `core/services/local_page.py`. Text that strangers wrote is only ever set as text.
"""

import io
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twigma.analysis.annotation.label_store import LabelStore
from twigma.core import locks
from twigma.core.services.local_page import (
    Answer,
    LocalPage,
    Request,
    json_answer,
    refusal,
)

if TYPE_CHECKING:
    from PIL.Image import Image

HERE = Path(__file__).resolve().parent
FILES = {
    "": ("labelling.html", "text/html; charset=utf-8"),
    "labelling.js": ("labelling.js", "text/javascript; charset=utf-8"),
    "labelling.css": ("labelling.css", "text/css; charset=utf-8"),
}
SIDE = 1024  # pixels of the longer side


class LabelServer(LocalPage):
    """The page of one folder of label sheets; `url` is its address."""

    policy = "script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
    command = "twigma label"

    def __init__(
        self, folder: Path, images: "Mapping[str, Image]", port: int = 0
    ) -> None:
        self.store = LabelStore(folder)
        self.images = images
        self.drawing = threading.Lock()
        super().__init__(port)

    def get(self, path: str) -> Answer | None:
        """The page, its program and style, and the pictures of its items."""
        if path in FILES:
            name, kind = FILES[path]
            return Answer((HERE / name).read_bytes(), kind)
        if not path.startswith("image/"):
            return None
        try:
            data = self.picture(path.removeprefix("image/"))
        except (KeyError, ValueError, OSError):
            return refusal("this picture is not stored", HTTPStatus.NOT_FOUND)
        return Answer(data, "image/jpeg")

    def post(self, path: str, request: Request) -> Answer | None:
        """An annotator begins, or labels an item."""
        if path == "start":
            return json_answer(self.start(request.json()))
        if path == "label":
            return json_answer(self.record(request.json()))
        return None

    def picture(self, item: str) -> bytes:
        """The picture of an item as a JPEG without metadata; KeyError, ValueError or OSError where there is none."""
        from PIL.Image import Resampling

        name = self.store.items[item].image_name
        # One at a time: a picture of a stranger may take much memory.
        with self.drawing:
            image = self.images[name].convert("RGB")
        image.thumbnail((SIDE, SIDE), Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=88)
        return buffer.getvalue()

    def start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What the page shows an annotator: the question, the images in their order, the labels so far."""
        order, labels = self.store.start(str(request.get("name", "")))
        about = self.store.about
        items = []
        for item in order:
            row = self.store.items[item]
            blurred = about.blur or row.sensitive
            items.append({"item": item, "caption": row.caption, "blurred": blurred})
        return {"question": about.question, "items": items, "labels": labels}

    def record(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Store one label."""
        name, item, label = (
            str(request.get(key, "")) for key in ("name", "item", "label")
        )
        return {"done": self.store.record(name, item, label)}


def serve(
    folder: Path,
    images: "Mapping[str, Image]",
    *,
    port: int = 0,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve the page until the process is interrupted; `announce` gets its address. Port 0 is any free one.

    RuntimeError when another process serves the folder.
    """
    busy = f"another `twigma label` serves {folder}: use its page, or stop it"
    with locks.alone(folder, busy), LabelServer(folder, images, port) as server:
        announce(server.url)
        server.serve_until_stopped()
