"""Which format a content is, by its first bytes; its suffix decides only between texts."""

import re

from twigma.core.lists.packed import ZIP, Content, workbook_kind

JSON = (".jsonl", ".ndjson", ".json")
# Of formats that are read, then of those that people take for lists.
READ = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"<stata_dta>": "dta",
    b"$FL2": "sav",
    b"$FL3": "sav",
    b"X\n\x00\x00\x00": "rds",
    b"RDX2\nX\n": "rds",
    b"RDX3\nX\n": "rds",
}
FOREIGN = {
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls): save it as .xlsx or .csv",
    b"FEA1": "Feather of version 1: write it again as Parquet",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a SQLite database",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
    b"Rar!": "a RAR archive: unpack it first",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}
OLD_STATA = re.compile(rb"[\x69-\x73][\x01\x02]\x01\x00")  # dta of Stata 7 to 12
HTML = re.compile(rb"\s*<(!doctype html|html|head)\b", re.IGNORECASE)
# Tabs, line ends and form feeds are text, and Hive separates cells by \x01.
CONTROLS = re.compile(rb"[\x02-\x08\x0e-\x1b]")
# So many of them, and a larger share of the first bytes, are no text: a damaged line has some too.
FEW_CONTROLS, MOST_CONTROLS = 16, 0.02


def format_of(content: Content) -> str:
    """`parquet`, `arrow`, `xlsx`, `ods`, `dta`, `sav`, `rds`, `json` or `text`; ValueError for any other."""
    head = content.head
    for beginning, name in READ.items():
        if head.startswith(beginning):
            return name
    if head.startswith(ZIP):
        return workbook_kind(content)
    if OLD_STATA.match(head):
        return "dta"
    _refuse_foreign(content, head)
    suffix = content.name.suffix.lower()
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if suffix in JSON or begins in (b"[", b"{"):
        return "json"
    return "text"


def _refuse_foreign(content: Content, head: bytes) -> None:
    """ValueError for a file that is no list, named where it is known."""
    found = ""
    for beginning, name in FOREIGN.items():
        if head.startswith(beginning):
            found = name
    if HTML.match(head):
        found = "a web page: was it downloaded from behind a login?"
    elif head and not head.strip(b"\0"):
        found = "zero bytes: the disk or the download lost its content"
    elif not found and _is_binary(head):
        found = f"binary data that begins with {head[:12]!r}"
    if found:
        raise ValueError(f"{content.where}: expected a list, found {found}")


def _is_binary(head: bytes) -> bool:
    controls = len(CONTROLS.findall(head))
    return controls > max(FEW_CONTROLS, MOST_CONTROLS * len(head))
