"""JSON as rows of a list: a value a line, or one array over many lines. Numbers stay as they are written."""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from twigma.core.lists.columns import Columns, Row, pick
from twigma.core.safety import bounded
from twigma.core.safety.bounded import Cut

LONGEST = 32 << 20  # characters of a line or of a value: all ids may be on one line
BETWEEN = " \t\r\n,"  # between the values of an array
DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


class Value(NamedTuple):
    """A value of a list: the line on which it begins, and what is wrong with that line."""

    line: int
    value: Any
    reason: str = ""


def json_rows(lines: Iterator[str], columns: Columns, where: str) -> Iterator[Row]:
    """A row for each value: an object with the column that is wanted, or the value itself.

    Raises ValueError where an array over many lines is damaged or cut off.
    """
    for number, value, reason in values(lines, where):
        if reason:
            yield Row(number, str(value), reason)
        else:
            yield _row(number, value, columns, where)


def first_value(lines: Iterator[str], where: str) -> Any:
    """The first value of a JSON list; None where there is none."""
    try:
        for _, value, reason in values(lines, where):
            return None if reason else value
    except ValueError:
        pass
    return None


def values(lines: Iterator[str], where: str) -> Iterator[Value]:
    """The values of a JSON list."""
    filled = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    number, first = next(filled, (1, ""))
    second = next(lines, "")
    lines = itertools.chain([second], lines)
    if _begins_document(first, second):
        return _document(number, first, lines, where)
    return _lines(number, itertools.chain([first], lines))


def _begins_document(first: str, second: str) -> bool:
    """Whether a first line is the beginning of a value over many lines, and not a damaged line of many values."""
    if first.strip() in ("[", "{"):
        return True
    if isinstance(first, Cut) or first.strip()[:1] not in ("[", "{"):
        return False
    return not _is_complete(first) and not _is_complete(second)


def _is_complete(line: str) -> bool:
    """Whether a line is JSON, or too large to try."""
    try:
        bounded.load_json(line)
    except (bounded.TooManyValues, RecursionError):
        return True
    except ValueError:
        return False
    return True


def _lines(first: int, lines: Iterable[str]) -> Iterator[Value]:
    """The values of lines, of which the first has this number."""
    for number, line in enumerate(lines, first):
        if isinstance(line, Cut):
            yield Value(number, line, f"longer than {LONGEST:,} characters")
            continue
        if not line.strip():
            continue
        try:
            # An id never passes through a float.
            value = bounded.load_json(line, parse_int=str, parse_float=str)
        except bounded.TooManyValues as error:
            yield Value(number, line, str(error))
            continue
        except (ValueError, RecursionError):
            yield Value(number, line, "not JSON")
            continue
        items = value if isinstance(value, list) else [value]
        for item in items:
            yield Value(number, item)


def _document(
    number: int, first: str, lines: Iterator[str], where: str
) -> Iterator[Value]:
    """The values of one array, or of objects one after another, however they are broken into lines."""
    text, at = first + "\n", 0
    in_array = text.lstrip().startswith("[")
    if in_array:
        at = text.index("[") + 1
    while True:
        while at < len(text) and text[at] in BETWEEN:
            number += text[at] == "\n"
            at += 1
        if in_array and text.startswith("]", at):
            return
        try:
            value, end = DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            # As much again as could not be read: the time stays in proportion to the size.
            added = _read(lines, len(text) - at, where)
            if not added:
                break
            text, at = text[at:] + added, 0
            continue
        _limit(text[at:end], f"{where}, line {number}")
        yield Value(number, value)
        number += text.count("\n", at, end)
        at = end
    if in_array or text[at:].strip():
        raise ValueError(
            f"{where}: expected a complete JSON list, found none from line {number} on; get it again"
        )


def _limit(text: str, where: str) -> None:
    try:
        bounded.limit_values(text)
    except bounded.TooManyValues as error:
        raise ValueError(f"{where}: {error}; write a value a line") from None


def _read(lines: Iterator[str], size: int, where: str) -> str:
    """At least so many more characters, in whole lines; fewer at the end."""
    if size > LONGEST:
        raise ValueError(
            f"{where}: expected JSON lines or a list, found a value of over {LONGEST:,} characters"
        )
    parts: list[str] = []
    total = 0
    for line in lines:
        if isinstance(line, Cut):
            raise ValueError(f"{where}: a line of over {LONGEST:,} characters")
        parts.append(line + "\n")
        total += len(line) + 1
        if total >= size:
            break
    return "".join(parts)


def _row(number: int, item: Any, columns: Columns, where: str) -> Row:
    """The row of one value."""
    fields: Mapping[str, Any] = item if isinstance(item, Mapping) else {"": item}
    try:
        places = columns.places(list(fields), where)
    except ValueError as error:
        reason = str(error).removeprefix(f"{where}: ")
        return Row(number, _text(item), reason)
    values = list(fields.values())
    others = pick([_text(value) for value in values], places[1:])
    value = None if places[0] is None else values[places[0]]
    if not isinstance(value, str):
        return Row(number, _text(value), "not a number or text", others)
    return Row(number, value, "", others)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
