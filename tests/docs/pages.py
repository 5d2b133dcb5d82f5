"""The pages that readers see, and the blocks of code on them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "AGENTS.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
# What stands on the line before a block that no test can run, with the reason after it.
NOT_RUN = "<!-- not run:"
FENCE = re.compile(
    r"^(?P<mark><!-- not run:[^\n]*-->\n)?```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of code, where it is, and whether it is marked as one that no test runs."""

    page: Path
    line: int
    language: str
    title: str  # the file that it is, where it is one
    code: str
    is_run: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path, *languages: str) -> list[Block]:
    """The blocks of a page, of all languages or of these, in their order."""
    text = page.read_text("utf-8")
    found = []
    for match in FENCE.finditer(text):
        block = Block(
            page,
            text.count("\n", 0, match.start("language")) + 1,
            match["language"],
            match["title"] or "",
            match["code"],
            match["mark"] is None,
        )
        if not languages or block.language in languages:
            found.append(block)
    return found


def all_blocks(*languages: str) -> list[Block]:
    """The blocks of all pages."""
    return [block for page in PAGES for block in blocks_of(page, *languages)]
