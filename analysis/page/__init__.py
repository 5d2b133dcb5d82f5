"""The parts of the report: formatting, drawing, gallery, the page itself."""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "drawing": (
            "axes",
            "svg",
        ),
        "formatting": (
            "Cell",
            "Table",
            "interval",
            "listed",
            "number",
            "p_value",
            "percent",
            "percents",
            "table",
        ),
        "gallery": ("Gallery",),
        "section": (
            "Results",
            "Section",
            "records",
        ),
    },
)
