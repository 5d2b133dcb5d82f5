"""Labels of pictures by people, for a model's column: the sample and its sheets, the local page, what they answered.

`twigma sheets --for COLUMN` draws, `twigma label` shows the pictures, `twigma analyze --sheets` reads the labels.
"""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "draw_sheets": ("Drawn",),
        "label_server": ("LabelServer", "serve"),
        "label_store": ("LabelStore",),
        "read_labels": (
            "Answers",
            "distinct_images",
            "labelled_images",
            "read_answers",
        ),
    },
)
