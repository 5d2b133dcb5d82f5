"""The texts of a file that a user brings: `.csv`, `.txt` or Parquet; used by `twigma reference add`."""

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from twigma.builder.references.file_readers import value_column
from twigma.core.safety import bounded
from twigma.rehydrate.sources.pictures.tables import batches, open_parquet

LONGEST_TEXT = 1 << 20  # characters of a text
# Around a book of Project Gutenberg.
MARK = re.compile(r"^\*\*\* ?(START|END) OF [^\n]*\n?", re.MULTILINE)
SENTENCE_END = re.compile(r"(?<=[.!?])[’”\"')_]*\s+(?=[A-Z“‘\"'(_])")
RUN_TOGETHER = re.compile(r"[a-z][A-Z]|[^\W\d_]{20,}")


def texts(
    path: Path, column: str | None = None, *, whole_words: bool = False
) -> list[str]:
    """The texts of a file, without empty ones and repeats; with `whole_words` without those run together (`oldPond`).

    A `.txt` is one text a line, or the sentences of a book by Project Gutenberg, recognised by its marks.
    """
    raw: Iterable[str | None] = _column(path, column)
    if path.suffix.lower() == ".txt":
        raw = _lines(path.read_text("utf-8-sig"))
    clean = [" ".join(text.split()) for text in raw if text]
    result = []
    for text in dict.fromkeys(clean):
        damaged = whole_words and RUN_TOGETHER.search(text)
        if text and not damaged:
            result.append(text)
    return result


def _column(path: Path, column: str | None) -> Iterator[str | None]:
    if path.suffix.lower() == ".csv":
        yield from _csv(path, column)
        return
    name, _ = value_column(open_parquet(path).schema_arrow, path, column)
    for batch in batches(path, bounded.CELLS, [name]):
        yield from dict.fromkeys(bounded.cells(batch.column(name)))


def _csv(path: Path, column: str | None) -> Iterator[str]:
    """The cells of one column; the others are not read."""
    with path.open("rb") as raw:
        first = next(bounded.text_lines(raw, LONGEST_TEXT), "")
    if isinstance(first, bounded.Cut):
        raise ValueError(
            f"{path}: expected a first line that names the columns, found one of over {LONGEST_TEXT:,}"
        )
    head = next(csv.reader([first]), [])
    schema = pa.schema([(each, pa.string()) for each in head])
    name, _ = value_column(schema, path, column)
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    convert = pyarrow.csv.ConvertOptions(
        include_columns=[name], column_types={name: pa.string()}
    )
    table = pyarrow.csv.read_csv(path, parse_options=parse, convert_options=convert)
    for chunk in table[name].chunks:
        yield from chunk.to_pylist()


def _lines(text: str) -> list[str]:
    """The sentences of a book between its marks; of a text without marks its lines."""
    marks = list(MARK.finditer(text))
    if len(marks) < 2:
        return text.splitlines()
    start, end = marks[0].end(), marks[-1].start()
    body = " ".join(text[start:end].split())
    return SENTENCE_END.split(body)
