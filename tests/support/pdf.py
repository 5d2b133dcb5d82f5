"""The text of a PDF page by page, read with its own character maps: enough for files of Matplotlib and Chromium."""

import re
import unicodedata
import zlib

OBJECT = re.compile(rb"(?<!\d)(\d+) 0 obj(.*?)endobj", re.S)
STREAM = re.compile(rb"stream\r?\n(.*?)\r?\n?endstream", re.S)
RANGE = re.compile(
    r"<([0-9a-f]+)>\s*<([0-9a-f]+)>\s*(?:<([0-9a-f]+)>|\[([^\]]*)\])", re.I
)
PAIR = re.compile(r"<([0-9a-f]+)>\s*<([0-9a-f]+)>", re.I)
SHOWN = re.compile(
    rb"/(\S+)\s+[\d.]+\s+Tf|<([0-9A-Fa-f]+)>|\(((?:\\.|[^\\)])*)\)", re.S
)
ESCAPED = re.compile(rb"\\([0-7]{3}|.)", re.S)
CONTROL = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


class Pdf:
    """The objects of a file; ValueError where it is none."""

    def __init__(self, data: bytes) -> None:
        if not data.startswith(b"%PDF-1.") or b"%%EOF" not in data[-32:]:
            raise ValueError("no PDF, or an incomplete one")
        self.data = data
        self.objects = {int(found[1]): found[2] for found in OBJECT.finditer(data)}

    @property
    def embedded_fonts(self) -> int:
        """How many font programs are inside."""
        return len(re.findall(rb"/FontFile[23]? \d+ 0 R", self.data))

    @property
    def fonts(self) -> int:
        """How many fonts are described."""
        return len(re.findall(rb"/Type\s*/FontDescriptor", self.data))

    def pages(self) -> list[str]:
        """The text of each page, as it is drawn; spaces may be missing."""
        catalog = next(one for one in self.objects.values() if b"/Catalog" in one)
        root = int(re.search(rb"/Pages (\d+) 0 R", catalog)[1])
        return [self._text(page) for page in self._below(root)]

    def _below(self, number: int) -> list[bytes]:
        node = self.objects[number]
        kids = re.search(rb"/Kids\s*\[([^\]]*)\]", node)
        if kids is None:
            return [node]
        pages = []
        for kid in re.findall(rb"(\d+) 0 R", kids[1]):
            pages += self._below(int(kid))
        return pages

    def _stream(self, number: int) -> bytes:
        return zlib.decompress(STREAM.search(self.objects[number])[1])

    def _entry(self, node: bytes, name: bytes) -> bytes:
        """A dictionary that an object holds or refers to."""
        place = re.search(rb"/" + name + rb"\s+(\d+) 0 R", node)
        if place is not None:
            return self.objects[int(place[1])]
        begin = node.find(b"/" + name)
        return node[begin:] if begin >= 0 else b""

    def _text(self, page: bytes) -> str:
        fonts = self._entry(self._entry(page, b"Resources"), b"Font")
        fonts = fonts.partition(b"<<")[2].partition(b">>")[0]
        maps = {}
        for name, number in re.findall(rb"/(\S+)\s+(\d+) 0 R", fonts):
            maps[name] = self._characters(int(number))
        text, current = [], {}
        for number in re.findall(rb"/Contents\s*\[?\s*(\d+) 0 R", page):
            for font, coded, literal in SHOWN.findall(self._stream(int(number))):
                if font:
                    current = maps.get(font, {})
                else:
                    text.append(_decoded(coded, literal, current))
        # Ligatures are letters again.
        return unicodedata.normalize("NFKC", "".join(text))

    def _characters(self, font: int) -> dict[int, str]:
        """Which text each code of a font is."""
        place = re.search(rb"/ToUnicode (\d+) 0 R", self.objects[font])
        if place is None:
            return {}
        table = self._stream(int(place[1])).decode("latin-1")
        characters = {}
        for part in re.findall(r"beginbfchar(.*?)endbfchar", table, re.S):
            for code, text in PAIR.findall(part):
                characters[int(code, 16)] = _unicode(text)
        for part in re.findall(r"beginbfrange(.*?)endbfrange", table, re.S):
            for first, last, start, several in RANGE.findall(part):
                texts = re.findall(r"<([0-9a-f]+)>", several, re.I)
                for i, code in enumerate(range(int(first, 16), int(last, 16) + 1)):
                    if start:
                        characters[code] = chr(int(start, 16) + i)
                    else:
                        characters[code] = _unicode(texts[i])
        return characters


def _unicode(hexadecimal: str) -> str:
    return bytes.fromhex(hexadecimal).decode("utf-16-be")


def _decoded(coded: bytes, literal: bytes, characters: dict[int, str]) -> str:
    raw = bytes.fromhex(coded.decode()) if coded else ESCAPED.sub(_plain, literal)
    codes = [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]
    return "".join(characters.get(code, "") for code in codes)


def _plain(escaped: re.Match[bytes]) -> bytes:
    if len(escaped[1]) == 3:
        return bytes([int(escaped[1], 8)])
    return CONTROL.get(escaped[1], escaped[1])
