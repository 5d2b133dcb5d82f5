"""Rows and embeddings of a release or a reference set, decoded once into mapped files; the memory an analysis needs.

Results with a row an image are here too, written and read by blocks (`long_table`).
"""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "column_types": (
            "declared_types",
            "with_posts",
        ),
        "embeddings": (
            "Embeddings",
            "part_embeddings",
            "release_embeddings",
        ),
        "rows": (
            "read_metadata",
            "table_files",
            "with_private",
        ),
    },
)
