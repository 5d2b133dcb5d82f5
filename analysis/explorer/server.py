"""`twigma explore RELEASE --work WORK`: the explorer on this machine alone, with the pictures of a working folder.

The page is the one that `page.py` writes; here it can ask for pictures, details, similar images and a search. Who may
open it is decided in `core/services/local_page.py`.
"""

import functools
import importlib
import re
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from twigma.analysis.explorer.details import Details
from twigma.analysis.explorer.page import (
    IDS_UP_TO,
    Explorer,
    content_policy,
    read_explorer,
    render,
)
from twigma.analysis.explorer.pictures import COLUMNS, SPRITE, Pictures, Sheet
from twigma.analysis.explorer.representatives import representatives
from twigma.analysis.explorer.similar import Embedded, Encoding, Found
from twigma.core.names import DEFAULT
from twigma.core.parts import fingerprint
from twigma.core.services.local_page import (
    Answer,
    LocalPage,
    Request,
    json_answer,
    refusal,
)
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.dataset.release_folder import AnyPath
from twigma.dataset.selections import release_hash

JPEG = "image/jpeg"
NUMBER = re.compile(r"[0-9]{1,9}")
WORDS_UP_TO = 500  # characters


class ExplorerServer(LocalPage):
    """The page of one release and its working folder; `url` is its address."""

    command = "twigma explore"
    policy = content_policy(served=True)
    most_bytes = 30 << 20  # of a picture to search by

    def __init__(
        self,
        explorer: Explorer,
        work: AnyWorkspace,
        port: int = 0,
        *,
        embedding: str = DEFAULT,
        model: tuple[str | None, str | None, str | None] = (None, None, None),
    ) -> None:
        work = Workspace(work)
        self.explorer = explorer
        self.details = Details(explorer, work)
        self.pictures = Pictures(work)
        self.embedded: Embedded | None = None
        self.not_embedded = ""
        try:
            self.embedded = Embedded(explorer, work, embedding)
            self.encoding = Encoding(self.embedded, *model)
        except FileNotFoundError as error:
            self.not_embedded = str(error)
        with_ids = len(explorer.points) <= IDS_UP_TO
        page = render(explorer, with_ids=with_ids, served=True)
        self.page = Answer(page.encode(), "text/html; charset=utf-8")
        self._computing = threading.Lock()  # one search of every image at a time
        super().__init__(port)

    def warm_up(self) -> None:
        """Import what the first comparison needs, which takes seconds, while the reader looks at the map."""
        threading.Thread(
            target=importlib.import_module, args=["torch"], daemon=True
        ).start()

    # ------------------------------------------------------------------ what is asked for

    def get(self, path: str) -> Answer | None:
        """The page, the sheet of pictures on the map, and what is asked of one image."""
        whole: dict[str, Callable[[], Answer]] = {
            "": lambda: self.page,
            # Browsers ask for one.
            "icon": lambda: Answer(b"", JPEG, HTTPStatus.NO_CONTENT),
            "sprites": lambda: json_answer(self.describe_sprites()),
            "sprites.jpg": lambda: Answer(self.sprites()[0].jpeg, JPEG),
        }
        of_one: dict[str, Callable[[int], Answer]] = {
            "picture": self.picture,
            "thumbnail": self.thumbnail,
            "details": self.describe,
            "similar": self.similar,
        }
        if path in whole:
            return whole[path]()
        what, _, number = path.partition("/")
        if what not in of_one or not NUMBER.fullmatch(number):
            return None
        if int(number) >= len(self.explorer.points):
            return refusal("there is no such image", HTTPStatus.NOT_FOUND)
        return of_one[what](int(number))

    def post(self, path: str, request: Request) -> Answer | None:
        """A search, by words or by a picture."""
        if path == "search":
            text = str(request.json().get("text", ""))[:WORDS_UP_TO].strip()
            if not text:
                raise ValueError("Write what to look for, such as: a castle at night")
            return self._search(lambda encoding: encoding.words(text))
        if path == "search-picture":
            return self._search(lambda encoding: encoding.picture(request.body))
        return None

    # ------------------------------------------------------------------ one image

    def picture(self, point: int) -> Answer:
        """The picture of a point, as large as it is looked at."""
        return Answer(self.pictures.shown(self.details.name(point)), JPEG)

    def thumbnail(self, point: int) -> Answer:
        """The small picture of a point; of a few squares where it may be sensitive."""
        coarse = self.details.is_sensitive(point)
        return Answer(self.pictures.small(self.details.name(point), coarse), JPEG)

    def describe(self, point: int) -> Answer:
        """What is known of the image of a point, and why it has no picture."""
        why = self.pictures.why_missing(self.details.name(point))
        return json_answer({**self.details.describe(point), "why": why})

    def similar(self, point: int) -> Answer:
        """The images most similar to that of a point."""
        with self._computing:
            return self._listed(self._embedded().similar(point))

    # ------------------------------------------------------------------ all images

    def _search(self, query: Callable[[Encoding], Any]) -> Answer:
        embedded = self._embedded()
        try:
            with self._computing:
                return self._listed(embedded.nearest(query(self.encoding)))
        except RuntimeError as error:
            raise ValueError(f"The model could not be run: {error}") from None

    def _embedded(self) -> Embedded:
        if self.embedded is None:
            raise ValueError(f"Nothing to compare: {self.not_embedded}")
        return self.embedded

    def _listed(self, found: list[Found]) -> Answer:
        listed = []
        for each in found:
            name = self.details.name(each.point)
            entry = {
                "point": each.point,
                "name": name,
                "similarity": each.similarity,
                "hidden": self.details.is_sensitive(each.point),
                "why": self.pictures.why_missing(name),
            }
            listed.append(entry)
        return json_answer({"found": listed})

    def describe_sprites(self) -> dict[str, Any]:
        """Which points stand for others, in the order of their squares on the sheet; or why none does."""
        _, points = self.sprites()
        return {
            "points": points,
            "size": SPRITE,
            "columns": COLUMNS,
            "why": "" if points else f"No pictures on the map. {self._why_none()}",
        }

    def _why_none(self) -> str:
        absent = self.pictures.absent
        return absent or "None of the images on it is stored in the working folder."

    def sprites(self) -> tuple[Sheet, list[int]]:
        """The sheet of pictures on the map, and the point of each; made once."""
        with self._computing:
            return self._sprites

    @functools.cached_property
    def _sprites(self) -> tuple[Sheet, list[int]]:
        points = self.explorer.points
        rows = points.rows
        shown = self.details.table["image_name"].take(rows)
        eligible = self.pictures.stored(shown)
        vectors = None if self.embedded is None else self.embedded.vectors
        known = None if self.embedded is None else self.embedded.known()
        if not eligible.any():
            return Sheet([], b""), []
        made_from = fingerprint(
            {
                "release": release_hash(self.explorer.release),
                "points": len(points),
                "model": {} if self.embedded is None else self.embedded.model,
            }
        )
        chosen = representatives(points, eligible, vectors, known).tolist()
        names = [self.details.name(point) for point in chosen]
        coarse = [self.details.is_sensitive(point) for point in chosen]
        sheet = self.pictures.sheet(names, coarse, made_from)
        of_name = dict(zip(names, chosen, strict=True))
        return sheet, [of_name[name] for name in sheet.names]


def serve(
    release: AnyPath | None,
    work: AnyWorkspace,
    *,
    port: int = 0,
    before: AnyPath | None = None,
    embedding: str = DEFAULT,
    model: tuple[str | None, str | None, str | None] = (None, None, None),
    announce: Callable[[ExplorerServer], None],
) -> None:
    """Serve the explorer until the process is interrupted; `announce` gets the server, which has its address.

    Raises
    ------
    ValueError when a release has no map, OSError when the port is in use.
    """
    explorer = read_explorer(release, before)
    options: dict[str, Any] = {"embedding": embedding, "model": model}
    with ExplorerServer(explorer, work, port, **options) as server:
        announce(server)
        if server.embedded is not None:
            server.warm_up()
        server.serve_until_stopped()
