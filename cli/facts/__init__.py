"""The facts that commands print: as text, or with `--json` as one document whose fields are declared here."""

from twigma.cli.facts.output import (
    JsonOption,
    json_option,
    show,
    show_beside_question,
)

__all__ = ["JsonOption", "json_option", "show", "show_beside_question"]
