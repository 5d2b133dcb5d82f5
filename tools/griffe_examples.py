"""An extension of griffe for the API reference: examples in a docstring are a section also without a heading of it.

Our short docstrings end with an example and no numpydoc heading; as running text it would be shown as quotations.
`tools/make_docs.py` names this file to mkdocstrings.
"""

from typing import Any

import griffe

PROMPT = ">>> "
HEADING = "Examples\n--------\n"


class ExamplesSection(griffe.Extension):
    """Puts the heading where it is missing, before the docstring is parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called for every module, class, function and attribute once it is read."""
        if obj.docstring is not None:
            obj.docstring.value = with_heading(obj.docstring.value)


def with_heading(text: str) -> str:
    """The docstring with a heading before its first example, unless a section of examples is there."""
    before, prompt, rest = text.partition(f"\n\n{PROMPT}")
    if not prompt or HEADING.strip() in before:
        return text
    return f"{before}\n\n{HEADING}{PROMPT}{rest}"
