"""What the analyses read: a release and its private columns, reference sets, embedded texts, annotation sheets.

`load` and `reference_similarity` are imported from the modules of their names.
"""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "annotation_sheets": (
            "read_sheets",
            "sheets",
        ),
        "images": (
            "Images",
            "images_of",
        ),
        "load": ("Inputs",),
        "owners": (
            "few_owner_notes",
            "owner_notes",
            "owners_of_rows",
        ),
        "reference_sets": (
            "find_reference",
            "roles",
        ),
        "requirements": (
            "Result",
            "Settings",
            "entries",
            "missing_requirements",
        ),
        "text_embeddings": ("read_texts",),
    },
)
