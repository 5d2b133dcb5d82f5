"""The documents say what the code does: the README's tree and code, the Makefile's targets, the changelog."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import releasing

import twigma
from twigma.builder.release.release import release

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


def test_the_tree_of_the_readme_names_every_room_in_order():
    from .test_architecture import ORDER

    tree = README.split("```text\n")[1].split("```")[0]
    named = [line.split()[0].rstrip("/") for line in tree.splitlines()]
    rooms = [room for room in ORDER if (ROOT / room).is_dir()]
    assert [name for name in named if name in ORDER] == rooms


def test_the_python_blocks_of_the_readme_run(tmp_path):
    """In a folder that holds a release, made here from the smallest working folder there can be."""
    release(releasing.make_work(tmp_path / "work"), tmp_path / "twigma")
    env = os.environ | {"HF_HOME": str(tmp_path / "hf")}
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        done = subprocess.run(
            [sys.executable, "-c", block],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=env,
        )
        assert done.returncode == 0, done.stderr


def test_the_api_page_is_current():
    tool = [sys.executable, ROOT / "tools" / "make_api.py", "--check"]
    done = subprocess.run(tool, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


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
    assert {"help", "demo", "test", "lint", "bench"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:.*## \S", text, re.MULTILINE), target


def test_the_changelog_has_this_version():
    assert f"## {twigma.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_pages_are_linked_and_their_pictures_small():
    pages = sorted((ROOT / "docs").rglob("*.md"))
    text = README + "".join(page.read_text("utf-8") for page in pages)
    for path in [*pages, *(ROOT / "docs").rglob("*.png")]:
        name = path.relative_to(ROOT).as_posix()
        assert f"({path.name})" in text or f"({name})" in text, f"no page links {name}"
        assert path.stat().st_size < 150_000


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
    links = re.findall(r"\]\(([^)#:\s]+)\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


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
