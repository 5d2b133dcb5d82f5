"""Ids as X makes them: posts and media numbered by the millisecond, and photo names that carry the media id.

`demo/world/build.py` numbers its posts and photos with them.
"""

import base64
import datetime
import string

import numpy as np

EPOCH_MS = 1_288_834_974_657  # 2010-11-04, when the numbering began
LETTERS = np.array(list(string.ascii_letters + string.digits + "-_"))
NAME_LENGTH = 15


def milliseconds(moment: datetime.datetime) -> int:
    """Milliseconds since 1970 of a naive moment in UTC."""
    return round(moment.replace(tzinfo=datetime.UTC).timestamp() * 1000)


def snowflake(moment: datetime.datetime, rng: np.random.Generator) -> int:
    """An id made within the second of `moment`: 41 bits of time, 10 of the machine, 12 counting up from 0.

    As among real ids, about a third count 0, and are multiples of 4096.
    """
    time = milliseconds(moment) - EPOCH_MS + int(rng.integers(1000))
    count = 0 if rng.random() < 0.3 else int(rng.integers(1, 60))
    machine = int(rng.integers(1024))
    return time << 22 | machine << 12 | count


def photo_name(media_id: int, rng: np.random.Generator) -> str:
    """A photo's file name: 15 url-safe characters, of which the first eleven are the media id in base64url.

    >>> photo_name(1348000000000000000, np.random.default_rng(0))[:11]
    'ErUO26U6AAA'
    """
    encoded = base64.urlsafe_b64encode(media_id.to_bytes(8, "big")).decode()
    start = encoded[:11]
    rest = rng.choice(LETTERS, NAME_LENGTH - len(start))
    return start + "".join(rest)
