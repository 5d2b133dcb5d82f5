"""Encoded images: safe decoding, what is stored of them, shards, and images by name.

`image_headers.py` and `decode.py` read what strangers posted, `normalize.py` decides what is stored of it, `shards.py`
and `tar_places.py` read and verify finished shards, `image_index.py` opens single images. Decoding needs the packages
of `[rehydrate]`; reading shards does not.
"""

from twigma.rehydrate.images.shards import (
    SIDECAR,
    Shard,
    list_shards,
    read_images,
    read_sidecars,
)

__all__ = ["SIDECAR", "Shard", "list_shards", "read_images", "read_sidecars"]
