"""Tables in Markdown, from the facts of a release; the card and the datasheet share them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twigma.builder.release.card.facts import Facts
from twigma.dataset.tables.table_files import select_tables


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; columns of numbers (rows, files, bytes, images, …) stand at the right."""
    counted = {"rows", "files", "bytes", "images", "added", "removed", "changed"}
    ruler = ["---:" if name in counted else "---" for name in head]
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(ruler)}|"]
    for row in rows:
        lines.append(f"| {' | '.join(map(cell, row))} |")
    return "\n".join(lines)


def cell(value: Any) -> str:
    """A value as a cell shows it: numbers with separators, and no character that ends the cell."""
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return " ".join(text.replace("|", "\\|").split())


def row_counts(facts: Facts) -> str:
    """Rows found, left out by reason, and released."""
    what = "photos on posts" if facts.on_posts else "images"
    rows: list[tuple[str, int]] = [(f"found: {what}", facts.found)]
    for reason, count in facts.dropped.items():
        rows.append((f"left out: {reason}", -count))
    rows.append(("**released**", facts.rows))
    return table(("", "rows"), rows)


def history(entries: Sequence[Mapping[str, Any]]) -> str:
    """A line a version, newest first."""
    names = ("version", "date", "rows", "added", "removed", "changed")
    head = ("version", "date", "images", "added", "removed", "changed")
    return table(head, [[each.get(name, "") for name in names] for each in entries])


def models(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """The settings of every stage."""
    rows = []
    for stage, values in settings.items():
        listed = [f"{key} `{value}`" for key, value in sorted(values.items())]
        rows.append((stage, ", ".join(listed)))
    return table(("stage", "made with"), rows)


def origins(facts: Facts) -> str:
    """What made each derived column: model, version, licence and code."""
    rows = []
    for origin in facts.origins:
        names = ", ".join(f"`{name}`" for name in origin.columns)
        if origin.config not in ("metadata", "embeddings"):
            names += f" of `{origin.config}`"
        model = f"{origin.model} ({origin.version})" if origin.version else origin.model
        licenses = "; ".join(origin.licenses) or "none: no model"
        rows.append((names, model or "–", licenses, origin.code))
    return table(("column", "model", "licence of the model", "code"), rows)


def sizes(facts: Facts) -> str:
    """Rows, files and bytes of each configuration."""
    rows = []
    for config in facts.configs:
        names = select_tables(config, facts.files)
        files = [facts.files[name] for name in names]
        if files:
            size = sum(int(each["bytes"]) for each in files)
            total = sum(int(each["rows"]) for each in files)
            rows.append((f"`{config}`", total, len(files), size))
    return table(("configuration", "rows", "files", "bytes"), rows)
