"""The texts of a file that a user brings: `.csv`, `.txt` or Parquet; used by `twigma reference add`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from twigma.builder.references.file_readers import TEXTS, value_column
from twigma.core.lists.encoding import text_lines
from twigma.core.lists.formats import format_of
from twigma.core.lists.packed import open_content
from twigma.core.lists.reader import read_rows
from twigma.core.safety import bounded
from twigma.rehydrate.sources.pictures.tables import batches, open_parquet

LONGEST_TEXT = 1 << 20  # characters of a text
# Around a book of Project Gutenberg.
MARK = re.compile(r"^\*\*\* ?(START|END) OF [^\n]*\n?", re.MULTILINE)
SENTENCE_END = re.compile(r"(?<=[.!?])[’”\"')_]*\s+(?=[A-Z“‘\"'(_])")
NUMBERS = re.compile(r"\[[0-9eE,.+\-\s]+\]")
NO_VECTORS = "embeddings are read from .npy, .h5 or Parquet, not from a CSV"
RUN_TOGETHER = re.compile(r"[a-z][A-Z]|[^\W\d_]{20,}")


def texts(
    path: Path, column: str | None = None, *, whole_words: bool = False
) -> list[str]:
    """The texts of a file, without empty ones and repeats; with `whole_words` without those run together (`oldPond`).

    A `.txt` is one text a line, or the sentences of a book by Project Gutenberg, recognised by its marks.
    """
    raw: Iterable[str | None] = _column(path, column)
    if path.suffix.lower() == ".txt":
        raw = _lines(_read_text(path))
    clean = [" ".join(text.split()) for text in raw if text]
    result = []
    for text in dict.fromkeys(clean):
        damaged = whole_words and RUN_TOGETHER.search(text)
        if text and not damaged:
            result.append(text)
    return result


def _read_text(path: Path) -> str:
    """The text of a file in any encoding; ValueError where it is none, or has a line of over a million characters."""
    with open_content(path) as (content, _):
        kind = format_of(content)
        if kind not in ("text", "json"):
            raise ValueError(f"{path}: expected text, found a file of {kind}")
        lines = list(text_lines(content, LONGEST_TEXT))
    for number, line in enumerate(lines, 1):
        if isinstance(line, bounded.Cut):
            raise ValueError(
                f"{path}, line {number}: expected texts of at most {LONGEST_TEXT:,} characters"
            )
    return "\n".join(lines)


def _column(path: Path, column: str | None) -> Iterator[str | None]:
    if path.suffix.lower() == ".csv":
        yield from _csv(path, column)
        return
    name, _ = value_column(open_parquet(path).schema_arrow, path, column)
    for batch in batches(path, bounded.CELLS, [name]):
        yield from dict.fromkeys(bounded.cells(batch.column(name)))


class _TextColumn(NamedTuple):
    """The column of a table that holds the texts."""

    path: Path
    column: str | None
    exact: bool = True

    def are_named(self, names: Sequence[str]) -> bool:
        wanted = TEXTS if self.column is None else (self.column,)
        return not set(names).isdisjoint(wanted)

    def is_header(self, cells: Sequence[str]) -> bool:
        return True

    def is_row(self, value: str) -> bool:
        return True

    def places(self, names: Sequence[str], where: str) -> tuple[int | None, ...]:
        wanted = TEXTS if self.column is None else (self.column,)
        for place, name in enumerate(names):
            if name in wanted:
                return (place,)
        raise ValueError(
            f"{self.path}: expected a column of texts ({', '.join(wanted)}), found {list(names)}: --column says which; "
            f"{NO_VECTORS}"
        )


def _csv(path: Path, column: str | None) -> Iterator[str]:
    """The cells of one column; the others are not read. ValueError with the line where a row has other columns."""
    for row in read_rows(path, _TextColumn(path, column)):
        if row.reason:
            raise ValueError(
                f"{path}, line {row.line}: {row.reason}: {row.value[:80]!r}; correct that line"
            )
        if NUMBERS.fullmatch(row.value.strip()):
            raise ValueError(
                f"{path}, line {row.line}: expected a text, found numbers, {row.value[:40]!r}; {NO_VECTORS}"
            )
        yield row.value


def _lines(text: str) -> list[str]:
    """The sentences of a book between its marks; of a text without marks its lines."""
    marks = list(MARK.finditer(text))
    if len(marks) < 2:
        return text.splitlines()
    start, end = marks[0].end(), marks[-1].start()
    body = " ".join(text[start:end].split())
    return SENTENCE_END.split(body)
