"""Working folders and releases in an object store, `s3://BUCKET/FOLDER` or `gs://BUCKET/FOLDER`, and their mirrors.

Everything else works on files: the mirror is a folder of this machine that is brought up to the store when a command
begins, and whose finished files are sent there. Tars are fetched when they are read, the next one ahead, and dropped
afterwards. Raw pages, the ledger, locks and what is not finished stay here.

    with mirrored("s3://lab/ai-images") as work:
        embed_shards(work)

`mirror.py` compares the two and sends; `tars.py` fetches tars; `opened.py` is what other rooms call.
"""

from twigma.core.storage.address import is_address
from twigma.core.storage.opened import (
    bring,
    drop,
    fetched,
    is_mirrored,
    local_copy,
    mirrored,
    read_at,
    reading,
    refuse_closed,
    size_of,
    will_read,
)

__all__ = [
    "bring",
    "drop",
    "fetched",
    "is_address",
    "is_mirrored",
    "local_copy",
    "mirrored",
    "read_at",
    "reading",
    "refuse_closed",
    "size_of",
    "will_read",
]
