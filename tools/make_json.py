"""Write `docs/json.md`: what `--json` of every command prints, made from the types in `cli/facts`.

python tools/make_json.py          # write it
python tools/make_json.py --check  # exit code 1 when it is out of date, as a test asks
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from twigma.cli import main as cli
from twigma.cli.facts import JsonOption
from twigma.cli.facts.json_schema import document_schema

PAGE = Path(__file__).resolve().parents[1] / "docs" / "json.md"
HEAD = """# What `--json` prints

Made from the types in `cli/facts` by `python tools/make_json.py`. With `--json` a command prints the facts that it
otherwise says in words as one JSON document on standard output; progress, notices and errors stay on standard error,
and the exit code is the same. Of a command that failed midway the document holds what was done until then; where
nothing was, there is no document.

`schema` names the document and its version: a new field leaves the version as it is, and a field that goes or changes
its meaning raises it. Ids are strings. Times are ISO 8601 in UTC (`2022-06-01T00:00:00Z`). A number that does not
exist (not a number, infinite) is null. Money is in dollars. Paths are as the command was told. A field in *italics* is
left out where it does not apply. `label` and `demo` have no `--json`: they show something, and end in no facts.
Nor does `explore --work`.

```sh
twigma status --json
twigma rehydrate --ids ids.csv --dry-run --json
```
"""


def main() -> int:
    """Write or check the page; the exit code."""
    page = make_page()
    if "--check" not in sys.argv:
        PAGE.write_text(page, "utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text("utf-8") == page:
        return 0
    print(f"{PAGE} is out of date: python tools/make_json.py")
    return 1


def make_page() -> str:
    """The text of the page."""
    commands: dict[str, list[str]] = defaultdict(list)
    for words, schema in json_commands(cli):
        commands[schema].append(words)
    sections = [HEAD]
    for name, users in commands.items():
        heading = ", ".join(f"`twigma {words}`" for words in users)
        schema = document_schema(name)
        constant = schema["properties"]["schema"]["const"]
        lines = [f"## {heading}\n", f'`"schema": "{constant}"`\n']
        lines += ["| field | type | meaning |", "|---|---|---|"]
        lines += rows(schema)
        sections.append("\n".join(lines) + "\n")
    return "\n".join(sections)


def json_commands(group: click.Group, above: str = "") -> Iterator[tuple[str, str]]:
    """(words, name of its schema) of every command with --json."""
    for name, command in group.commands.items():
        words = f"{above} {name}".strip()
        if isinstance(command, click.Group):
            yield from json_commands(command, words)
        for option in command.params:
            if isinstance(option, JsonOption):
                yield words, option.schema


def rows(schema: dict[str, Any], above: str = "") -> Iterator[str]:
    """A row of the table for every field, and for those of the objects in it."""
    for name, field in schema["properties"].items():
        if name == "schema":
            continue
        path = f"{above}{name}"
        shown = f"`{path}`" if name in schema["required"] else f"*`{path}`*"
        yield f"| {shown} | {type_text(field)} | {field.get('description', '')} |"
        inner = inner_object(field)
        if inner is not None:
            yield from rows(inner[1], path + inner[0])


def inner_object(field: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """(how its fields are reached, the object) of a field that holds one object or several."""
    if "properties" in field:
        return ".", field
    for choice in field.get("anyOf", []):
        found = inner_object(choice)
        if found is not None:
            return found
    for key, step in (("items", "[]"), ("additionalProperties", ".*")):
        below = field.get(key)
        found = inner_object(below) if isinstance(below, dict) else None
        if found is not None:
            return step + found[0], found[1]
    return None


def type_text(field: dict[str, Any]) -> str:
    """The type of a field in words."""
    if "anyOf" in field:
        return " or ".join(type_text(choice) for choice in field["anyOf"])
    if "items" in field:
        return f"list of {type_text(field['items'])}"
    if isinstance(field.get("additionalProperties"), dict):
        return f"object of {type_text(field['additionalProperties'])} by name"
    return str(field["type"])


if __name__ == "__main__":
    sys.exit(main())
