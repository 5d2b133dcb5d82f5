"""What a post id is, in the forms that tools write it, and the month it was made in.

An id is text of 1 to 20 digits, the first of them no zero; it never passes through a float. Zeros in front, as padded
exports have them, are no part of it: one id has one spelling, and is bought once.
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
DIGITS = r"(0*[0-9]{1,20})"  # with zeros in front
ID = re.compile(r"[1-9][0-9]{0,19}")
POST_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.|mobile\.|m\.)?(?:x|twitter)\.com/\S+/status(?:es)?/"
    rf"{DIGITS}(?:[/?#]\S*)?",
    re.IGNORECASE,
)
# What a spreadsheet or a float makes of an id.
SCIENTIFIC = re.compile(r"[-+]?[0-9.,]+[eE][-+]?[0-9]+")
DECIMAL = re.compile(r"[0-9]+\.[0-9]*")
FORMS = (
    re.compile(rf"['’]?[xX]?{DIGITS}"),  # a spreadsheet's text mark; rtweet's x
    re.compile(rf'="{DIGITS}"'),  # a formula that keeps a spreadsheet from rounding
    re.compile(rf"tag:search\.twitter\.com,[0-9]{{4}}:{DIGITS}"),  # Gnip
    POST_ADDRESS,
)


def parse_post_id(text: str) -> str:
    """The id of a post that a cell of a list holds, without zeros in front; empty where it holds none.

    >>> [parse_post_id(text) for text in ("17", "017", "000")]
    ['17', '17', '']
    """
    return parse_id(text).lstrip("0")


def parse_id(text: str) -> str:
    """The id that a cell holds as digits, as the address of a post, or marked as text; empty where it holds none.

    Zeros in front stay: it may be the name of an image, and a picture called 003 is another than 3.

    >>> [parse_id(text) for text in ("17", "x17", '="17"', "https://x.com/i/web/status/17/photo/1", "1.7e1", "003")]
    ['17', '17', '17', '17', '', '003']
    """
    # Most cells are digits only.
    if text.isdecimal() and text.isascii() and len(text) <= MOST_DIGITS:
        return text
    text = text.strip(" \t\r\n\0")
    text = text.partition(" #")[0].rstrip()  # a comment
    for form in FORMS:
        match = form.fullmatch(text)
        if match:
            return match[1]
    return ""


def are_digits(texts: Sequence[str]) -> bool:
    """Whether each of these texts is an id of digits only, as most cells are: `parse_post_id` leaves it as it is.

    >>> are_digits(["17", "18"]), are_digits(["17", "x18"]), are_digits(["17", ""]), are_digits(["17", "018"])
    (True, False, False, False)
    """
    text = "".join(texts)
    if not text.encode("ascii", "replace").isdigit():
        return False
    # Of digits, only a text that is empty or begins with 0 sorts before "1".
    return min(texts) >= "1" and max(map(len, texts)) <= MOST_DIGITS


def has_lost_digits(text: str) -> bool:
    """Whether a cell is an id that a spreadsheet or a float wrote as another number.

    >>> has_lost_digits("1.58659E+18"), has_lost_digits("1547770898463771828")
    (True, False)
    """
    text = text.strip(" \t\r\n\0")
    return bool(SCIENTIFIC.fullmatch(text) or DECIMAL.fullmatch(text))


def why_bad(value: str) -> str:
    """What is wrong with a text as a post id; empty when nothing is."""
    if ID.fullmatch(value):
        return ""
    if not value:
        return "empty"
    if SCIENTIFIC.fullmatch(value):
        return "scientific notation: digits are lost"
    if DECIMAL.fullmatch(value):
        return "a decimal number: it went through a float, digits are lost"
    if value.isdigit():
        return _why_bad_digits(value)
    return "not a number of 1 to 20 digits"


def _why_bad_digits(value: str) -> str:
    if not value.isascii():
        return "digits that are not ASCII"
    if not value.strip("0"):
        return "zero is no id"
    if len(value.lstrip("0")) <= MOST_DIGITS:
        return "zeros in front of the id"
    return "more than 20 digits"


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
