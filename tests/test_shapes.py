"""Public functions over arrays and tables state shapes: `[n, d]` of an array, rows or columns of a table."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The rooms held to it; `core/services` passes bytes alone.
ROOMS = ("analysis", "core")
FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]

ARRAY = re.compile(r"\b(?:ndarray|NDArray|ArrayLike|Series)\b")
TABLE = re.compile(r"\b(?:pa\.Table|DataFrame|ChunkedArray|pa\.Array)\b")
# `[n]`, `[n, d]`, `[..., k]`, `float32[2, n]`; not `[1, 2]`.
SHAPE = re.compile(r"\[[\w., +]*[A-Za-z][\w., +]*\]")
# "a row an image", "one row per month", or the columns in brackets: `(month, posts, images)`.
ROWS = re.compile(
    r"\b(?:a|one|each|every|equal) rows?\b|\brow (?:per|an?)\b|\(\w+, \w+"
)


def aliases() -> re.Pattern[str]:
    """The names that stand for arrays in annotations, such as `Floats = npt.NDArray[np.float64]`."""
    names = set()
    for path in FILES:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and ARRAY.search(ast.unparse(node.value)):
                names.update(ast.unparse(target) for target in node.targets)
    types = sorted(name for name in names if name.isidentifier() and name[0].isupper())
    # `pa.Array` is a column, not an alias.
    return re.compile(rf"(?<!pa\.)\b(?:{'|'.join(types)})\b")


ALIAS = aliases()


def public_functions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    """Functions and methods without an underscore, of public classes."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def annotations(function: ast.FunctionDef) -> str:
    """The types of the arguments and of the result, as text."""
    listed = function.args
    every = [*listed.posonlyargs, *listed.args, *listed.kwonlyargs]
    nodes = [argument.annotation for argument in every] + [function.returns]
    return " ".join(ast.unparse(node) for node in nodes if node is not None)


def unstated(function: ast.FunctionDef) -> str | None:
    """What the docstring does not state; None where it states all."""
    types = annotations(function)
    text = ast.get_docstring(function) or ""
    if ARRAY.search(types) or ALIAS.search(types):
        return None if SHAPE.search(text) else "the shape of an array, as [n, d]"
    if TABLE.search(types) and not (ROWS.search(text) or SHAPE.search(text)):
        return "the rows or columns of a table"
    return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_functions_state_shapes(path):
    missing = []
    for function in public_functions(ast.parse(path.read_text("utf-8")).body):
        lack = unstated(function)
        if lack is not None:
            missing.append(f"line {function.lineno}, {function.name}: {lack}")
    assert missing == []


def test_a_function_without_shapes_is_seen():
    code = "def f(x: Floats, n: int) -> pa.Table:\n    '''Of rows.'''"
    function = ast.parse(code).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert unstated(function) == "the shape of an array, as [n, d]"
    code = "def f(path: Path) -> 'pd.DataFrame':\n    '''What is there.'''"
    function = ast.parse(code).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert unstated(function) == "the rows or columns of a table"
