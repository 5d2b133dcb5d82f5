"""The explorer: all images of a release as one map to look around in, and selections that other commands take.

`points.py` turns a release into small arrays, `page.py` writes them with their program into one HTML file that asks
for nothing; `dataset/selections.py` reads what a reader saved there. `search.py` finds images by words or a picture.
"""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "page": ("explore",),
        "points": ("Points", "read_points"),
        "search": ("closest",),
    },
)
