"""The site builds without a network and without a warning, asks nobody for anything, and is found by its search."""

import importlib.util
import re
import shutil
import subprocess
import sys

import pytest

from .pages import ROOT

TOOLS = ROOT / "tools"
# What a browser fetches by itself: not links, which somebody clicks.
FETCHED = re.compile(
    r"<(?:script|img|source|iframe)[^>]*\bsrc=\"([^\"]+)\"|<link(?![^>]*rel=\"(?:canonical|alternate)\")[^>]*\bhref=\"([^\"]+)\""
)


def without_network():
    """The start of a command that gives it a network of its own, with nobody in it; empty where that is not allowed."""
    command = ["unshare", "--net", "--map-root-user"]
    if shutil.which("unshare") is None:
        return []
    tried = subprocess.run([*command, "true"], capture_output=True)
    return command if tried.returncode == 0 else []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [*without_network(), sys.executable, TOOLS / "make_docs.py", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_it_has_every_page(site):
    config = (ROOT / "docs" / "zensical.toml").read_text()
    listed = set(re.findall(r'= "([\w/]+\.md)"', config))
    for name in listed:
        path = site / name.replace("README.md", "index.md")
        assert path.with_suffix(".html").exists(), name
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}  # fmt: skip
    assert pages <= listed


def test_nothing_is_fetched_from_elsewhere(site):
    for page in site.rglob("*.html"):
        for found in FETCHED.findall(page.read_text("utf-8")):
            assert not re.match(r"(https?:)?//", found[0] or found[1]), page
    for sheet in site.rglob("*.css"):
        assert "url(http" not in sheet.read_text("utf-8")


def test_the_reference_has_what_rooms_offer(site):
    text = (site / "docs" / "api" / "analysis.html").read_text("utf-8")
    assert 'id="twigma.analysis.likes.eq1.eq1"' in text
    assert "Parameters" in text and "Returns" in text
    import twigma.analysis

    for name in set(twigma.analysis.__all__) - {"FigureResult", "Estimate"}:
        assert re.search(rf'id="twigma\.analysis\.[\w.]*\.{name}"', text), name


def test_examples_are_code(site):
    text = (site / "docs" / "api" / "rehydrate.html").read_text("utf-8")
    assert "&gt;&gt;&gt;" in text
    assert "<blockquote>" not in text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("docs/glossary.md", "[gone](gone.md)"),
        ("docs/glossary.md", "[gone](commands.md#gone)"),
    ],
)
def test_a_link_that_leads_nowhere_stops_the_build(page, text, tmp_path):
    tools = _tool()
    folder = tmp_path / "folder"
    (folder / "pages" / "docs").mkdir(parents=True)
    (folder / "pages" / "README.md").write_text("# Home\n")
    (folder / "pages" / "docs" / "commands.md").write_text("# Commands\n")
    (folder / "pages" / page).write_text(f"# A page\n\n{text}\n")
    (folder / "zensical.toml").write_text(
        '[project]\nsite_name = "x"\ndocs_dir = "pages"\n'
    )
    assert "does not exist" in tools.build(folder)


def _tool():
    """tools/make_docs.py as a module."""
    sys.path.insert(0, str(TOOLS))
    try:
        spec = importlib.util.spec_from_file_location(
            "make_docs", TOOLS / "make_docs.py"
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(TOOLS))
