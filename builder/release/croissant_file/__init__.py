"""What a release says of itself to programs: its Croissant file, with the fields on responsible AI."""

from twigma.builder.release.croissant_file.document import croissant

__all__ = ["croissant"]
