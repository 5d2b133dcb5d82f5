"""Make the notebook of the tutorial from its page: text becomes text, Python becomes cells to run.

    python tools/make_notebook.py          # write docs/tutorial.ipynb
    python tools/make_notebook.py --check  # exit code 1 when it is out of date, as a test asks

The page is the source; the notebook holds no output, so that its difference can be reviewed.
"""

import re
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "tutorial.md"
NOTEBOOK = DOCS / "tutorial.ipynb"
CELL = re.compile(r"^```python\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def main() -> int:
    """Write or check the notebook; the exit code."""
    text = make_notebook(PAGE.read_text("utf-8"))
    if "--check" not in sys.argv:
        NOTEBOOK.write_text(text, "utf-8")
        return 0
    if NOTEBOOK.read_text("utf-8") == text:
        return 0
    print(f"{NOTEBOOK} is out of date: python tools/make_notebook.py")
    return 1


def make_notebook(page: str) -> str:
    """The notebook as JSON; what is split by the pattern is text and code in turn."""
    cells = []
    for at, part in enumerate(CELL.split(page)):
        source = part.strip("\n")
        if source:
            make = new_code_cell if at % 2 else new_markdown_cell
            # Numbered: an identifier at random would change with every run.
            cells.append(make(source, id=f"cell-{len(cells)}"))
    notebook = new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


if __name__ == "__main__":
    sys.exit(main())
