"""What a post id is, in the forms that tools write it, and the month it was made in.

An id is text of 1 to 20 digits; it never passes through a float.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

# Ids made since November 2010 carry their time, in milliseconds since this epoch, in the bits above 22.
SNOWFLAKE_EPOCH = 1288834974657
FIRST_SNOWFLAKE = (
    1 << 45
)  # ids below were counted up, or are of the scheme's first days
MOST_DIGITS = 20
ID = re.compile(r"[0-9]{1,20}")
POST_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.|mobile\.|m\.)?(?:x|twitter)\.com/\S+/status(?:es)?/([0-9]{1,20})(?:[/?#]\S*)?",
    re.IGNORECASE,
)
FORMS = (
    re.compile(r"['’]?[xX]?([0-9]{1,20})"),  # a spreadsheet's text mark; rtweet's x
    re.compile(r'="([0-9]{1,20})"'),  # a formula that keeps a spreadsheet from rounding
    re.compile(r"tag:search\.twitter\.com,[0-9]{4}:([0-9]{1,20})"),  # Gnip
    POST_ADDRESS,
)


def parse_id(text: str) -> str:
    """The id that a cell holds as digits, as the address of a post, or marked as text; empty where it holds none.

    >>> [parse_id(text) for text in ("17", "x17", '="17"', "https://x.com/i/web/status/17/photo/1", "1.7e1")]
    ['17', '17', '17', '17', '']
    """
    # Most cells are digits only.
    if text.isdecimal() and text.isascii() and len(text) <= MOST_DIGITS:
        return text
    text = text.strip(" \t\r\n\0")
    if ID.fullmatch(text):
        return text
    text = text.partition(" #")[0].rstrip()  # a comment
    for form in FORMS:
        match = form.fullmatch(text)
        if match:
            return match[1]
    return ""


def are_digits(texts: Sequence[str]) -> bool:
    """Whether each of these texts is an id written as digits only, as most cells are: `parse_id` leaves it as it is.

    >>> are_digits(["17", "18"]), are_digits(["17", "x18"]), are_digits(["17", ""])
    (True, False, False)
    """
    text = "".join(texts)
    if not text.encode("ascii", "replace").isdigit():
        return False
    lengths = set(map(len, texts))
    return 0 not in lengths and max(lengths) <= MOST_DIGITS


def why_bad(value: str) -> str:
    """What is wrong with a text as a post id; empty when nothing is."""
    if ID.fullmatch(value):
        return ""
    if not value:
        return "empty"
    if re.fullmatch(r"[-+]?[0-9.,]+[eE][-+]?[0-9]+", value):
        return "scientific notation: digits are lost"
    if re.fullmatch(r"[0-9]+\.[0-9]*", value):
        return "a decimal number: it went through a float, digits are lost"
    if value.isdigit():
        return "more than 20 digits" if value.isascii() else "digits that are not ASCII"
    return "not a number of 1 to 20 digits"


def month(post: str) -> str:
    """The month an id was made in (UTC), such as 2022-07; empty for ids older than the scheme.

    >>> month("1547770898463771828")
    '2022-07'
    """
    # Earlier ids were counted up, and carry no time.
    number = int(post)
    if number < FIRST_SNOWFLAKE:
        return ""
    milliseconds = (number >> 22) + SNOWFLAKE_EPOCH
    made = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{made.year}-{made.month:02}"
