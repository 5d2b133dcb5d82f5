"""What the paper states, and verdicts on its claims.

The numbers that the paper states are in the module `stated`; `claims`, and the table of `measured.verdicts`, are
imported from the modules of their names.
"""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "comparison": ("paper_box",),
        "claim": (
            "Claim",
            "Measured",
        ),
        "verdicts": ("judge",),
    },
)
