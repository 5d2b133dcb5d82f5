"""Checks of what a user states of a dataset: lines, contacts, ORCID iDs, SPDX licences; for `dataset_identity.py`."""

import json
import re

from packaging.licenses import (
    InvalidLicenseExpression,
    canonicalize_license_expression,
)

EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>.]+")
URL = re.compile(r"https?://[^\s<>]+\.[^\s<>]+")
ORCID = re.compile(r"(?:https://orcid\.org/)?(\d{4}-\d{4}-\d{4}-\d{3}[\dX])")
LONGEST_LINE = 200  # characters of a title, a name, …
LINE_BREAK = re.compile(r"[\r\n\u0085\u2028\u2029]")


def is_orcid(text: str) -> bool:
    """Whether this is an ORCID iD with a right check digit (ISO 7064 mod 11-2).

    >>> is_orcid("0000-0002-1825-0097"), is_orcid("0000-0002-1825-0098")
    (True, False)
    """
    match = ORCID.fullmatch(text)
    if match is None:
        return False
    digits = match[1].replace("-", "")
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    expected = (12 - total % 11) % 11
    return digits[-1] == ("X" if expected == 10 else str(expected))


def spdx(license: str) -> str:
    """An SPDX licence expression in its canonical spelling; ValueError when it is none.

    >>> spdx("cc-by-4.0"), spdx("mit or apache-2.0"), spdx("LicenseRef-museum")
    ('CC-BY-4.0', 'MIT OR Apache-2.0', 'LicenseRef-museum')
    """
    try:
        return str(canonicalize_license_expression(license))
    except InvalidLicenseExpression:
        raise ValueError(
            "license: expected an identifier of https://spdx.org/licenses/, such as CC-BY-4.0, CC0-1.0 or MIT, or "
            f"LicenseRef-NAME for one of your own, found {license!r}"
        ) from None


def one_line(text: str) -> str:
    """A text without line breaks, of the length that a line may have."""
    return LINE_BREAK.sub(" ", text)[:LONGEST_LINE]


def require_line(value: str, what: str) -> None:
    """ValueError unless `value` is one line with something in it; `what` names it."""
    if not value.strip() or len(value) > LONGEST_LINE or LINE_BREAK.search(value):
        raise ValueError(
            f"{what}: expected one line of 1 to {LONGEST_LINE} characters, found {_short(value)}"
        )


def require_contact(contact: str) -> None:
    """ValueError unless `contact` is empty, an e-mail address or a URL."""
    if contact and not (EMAIL.fullmatch(contact) or URL.fullmatch(contact)):
        raise ValueError(
            f"contact: expected an e-mail address or a URL that begins with https://, found {_short(contact)}"
        )


def require_url(url: str) -> None:
    """ValueError unless `url` is empty or an address."""
    if url and not URL.fullmatch(url):
        raise ValueError(
            f"url: expected an address that begins with https://, found {_short(url)}"
        )


def _short(value: str) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"
