"""An extension of griffe for the API reference: our docstrings as numpydoc wants them.

Short ones end with an example and no heading, which as running text would be shown as quotations. And as types are in
the signature, a parameter has its sentence where numpydoc expects a type. `docs/zensical.toml` names this file.
"""

import re
from typing import Any

import griffe

PROMPT = ">>> "
HEADING = "Examples\n--------\n"
PARAMETERS = re.compile(r"^Parameters\n-+\n(?:.+\n?)+", re.MULTILINE)
SENTENCE = re.compile(r"^(\w[\w, ]*?) : (.+)$", re.MULTILINE)


class HouseStyle(griffe.Extension):
    """Changes docstrings before they are parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called for every module, class, function and attribute once it is read."""
        if obj.docstring is not None:
            text = with_heading(obj.docstring.value)
            obj.docstring.value = PARAMETERS.sub(with_sentences, text)


def with_heading(text: str) -> str:
    """The docstring with a heading before its first example, unless a section of examples is there."""
    before, prompt, rest = text.partition(f"\n\n{PROMPT}")
    if not prompt or HEADING.strip() in before:
        return text
    return f"{before}\n\n{HEADING}{PROMPT}{rest}"


def with_sentences(section: re.Match[str]) -> str:
    """The section of parameters, each name on a line of its own and its sentence below."""
    return SENTENCE.sub(r"\1\n    \2", section[0])
