"""The reasons why files are left out, as they are written of one file: elsewhere they are of any number."""

from twigma.rehydrate.sources.pictures import inputs, metadata, tables, trees

_SINGULAR = {
    trees.LINK: "link out of the folder, not followed",
    trees.INNER_LINK: "link to a folder inside",
    trees.NO_FILE: "link, device or the like",
    trees.REPEATED: "member that a later one of the same name replaces",
    inputs.NESTED: "archive inside an archive",
    tables.WITHOUT_IMAGE: "row without an image",
    metadata.UNREADABLE: "line of metadata that cannot be read",
    metadata.UNMATCHED: "name in metadata that matches no picture",
    metadata.REPEATED: "row of metadata on a picture that an earlier row is on",
    metadata.NAMELESS: "table without a column file_name",
}


def singular(reason: str) -> str:
    """A reason as it is written of one file.

    >>> singular("links to a folder inside"), singular("empty")
    ('link to a folder inside', 'empty')
    """
    return _SINGULAR.get(reason, reason)
