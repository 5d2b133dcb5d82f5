"""The tutorial's notebook is that of its page, and every cell of it runs in Jupyter."""

import json
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from .pages import ROOT

NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"


def test_the_notebook_is_that_of_the_page():
    tool = [sys.executable, ROOT / "tools" / "make_notebook.py", "--check"]
    done = subprocess.run(tool, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def folder(tmp_path, made, tiny_world):
    """What `make demo` leaves, in small."""
    demo = tmp_path / "demo-out"
    shutil.copytree(made / "work", demo / "work")
    shutil.copytree(made / "twigma", demo / "twigma")
    shutil.copytree(tiny_world, demo / "world")
    (tmp_path / "docs").mkdir()
    return tmp_path


# Jupyter's own, of its sockets and its event loop.
@pytest.mark.filterwarnings("default")
def test_every_cell_runs(folder, monkeypatch):
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("TQDM_DISABLE", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(folder / "docs")}}
    NotebookClient(notebook, timeout=120, resources=where).execute()
    assert (folder / "docs" / "my-first-figure.png").stat().st_size > 5000
    assert (folder / "docs" / "tutorial-work" / "outcomes.csv").exists()
    printed = json.dumps([cell.get("outputs", []) for cell in notebook.cells])
    assert "authors known" in printed and "image/png" in printed
