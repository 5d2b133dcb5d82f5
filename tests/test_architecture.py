"""Rooms import only rooms before them, no import runs in a circle, no folder holds over a dozen files."""

import ast
import importlib.util
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The order of the rooms, from the ground up. A module beside rooms (`builder/build.py`) is a room of its own.
ORDER = [
    "core/tables",
    "core/names",
    "core/columns",
    "core",
    "core/workspace",
    "core/storage",
    "core/values",
    "core/safety",
    "core/numeric",
    "core/neighbours",
    "core/lists",
    "core/services",
    "core/pools",
    "rehydrate/ids",
    "rehydrate/images",
    "rehydrate/posts",
    "rehydrate/ledger",
    "rehydrate/sources/x",
    "rehydrate/sources/archives",
    "rehydrate/sources/facts",
    "rehydrate/sources/pictures",
    "rehydrate/sources/own_files",
    "rehydrate/sources/url_lists",
    "rehydrate/fetch",
    "rehydrate/accounting",
    "rehydrate/retry_missing",
    "dataset/tables",
    "dataset/options",
    "dataset/published",
    "dataset",
    "dataset/streams",
    "builder/models",
    "builder/engine",
    "builder/duplicates",
    "builder/stages",
    "builder/maps",
    "builder/clusters",
    "builder/build",
    "builder/collect",
    "builder/references",
    "builder/publish/publications",
    "builder/release",
    "builder/publish",
    "builder/finetuning",
    "builder/removals",
    "builder/status",
    "builder/workspace",
    "analysis/exports",
    "analysis/convert",
    "analysis/inference",
    "analysis/vectors",
    "analysis/neighbours",
    "analysis/variation",
    "analysis/comparison",
    "analysis/likes",
    "analysis/themes",
    "analysis/measurement",
    "analysis/tables",
    "analysis/inputs",
    "analysis/provenance",
    "analysis/page",
    "analysis/publication",
    "analysis/annotation",
    "analysis/paper",
    "analysis/figures",
    "analysis/checkpoints",
    "analysis/run_figures",
    "analysis/analyze",
    "analysis/report",
    "analysis/api",
    "analysis/explorer",
    "cli",
]
MOST_FILES = 12
FOLDERS = ("core", "rehydrate", "dataset", "builder", "analysis", "cli", "demo")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def module_name(path: Path) -> str:
    """The dotted name under which a file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(["twigma", *(part for part in parts if part != "__init__")])


def room_of(module: str) -> str | None:
    """The longest entry of ORDER that a module belongs to; None for the packages around the rooms and for the demo."""
    path = module.removeprefix("twigma.").replace(".", "/")
    rooms = [room for room in ORDER if path == room or path.startswith(f"{room}/")]
    return max(rooms, key=len, default=None)


MODULES = {module_name(path): path for path in FILES}


def imported(path: Path) -> Iterator[str]:
    """The modules of ours that a file imports, at the top or inside a function, but for types only."""
    tree = ast.parse(path.read_text("utf-8"))
    for_types: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for_types.update(ast.walk(node))
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_only_rooms_before_it(room):
    allowed = set(ORDER[: ORDER.index(room) + 1])
    files = [path for name, path in MODULES.items() if room_of(name) == room]
    assert files, f"{room} is empty: take it out of ORDER"
    for path in files:
        for name in imported(path):
            target = room_of(name) if name in MODULES else None
            assert target is None or target in allowed, (
                f"{path.relative_to(ROOT)} imports {name}, of a later room"
            )


def test_every_module_is_in_a_room():
    homeless = [
        name
        for name, path in MODULES.items()
        if room_of(name) is None and path.name != "__init__.py"
    ]
    assert [name for name in homeless if not name.startswith("twigma.demo.")] == []


def test_no_import_runs_in_a_circle():
    graph = defaultdict(set)
    for name, path in MODULES.items():
        graph[name] = {
            other for other in imported(path) if other in MODULES and other != name
        }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_folder_holds_over_a_dozen_files():
    counts = defaultdict(int)
    for path in FILES:
        counts[path.parent.relative_to(ROOT).as_posix()] += 1
    assert {
        folder: count for folder, count in counts.items() if count > MOST_FILES
    } == {}


@pytest.mark.parametrize(
    "folder",
    sorted({path.parent for path in FILES}),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_room_says_what_it_owns(folder):
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmarks").rglob("*.py")), ids=lambda path: path.stem
)
def test_benchmarks_import_modules_that_exist(path):
    """Run with `python -m`, a benchmark finds no module that merely lies beside it."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module)
    missing = [name for name in sorted(modules) if not exists(name)]
    assert missing == []


def exists(module: str) -> bool:
    """Whether a module can be found from the project's folder."""
    if module.startswith("benchmarks."):
        path = ROOT / module.replace(".", "/")
        return path.is_dir() or path.with_suffix(".py").is_file()
    return importlib.util.find_spec(module.partition(".")[0]) is not None
