"""Write `docs/api.md`: what each room offers to others, with signatures and the first paragraph of the docstrings.

    python tools/make_api.py          # write it
    python tools/make_api.py --check  # exit code 1 when it is out of date, as a test asks

A room offers the names in the `__all__` of its `__init__.py`, or, where there is none, those that other rooms and the
commands import from it. The source is parsed, not imported: no torch is needed.
"""

import ast
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "api.md"
PACKAGES = ("core", "rehydrate", "dataset", "builder", "analysis")
HEAD = """# API

Made from the docstrings by `python tools/make_api.py`: what `twigma` and each room (folder) offer, with the first
paragraph of what they say. `help(...)` has the rest. `work` is always a working folder: a `Workspace`, a `str` or a
`Path`.
"""
Definition = ast.FunctionDef | ast.ClassDef


def main() -> int:
    """Write or check the page; the exit code."""
    page = make_page()
    if "--check" not in sys.argv:
        PAGE.write_text(page, "utf-8")
        return 0
    if PAGE.read_text("utf-8") == page:
        return 0
    print(f"{PAGE} is out of date: python tools/make_api.py")
    return 1


def make_page() -> str:
    """The text of the page."""
    face = ROOT / "twigma.py"
    sections = [HEAD, f"## twigma\n\n{first_paragraph(parse(face))}\n"]
    definitions = definitions_in(face)
    for name in sorted(exported(parse(face)) or []):
        if name in definitions:
            sections.append(entry("twigma", definitions[name]))
    wanted = imported_names()
    for package in PACKAGES:
        for init in sorted((ROOT / package).rglob("__init__.py")):
            sections += room_section(init.parent, wanted)
    return "\n".join(sections)


def room_section(room: Path, wanted: dict[Path, set[str]]) -> list[str]:
    """The heading of a room and its entries; nothing for a room that offers nothing."""
    init = parse(room / "__init__.py")
    names = exported(init)
    entries = []
    for path in sorted(room.glob("*.py")):
        offered = wanted[path] if names is None else names
        module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for name, node in definitions_in(path).items():
            if name in offered and not name.startswith("_"):
                entries.append(entry(f"twigma.{module}", node))
    if not entries:
        return []
    title = room.relative_to(ROOT).as_posix()
    return [f"## {title}\n\n{first_paragraph(init)}\n", *entries]


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text("utf-8"))


def definitions_in(path: Path) -> dict[str, Definition]:
    """The functions and classes at the top of a file, by name; of overloads the last."""
    body = parse(path).body
    return {node.name: node for node in body if isinstance(node, Definition)}


def exported(tree: ast.Module) -> list[str] | None:
    """The names in `__all__`; None when a module has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def imported_names() -> dict[Path, set[str]]:
    """The names that files import from each file of another room."""
    names: dict[Path, set[str]] = defaultdict(set)
    files = [ROOT / "twigma.py"]
    for package in (*PACKAGES, "cli", "demo"):
        files += (ROOT / package).rglob("*.py")
    for file in files:
        for node in ast.walk(parse(file)):
            if not isinstance(node, ast.ImportFrom):
                continue
            parts = str(node.module).split(".")[1:]
            source = ROOT.joinpath(*parts).with_suffix(".py")
            if source.parent != file.parent:
                names[source].update(alias.name for alias in node.names)
    return names


def first_paragraph(node: ast.Module | Definition) -> str:
    """The first paragraph of a docstring, in one line."""
    text = ast.get_docstring(node) or ""
    return " ".join(text.partition("\n\n")[0].split())


def entry(module: str, node: Definition) -> str:
    """One function or class: signature, where it is, and what it does."""
    return f"### `{node.name}`\n\n```python\n{signature(module, node)}\n```\n\n{first_paragraph(node)}\n"


def signature(module: str, node: Definition) -> str:
    """How a function is called, a parameter a line where it is long; the public names of a class."""
    if isinstance(node, ast.ClassDef):
        lines = [f"from {module} import {node.name}"]
        for each in node.body:
            if isinstance(each, ast.FunctionDef) and not each.name.startswith("_"):
                lines.append(call(f"{node.name}.{each.name}", each))
        return "\n".join(lines)
    return f"from {module} import {node.name}\n{call(node.name, node)}"


def call(name: str, node: ast.FunctionDef) -> str:
    """`name(parameters) -> result`."""
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{name}({ast.unparse(node.args)}){result}"


if __name__ == "__main__":
    sys.exit(main())
