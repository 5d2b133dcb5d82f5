"""The report's page as lines of text: words as they stand, pictures by what they say and how much is drawn."""

import base64
import io
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
from PIL import Image

BLOCKS = {
    "p",
    "h1",
    "h2",
    "h3",
    "tr",
    "dt",
    "dd",
    "caption",
    "summary",
    "a",
    "li",
    "section",
    "div",
}
SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"


def page_text(page: str) -> Iterator[str]:
    """The lines of the page, of its charts and its pictures, in order."""
    parser = _Lines()
    parser.feed(page)
    parser.close()
    yield from (line for line in parser.lines if line)


class _Lines(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.lines = [""]
        self.hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.hidden = tag == "style" or (self.hidden and tag not in ("body", "title"))
        if tag in BLOCKS:
            self._next("")
        if tag in ("td", "th") and self.lines[-1]:
            self.lines[-1] += " | "
        if tag == "td" and given.get("class", "").split()[-1:] in (["max"], ["min"]):
            self.lines[-1] += f"({given['class'].split()[-1]}) "
        if tag == "img":
            self._picture(given)

    def handle_endtag(self, tag: str) -> None:
        self.hidden = self.hidden and tag != "style"
        if tag in BLOCKS:
            self._next("")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            words = re.sub(r"\s+", " ", data)
            self.lines[-1] += words if self.lines[-1] else words.lstrip()

    def _next(self, text: str) -> None:
        self.lines[-1] = self.lines[-1].strip()
        self.lines.append(text)

    def _picture(self, given: dict[str, str]) -> None:
        kind, _, data = given["src"].partition(";base64,")
        self._next(f"[picture: {given['alt']}]")
        if kind == "data:image/svg+xml":
            for line in _chart(base64.b64decode(data).decode()):
                self._next(line)
        self._next("")


def _chart(svg: str) -> Iterator[str]:
    """What a chart says, its colours, and how many shapes it is made of; of points drawn as pixels, how many are."""
    root = ElementTree.fromstring(svg)
    texts = [
        " ".join("".join(node.itertext()).split()) for node in root.iter(f"{SVG}text")
    ]
    yield f"[texts: {' · '.join(text for text in texts if text)}]"
    shapes = Counter(node.tag.removeprefix(SVG) for node in root.iter())
    drawn = {name: shapes[name] for name in ("path", "use", "image") if shapes[name]}
    yield f"[shapes: {', '.join(f'{count} {name}' for name, count in drawn.items())}]"
    colours = Counter(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", svg))
    yield f"[colours: {', '.join(sorted(colours))}]"
    yield _places(root)
    for node in root.iter(f"{SVG}image"):
        pixels = base64.b64decode(node.get(f"{LINK}href", "").partition("base64,")[2])
        alpha = np.asarray(Image.open(io.BytesIO(pixels)).convert("RGBA"))[..., 3]
        yield f"[pixels drawn: {(alpha > 0).mean():.2f} of the panel]"


def _places(root: ElementTree.Element) -> str:
    """Where the shapes lie, in points of the picture: mean, spread and correlation of x and y."""
    found = []
    for node in root.iter():
        if node.tag == f"{SVG}path":
            numbers = re.findall(r"-?\d+(?:\.\d+)?", node.get("d", ""))
            found += zip(
                map(float, numbers[::2]), map(float, numbers[1::2]), strict=False
            )
        elif node.tag == f"{SVG}use":
            found.append((float(node.get("x", 0)), float(node.get("y", 0))))
    (x, y), (wide, high) = np.mean(found, axis=0), np.std(found, axis=0)
    leaning = np.corrcoef(np.transpose(found))[0, 1]
    return f"[places: {x:.1f} and {y:.1f} on average, spread {wide:.1f} and {high:.1f}, correlation {leaning:.3f}]"
