"""Single values as people and tools write them: times, whole numbers, flags and texts; one reading for all sources."""

from twigma.core.values.flags import FALSE, TRUE, read_flag
from twigma.core.values.numbers import (
    LARGEST,
    noun_for,
    plural,
    read_count,
    read_whole,
    whole_numbers,
)
from twigma.core.values.sizes import size_text
from twigma.core.values.texts import clean_text, read_text
from twigma.core.values.times import (
    form_of,
    have_form,
    may_be_posted,
    read_time,
    read_times,
)

__all__ = [
    "FALSE",
    "LARGEST",
    "TRUE",
    "clean_text",
    "form_of",
    "have_form",
    "may_be_posted",
    "noun_for",
    "plural",
    "read_count",
    "read_flag",
    "read_text",
    "read_time",
    "read_times",
    "read_whole",
    "size_text",
    "whole_numbers",
]
