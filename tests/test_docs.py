"""The documents say what the code does: the tree of rooms, links, the Makefile's targets, the changelog.

The code in them is run by `tests/docs/`.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import twigma

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PACKAGES = (
    "core",
    "dataset",
    "rehydrate",
    "builder",
    "analysis",
    "demo",
    "cli",
    "benchmarks",
    "tools",
)
MOST_LINES = 400  # wrapped at 88 columns
# The paper numbers its sections 1 to 6, 4.1 and 4.2; what stands in which is told by figure, table or equation.
NO_SECTION = re.compile(r"\bsection (?!4\.[12]\b)\d\.\d", re.IGNORECASE)
MOST_BYTES = 200_000  # of a page or picture
MODULES = [
    *sorted(ROOT.glob("*.py")),
    *sorted(
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    ),
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_owns(path):
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert len(path.read_text("utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_section_is_cited_that_the_paper_does_not_have(path):
    assert NO_SECTION.search(path.read_text("utf-8")) is None


def test_the_tree_of_the_architecture_names_every_room_in_order():
    from .test_architecture import ORDER

    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    blocks = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    (tree,) = (block for block in blocks if block.startswith("twigma.py"))
    named = [line.split()[0].rstrip("/") for line in tree.splitlines()]
    rooms = [room for room in ORDER if (ROOT / room).is_dir()]
    assert [name for name in named if name in ORDER] == rooms


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


def test_the_page_on_json_is_current():
    tool = [sys.executable, ROOT / "tools" / "make_json.py", "--check"]
    done = subprocess.run(tool, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_environment_variable_is_documented():
    from twigma.cli.options import SETTINGS
    from twigma.core.safety.worker_environment import TOKENS

    rows = (ROOT / "docs" / "environment.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", rows, re.MULTILINE))
    code = "".join(path.read_text("utf-8") for path in MODULES)
    ours = set(re.findall(r"\bTWIGMA_[A-Z_]+", code))
    assert {each.name for each in SETTINGS} <= ours
    assert ours == {name for name in documented if name.startswith("TWIGMA_")}
    # The second name of the Hub's token is its own affair.
    assert set(TOKENS) - {"HUGGING_FACE_HUB_TOKEN"} <= documented
    for setting in SETTINGS:
        row = re.search(rf"^\| `{setting.name}` .*", rows, re.MULTILINE)[0]
        assert setting.default in row


def test_every_make_target_says_what_it_does():
    text = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"^([a-z]+):", text, re.MULTILINE)
    assert {"help", "demo", "test", "lint", "docs", "bench"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:.*## \S", text, re.MULTILINE), target


def test_the_changelog_has_this_version():
    assert f"## {twigma.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_pages_are_linked_and_their_pictures_small():
    pages = sorted((ROOT / "docs").rglob("*.md"))
    linked = set()
    for page in [ROOT / "README.md", *pages]:
        for link in re.findall(r"\]\(([^)#:\s]+)", page.read_text("utf-8")):
            linked.add((page.parent / link).resolve())
    for path in [*pages, *(ROOT / "docs").rglob("*.png")]:
        assert path in linked, f"no page links {path.relative_to(ROOT)}"
        assert path.stat().st_size < MOST_BYTES, path.name


ROOMS = (*PACKAGES, "docs", "tests")
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "benchmarks" / "README.md",
]
SOURCES = [
    path
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
    if path != Path(__file__)
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#:\s]+)[)#]", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_list_for_language_models_leads_to_files():
    text = (ROOT / "llms.txt").read_text("utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_paths_and_modules_that_texts_name_exist():
    wrong = []
    for path in [*PAGES, *SOURCES]:
        text = path.read_text("utf-8")
        named = re.findall(rf"`((?:{'|'.join(ROOMS)})/[\w./-]+)`", text)
        for module in re.findall(
            r"python -m ((?:benchmarks|tests|twigma)\.[\w.]*\w)", text
        ):
            folder = module.removeprefix("twigma.").replace(".", "/")
            named.append(folder if (ROOT / folder).is_dir() else f"{folder}.py")
        missing = [name for name in named if not (ROOT / name).exists()]
        wrong += [f"{path.relative_to(ROOT)} names {name}" for name in missing]
    assert wrong == []


def test_every_pinned_version_has_the_hashes_of_its_files():
    lines = (
        (ROOT / "constraints.txt").read_text("utf-8").replace("\\\n", "").splitlines()
    )
    pinned = [line for line in lines if not line.startswith("#")]
    assert len(pinned) > 150
    for line in pinned:
        assert re.fullmatch(
            r"[a-z0-9][a-z0-9.-]*==\S+( +--hash=sha256:[0-9a-f]{64})+", line
        ), line[:80]


def test_no_page_has_a_place_that_was_to_be_filled():
    for path in PAGES:
        lines = path.read_text("utf-8").splitlines()
        left = [line for line in lines if re.fullmatch(r"[A-Z][A-Z0-9_]{3,}", line)]
        assert not left, f"{path}: {left}"
