"""Which columns of a table hold encoded images."""

import pyarrow as pa

PIXELS = ("image", "jpg", "png", "bytes")  # names of columns of bytes that are images


def is_image(field: pa.Field, named: bool) -> bool:
    """Whether a column holds encoded images; `named` by the user it may have any name."""
    if pa.types.is_struct(field.type):
        return bool(field.type.get_field_index("bytes") >= 0)
    return pa.types.is_binary(field.type) and (named or field.name in PIXELS)
