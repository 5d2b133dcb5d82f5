"""Sizes as people read them."""

UNITS = {"GB": 1e9, "MB": 1e6, "kB": 1e3}


def size_text(count: float) -> str:
    """A number of bytes, in the largest unit that it fills.

    >>> size_text(38_400), size_text(2_500_000_000), size_text(12)
    ('38.4 kB', '2.5 GB', '12 B')
    """
    for unit, size in UNITS.items():
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:,} B"
