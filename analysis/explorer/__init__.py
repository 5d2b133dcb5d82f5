"""The explorer: all images of a release as one map to look around in, and selections that other commands take.

`points.py` and `channels.py` turn a release into small arrays, `comparison.py` two of them, and `page.py` writes them
with their program (`program/`) into one HTML file that asks for nothing; `dataset/selections.py` reads what a reader
saved there. `server.py` serves the same page with `pictures.py`, `details.py`, `similar.py` and `representatives.py`
behind it. `search.py` finds images by words or a picture.
"""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "page": ("explore", "read_explorer"),
        "comparison": ("Comparison", "read_comparison"),
        "points": ("Points", "read_points"),
        "server": ("ExplorerServer", "serve"),
        "search": ("closest",),
    },
)
