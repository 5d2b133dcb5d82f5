"""The pages of the API reference: what `twigma` and each room offer to others, for `tools/make_docs.py`.

    python tools/make_api.py FOLDER  # write them there, to look at

A room offers the names in the `__all__` of its `__init__.py`, or, where there is none, those that other rooms and the
commands import from it. A page lists names; mkdocstrings fills in signatures and docstrings when the site is built. The
source is parsed, not imported: no torch is needed.
"""

import ast
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ABOUT = {  # a page each, and what a reader finds on it
    "twigma": "The names of `import twigma`: load a dataset, open a release, a working folder or its images.",
    "core": "What every room builds on: columns, the working folder, column parts, files and locks.",
    "rehydrate": "From post ids, archives, files and addresses to verified shards of images.",
    "dataset": "Load releases and the table that the authors of TWIGMA published.",
    "builder": "Add columns to images, group them, release, publish, and take images out.",
    "analysis": "Every estimator of the report, on arrays and tables of your own, and the report itself.",
}
FACE = "twigma"
Definition = ast.FunctionDef | ast.ClassDef


def main() -> int:
    """Write the pages into the folder that is named; the exit code."""
    if len(sys.argv) != 2:
        print(f"expected one folder to write to: python {sys.argv[0]} FOLDER")
        return 2
    write_pages(Path(sys.argv[1]))
    return 0


def write_pages(folder: Path) -> None:
    """Write `index.md` and a page a package."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.md").write_text(index_page(), "utf-8")
    wanted = imported_names()
    for name in ABOUT:
        (folder / f"{name}.md").write_text(package_page(name, wanted), "utf-8")


def index_page() -> str:
    """What there is, and how the arguments are to be read."""
    lines = [
        "# API reference\n",
        "Every name that is meant to be used from Python, with its signature and docstring. `work` is always a",
        "working folder: a `Workspace`, a `str` or a `Path`. Most people need no more than [twigma](twigma.md)",
        "and [twigma.analysis](analysis.md).\n",
    ]
    for name, about in ABOUT.items():
        title = FACE if name == FACE else f"twigma.{name}"
        lines.append(f"- [`{title}`]({name}.md). {about}")
    return "\n".join([*lines, ""])


def package_page(name: str, wanted: dict[Path, set[str]]) -> str:
    """The page of `twigma` itself or of one of its packages."""
    title = FACE if name == FACE else f"twigma.{name}"
    sections = [f"# {title}\n\n{ABOUT[name]}\n"]
    if name == FACE:
        names = exported(parse(ROOT / "twigma.py")) or []
        sections += [directive(f"twigma.{each}", level=2) for each in sorted(names)]
        return "\n".join(sections)
    for init in sorted((ROOT / name).rglob("__init__.py")):
        entries = room_entries(init.parent, wanted)
        if entries:
            room = init.parent.relative_to(ROOT).as_posix()
            about = first_paragraph(parse(init))
            sections += [f"## {room}/\n\n{about}\n", *entries]
    return "\n".join(sections)


def room_entries(room: Path, wanted: dict[Path, set[str]]) -> list[str]:
    """A directive for each name that a room offers, from the module that defines it."""
    names = exported(parse(room / "__init__.py"))
    entries = []
    for path in sorted(room.glob("*.py")):
        offered = wanted[path] if names is None else names
        module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for name in definitions_in(path):
            if name in offered and not name.startswith("_"):
                entries.append(directive(f"twigma.{module}.{name}", level=3))
    return entries


def directive(name: str, level: int) -> str:
    """What mkdocstrings replaces by the documentation of a name, under a heading of this level."""
    return f"::: {name}\n    options:\n      heading_level: {level}\n"


# ------------------------------------------------------------------ the source


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text("utf-8"))


def definitions_in(path: Path) -> dict[str, Definition]:
    """The functions and classes at the top of a file, by name; of overloads the last."""
    body = parse(path).body
    return {node.name: node for node in body if isinstance(node, Definition)}


def exported(tree: ast.Module) -> list[str] | None:
    """The names in `__all__`; None when a module has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def imported_names() -> dict[Path, set[str]]:
    """The names that files import from each file of another room."""
    names: dict[Path, set[str]] = defaultdict(set)
    files = [ROOT / "twigma.py"]
    for package in (*ABOUT, "cli", "demo"):
        files += (ROOT / package).rglob("*.py")
    for file in files:
        for node in ast.walk(parse(file)):
            if not isinstance(node, ast.ImportFrom):
                continue
            parts = str(node.module).split(".")[1:]
            source = ROOT.joinpath(*parts).with_suffix(".py")
            if source.parent != file.parent:
                names[source].update(alias.name for alias in node.names)
    return names


def first_paragraph(node: ast.Module | Definition) -> str:
    """The first paragraph of a docstring, in one line."""
    text = ast.get_docstring(node) or ""
    return " ".join(text.partition("\n\n")[0].split())


if __name__ == "__main__":
    sys.exit(main())
