"""Embeddings as matrices: rows of norm 1, equal samples of sets, codebooks by k-means, and spectra.

`codebook` is imported from the module of its name.
"""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "codebook": (
            "assign",
            "principal",
        ),
        "samples": (
            "finite_matrix",
            "size_matched",
            "unit_samples",
        ),
        "spectra": (
            "components",
            "eigenvalues",
            "eigenvectors",
            "moments",
            "singular_values",
        ),
    },
)
