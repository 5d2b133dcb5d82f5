"""Messages that the page on troubleshooting quotes are those that the code prints; so are the classes of photos."""

import ast
import functools
import re

import pytest

from twigma.rehydrate.fetch.http.failure_classes import DEPENDENT, FINAL, RETRYABLE

from .pages import ROOT, blocks_of

PAGE = ROOT / "docs" / "troubleshooting.md"
PACKAGES = ("core", "rehydrate", "dataset", "builder", "analysis", "cli")
ANYTHING = "…"
MESSAGES = [block.code.strip() for block in blocks_of(PAGE, "text")]


def template(node: ast.AST) -> str | None:
    """A text of the source, with … for what is filled in; None for any other node."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [
            part.value if isinstance(part, ast.Constant) else ANYTHING
            for part in node.values
        ]
        return "".join(map(str, parts))
    return None


@functools.cache
def templates() -> frozenset[str]:
    """Every text in the code that users run."""
    found = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                text = template(node)
                if text:
                    found.add(text)
    return frozenset(found)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_quoted_message_is_one_of_ours(message):
    assert any(message in text for text in templates())


def test_there_are_messages():
    assert len(MESSAGES) >= 25


def test_the_classes_of_photos_are_all_there_is():
    rows = re.findall(r"^\| (`[^|]*`) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    rare = {"http_408", "http_425", "http_4xx"}
    assert named == (RETRYABLE | DEPENDENT | FINAL) - rare
