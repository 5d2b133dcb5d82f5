"""The import direction of the design: columns <- rehydrate <- builder, columns <- analysis; packages meet in files."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {
    "checksum.py": set(),
    "columns.py": {"checksum"},
    "folders.py": set(),
    "inventory.py": set(),
    "environment.py": set(),
    "ray_slots.py": {"environment"},
    "spreadsheet.py": {"columns"},
    "untrusted.py": set(),
    "rehydrate": {"columns", "environment", "inventory", "ray_slots", "rehydrate", "spreadsheet", "untrusted"},
    "builder": {
        "columns",
        "environment",
        "folders",
        "inventory",
        "ray_slots",
        "rehydrate",
        "builder",
        "spreadsheet",
        "twigma",
        "untrusted",
    },
    "analysis": {"columns", "folders", "inventory", "ray_slots", "analysis", "spreadsheet", "untrusted"},
    "loader.py": {"columns", "zenodo", "rehydrate", "untrusted"},
    "zenodo.py": {"columns", "rehydrate"},  # its list of ids is checked as any other
    "twigma.py": {"loader", "rehydrate", "untrusted", "zenodo"},
}


def _imports(path: Path) -> Iterator[str]:
    """The part of twigma each import in a file names; `from twigma import columns` names columns."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "twigma":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("twigma."):
            yield node.module.split(".")[1]  # type: ignore[union-attr]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("twigma."))


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_only_what_stands_before_it(part):
    files = [ROOT / part] if part.endswith(".py") else sorted((ROOT / part).rglob("*.py"))
    assert files
    parts = {path.stem for path in ROOT.glob("*.py")} | {path.parent.name for path in ROOT.glob("*/__init__.py")}
    for file in files:
        found = {name for name in _imports(file) if name in parts}
        assert found <= ALLOWED[part], f"{file.relative_to(ROOT)} imports {sorted(found - ALLOWED[part])}"
