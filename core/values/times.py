"""Times in UTC, without a zone and in milliseconds: of ISO 8601, of mail and X's older API, or numbers since 1970.

A text that names no zone is in UTC. What could be several times, such as 05/01/2021, is none; 2021/01/05, 2021-1-5 and
the 2021:01:05 of cameras are one.
"""

import datetime
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

NOTHING = "^$x"  # matches no text
EPOCH = datetime.datetime(1970, 1, 1)
# Times before are those that programs write where they know none: 1900, 1970, 1980.
EARLIEST = datetime.datetime(2000, 1, 1)
_MAIL = "%a, %d %b %Y %H:%M:%S %z"
_LEGACY = "%a %b %d %H:%M:%S %z %Y"
_UTC_BY_NAME = re.compile(r"\s*\b(?:UTC|GMT)$")
_DAY = re.compile(r"([0-9]{4})[-/.:]([0-9]{1,2})[-/.:]([0-9]{1,2})")
_SHORT_HOUR = re.compile(r"(?<=[0-9][T ])(?=[0-9]:)")
_SPACED_OFFSET = re.compile(r"\s+(?=[+-][0-9]{2}:?[0-9]{2}$)")

Time = datetime.datetime


class Form(NamedTuple):
    """A form of times: its name, how texts of it look, and how they are read (ValueError where they cannot be)."""

    name: str
    pattern: str  # of Arrow's expressions, too
    read: Callable[[str], Time]


def read_time(value: Any) -> Time | None:
    """A time in UTC without a zone, cut to milliseconds; None where the value is no time.

    >>> read_time("2021-01-05T12:11:12+02:00"), read_time(1609841472.5), read_time("05/01/2021")
    (datetime.datetime(2021, 1, 5, 10, 11, 12), datetime.datetime(2021, 1, 5, 10, 11, 12, 500000), None)
    """
    try:
        time = _parsed(value)
        if time is not None and time.tzinfo is not None:
            time = time.astimezone(datetime.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    if time is None:
        return None
    # A plain datetime: pandas' own may have nanoseconds, which a column of milliseconds cannot hold.
    whole = Time(*time.timetuple()[:6])
    return whole + datetime.timedelta(milliseconds=time.microsecond // 1000)


def may_be_posted(time: Time, now: Time | None = None) -> bool:
    """Whether an image may be of this time (UTC, without a zone): from EARLIEST on, and not to come.

    >>> may_be_posted(Time(2022, 8, 1)), may_be_posted(Time(1970, 1, 1)), may_be_posted(Time(3023, 5, 1))
    (True, False, False)
    """
    now = now or datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    # A clock may be ahead, and a time without a zone that of a place in the east.
    return EARLIEST <= time <= now + datetime.timedelta(days=1)


def _parsed(value: Any) -> Time | None:
    if isinstance(value, Time):
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and math.isfinite(value):
        value = f"{value:.6f}"
    if isinstance(value, int):
        value = str(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    form = _form(text)
    return form.read(text) if form is not None else None


def read_times(text: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Trimmed texts, `string[n]`, as `timestamp[ms][n]`; null where `read_time` finds no time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for kind in (pa.timestamp("ms", "UTC"), pa.timestamp("ms")):
        try:
            return text.cast(kind).cast(pa.timestamp("ms"))
        except pa.ArrowInvalid:
            continue  # some are not of the form that Arrow reads
    text = text.combine_chunks()
    times = pa.nulls(len(text), pa.timestamp("ms"))
    for pattern, read in QUICK.items():
        has_form = pc.match_substring_regex(text, pattern)
        if pc.any(has_form).as_py():
            of_form = pc.if_else(has_form, text, pa.scalar(None, text.type))
            times = pc.coalesce(times, _quickly(read, of_form))
    rest = pc.if_else(pc.is_null(times), text, pa.scalar(None, text.type))
    encoded = rest.dictionary_encode()
    known = [read_time(each) for each in encoded.dictionary.to_pylist()]
    slow = pc.take(pa.array(known, pa.timestamp("ms")), encoded.indices)
    return pa.chunked_array([pc.coalesce(times, slow)])


def _quickly(read: Callable[[Any], Any], text: "pa.Array") -> "pa.Array":
    """Texts of one form, string[n], as Arrow reads them at once, timestamp[ms][n]; all null where it refuses one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        times = pc.floor_temporal(read(text), unit="millisecond")
    except pa.ArrowInvalid:
        times = pa.nulls(len(text), pa.timestamp("ms"))
    return times.cast(pa.timestamp("ms"))


def _arrow_local(text: "pa.Array") -> "pa.Array":
    import pyarrow as pa

    return text.cast(pa.timestamp("us"))


def _arrow_zoned(text: "pa.Array") -> "pa.Array":
    import pyarrow as pa

    return text.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))


def _arrow_legacy(text: "pa.Array") -> "pa.Array":
    import pyarrow.compute as pc

    return pc.strptime(text, "%a %b %d %H:%M:%S +0000 %Y", "ms", error_is_null=True)


def _arrow_seconds(text: "pa.Array") -> "pa.Array":
    import pyarrow as pa

    return text.cast(pa.int64()).cast(pa.timestamp("s"))


def form_of(text: str) -> str | None:
    """The name of the form that a text has: `seconds`, `milliseconds`, `ISO 8601`, `mail` or `legacy`; None of none."""
    form = _form(text.strip())
    return form.name if form is not None else None


def have_form(text: "pa.ChunkedArray", name: str | None) -> "pa.ChunkedArray":
    """Which texts, string[n], look like a form of this name, bool[n]; null where they are null, false for None."""
    import pyarrow.compute as pc

    patterns = [form.pattern for form in FORMS if form.name == name]
    pattern = patterns[0] if patterns else NOTHING
    return pc.match_substring_regex(text, pattern)


def _form(text: str) -> Form | None:
    for form in FORMS:
        if re.match(form.pattern, text):
            return form
    return None


def _seconds(text: str) -> Time:
    return EPOCH + datetime.timedelta(seconds=float(text))


def _milliseconds(text: str) -> Time:
    return EPOCH + datetime.timedelta(milliseconds=float(text))


def _iso(text: str) -> Time:
    text = _UTC_BY_NAME.sub("+00:00", text)
    text = _SHORT_HOUR.sub("0", text)
    return Time.fromisoformat(_SPACED_OFFSET.sub("", text))


def _year_first(text: str) -> Time:
    year, month, day = _DAY.match(text).groups()  # type: ignore[union-attr]
    rest = _DAY.sub("", text, count=1)
    return _iso(f"{year}-{month:0>2}-{day:0>2}{rest}")


def _mail(text: str) -> Time:
    return Time.strptime(_UTC_BY_NAME.sub(" +0000", text), _MAIL)


def _legacy(text: str) -> Time:
    return Time.strptime(text, _LEGACY)


# One separator in a day; the expressions of Arrow cannot refer back to it.
YEAR_FIRST = r"^[0-9]{4}(-[0-9]{1,2}-|/[0-9]{1,2}/|\.[0-9]{1,2}\.|:[0-9]{1,2}:)[0-9]{1,2}([T ]|$)"
# Numbers of other lengths are no times: the years that they would mean are before 1973, or after 2286.
FORMS = (
    Form("seconds", r"^[0-9]{9,10}(\.[0-9]*)?$", _seconds),
    Form("milliseconds", r"^[0-9]{12,13}(\.[0-9]*)?$", _milliseconds),
    Form("ISO 8601", r"^[0-9]{4}-?[0-9]{2}-?[0-9]{2}([T ]|$)", _iso),
    Form("year first", YEAR_FIRST, _year_first),
    Form("mail", r"^[A-Z][a-z]{2}, [0-9]", _mail),
    Form("legacy", r"^[A-Z][a-z]{2} [A-Z][a-z]{2} [0-9]", _legacy),
)
# The usual spellings, which Arrow reads at once; `read_time` reads the others one by one.
_CLOCK = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
# Days and seconds that there always are: of others, such as 30 February, Arrow makes the next that there is.
_LEGACY_CLOCK = r"^[A-Z][a-z]{2} [A-Z][a-z]{2} ([01][0-9]|2[0-8]) [0-9]{2}:[0-9]{2}:[0-5][0-9] \+0000 [0-9]{4}$"
QUICK = {
    _CLOCK + "$": _arrow_local,
    _CLOCK + r"(Z|[+-][0-9]{2}:[0-9]{2})$": _arrow_zoned,
    _LEGACY_CLOCK: _arrow_legacy,
    r"^[0-9]{9,10}$": _arrow_seconds,
}
