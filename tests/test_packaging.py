"""Every extra of pyproject.toml installs what its commands import, and nothing that they do not.

The static half of the question; `tools/try_extras.py` tries each extra in an empty environment.
"""

import ast
import functools
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from twigma.cli import main
from twigma.cli.options import EXTRAS

from .test_architecture import FILES, MODULES, ORDER, imported

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OPTIONAL = PROJECT["optional-dependencies"]
NO_EXTRA = ""
# The extras that somebody has who runs a room; the longest name that fits counts.
ROOM_EXTRAS = {
    "core": [NO_EXTRA],
    "core/pools": ["ray"],
    "core/safety": ["ray"],  # a token that Ray writes
    "rehydrate": ["rehydrate"],
    "rehydrate/fetch": ["rehydrate", "ray"],
    "dataset": [NO_EXTRA],
    "dataset/streams/image_stream.py": ["models"],  # torch, where it is installed
    "dataset/streams/workers.py": ["models"],  # likewise
    "builder": ["models"],
    "builder/engine": ["models", "ray"],
    "builder/collect": ["rehydrate"],
    "builder/release": [NO_EXTRA],
    "builder/publish": [NO_EXTRA],
    "builder/finetuning": ["rehydrate"],
    "builder/removals": ["rehydrate"],
    "builder/status": ["rehydrate"],
    "core/neighbours": ["analysis"],
    "analysis": ["analysis"],
    "analysis/neighbours": ["analysis", "ray"],
    "cli": [NO_EXTRA],
    "demo": ["all"],
}
# Imported by name only when it is needed, which no parser sees.
HIDDEN = {"img2dataset": "rehydrate/fetch"}
# Needed by a library, whose own requirements do not name it.
NEEDED_BY_OTHERS = {"torchvision"}


def _name(requirement: str) -> str:
    """The normalised name of a distribution in a requirement."""
    name = re.split(r"[\[<>=;!~ ]", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(extra: str) -> set[str]:
    """The distributions that an extra installs by itself; the base requirements where it has no name."""
    if extra == NO_EXTRA:
        return {_name(each) for each in PROJECT["dependencies"]}
    if extra == "all":
        return set().union(*(declared(name) for name in OPTIONAL if name not in ("all", "dev")))  # fmt: skip
    return {_name(each) for each in OPTIONAL[extra]}


def third_party(path: Path) -> set[str]:
    """Top-level names of what a file imports that is neither ours nor Python's."""
    names = {name.partition(".")[0] for name in imported(path)}
    return names - set(sys.stdlib_module_names) - {"twigma"}


def distributions(name: str) -> set[str]:
    """The distributions that bring a top-level name."""
    return {_name(each) for each in _brought_by()[name]}


@functools.cache
def _brought_by() -> dict[str, list[str]]:
    """Top-level name to distributions, of everything that is installed; it takes a second."""
    return dict(packages_distributions())


def extras_of(path: Path) -> list[str]:
    """The extras of a file's room."""
    place = path.relative_to(ROOT).as_posix()
    rooms = [room for room in ROOM_EXTRAS if f"{place}/".startswith(f"{room}/")]
    return ROOM_EXTRAS[max(rooms, key=len)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_file_imports_is_declared_by_its_extra(path):
    installed = declared(NO_EXTRA).union(*map(declared, extras_of(path)))
    for name in third_party(path):
        assert distributions(name) & installed, (
            f"{path.relative_to(ROOT)} imports {name}, which {extras_of(path)} lacks"
        )


def test_the_table_names_every_room():
    for room in ORDER:
        assert any(f"{room}/".startswith(f"{name}/") for name in ROOM_EXTRAS), room


@pytest.mark.parametrize("extra", [NO_EXTRA, "rehydrate", "models", "analysis", "ray"])
def test_what_is_declared_is_imported(extra):
    names = set(HIDDEN).union(*map(third_party, FILES), third_party(ROOT / "twigma.py"))
    used = set().union(*map(distributions, names)) | NEEDED_BY_OTHERS
    assert declared(extra) <= used


def test_the_extra_of_tables_is_what_the_readers_of_lists_ask_for():
    asked = set()
    for path in (ROOT / "core" / "lists").glob("*.py"):
        found = re.findall(r'import_reader\("(\w+)"', path.read_text("utf-8"))
        asked.update(found)
    assert asked == declared("tables")


# ------------------------------------------------------------------ commands


def _implementation(command: str) -> list[str]:
    """The modules of ours that the functions of a command import, from the file that defines it."""
    callback = main.commands[command].callback
    if command in ("publish", "reference"):
        callback = next(iter(main.commands[command].commands.values())).callback
    path = MODULES[callback.__module__]
    modules = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name == callback.__name__:
            modules += [each.module for each in ast.walk(node) if isinstance(each, ast.ImportFrom)]  # fmt: skip
    return [name for name in modules if name in MODULES]


def _imported_at_once(name: str, seen: dict[str, set[str]]) -> None:
    """Add to `seen` what importing a module imports at the top of it and of all that it imports."""
    if name in seen or name not in MODULES:
        return
    tree = ast.parse(MODULES[name].read_text("utf-8"))
    top = {node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)}
    seen[name] = set()
    for node in top:
        if isinstance(node, ast.Import):
            seen[name] |= {alias.name for alias in node.names}
            continue
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            seen[name].add(full if full in MODULES else str(node.module))
    for other in list(seen[name]):
        _imported_at_once(other, seen)


@pytest.mark.parametrize("command", sorted(set(main.commands) - {"demo"}))
def test_the_extra_of_a_command_brings_what_its_modules_import(command):
    seen: dict[str, set[str]] = {}
    for name in _implementation(command):
        _imported_at_once(name, seen)
    names = {name.partition(".")[0] for names in seen.values() for name in names}
    installed = declared(NO_EXTRA) | declared(EXTRAS.get(command, NO_EXTRA))
    for name in names - set(sys.stdlib_module_names) - {"twigma"}:
        assert distributions(name) & installed, (
            f"`twigma {command}` imports {name}, which {EXTRAS.get(command)} lacks"
        )


def test_every_extra_in_the_table_of_commands_exists():
    assert set(EXTRAS) <= set(main.commands)
    assert set(EXTRAS.values()) <= set(OPTIONAL)
