"""What goes from a report into a paper: charts as files with captions, the methods in words, and whom to cite."""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "captions": ("Published", "publish"),
        "charts": ("Chart", "draw_chart"),
        "citation": ("Citation", "citations", "published_doi"),
        "folder": ("write_figures",),
        "methods": ("methods_text",),
    },
)
