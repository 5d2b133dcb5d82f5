"""Texts by others, as Arrow can hold them."""

from typing import Any


def clean_text(text: str) -> str:
    """Text that Arrow can hold: half an emoji becomes the replacement character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def read_text(value: Any) -> str | None:
    """Text without spaces around it; a whole number, such as an id, as its digits; None for anything else or nothing.

    >>> read_text(" a fox "), read_text(7), read_text(True), read_text(" ")
    ('a fox', '7', None, None)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    return clean_text(value).strip() or None
