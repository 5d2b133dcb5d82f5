"""The report: one HTML file with every figure and table that `analyze` computed; `twigma report OUT` writes it.

The page asks nobody for anything: charts are pictures inside it, it has no script, and its content security policy
forbids both. Equal results give equal bytes. Our own results come first; the paper's statements are summed up on top
where the data is TWIGMA, and listed at the end.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from twigma.analysis.figures import CHAPTERS
from twigma.analysis.inputs.load import OURS
from twigma.analysis.inputs.reference_sets import ROLES
from twigma.analysis.page.formatting import clean, listed, number
from twigma.analysis.page.section import Pictures, Results, Section, Tables
from twigma.analysis.paper import comparison, stated
from twigma.analysis.paper.provenance import is_twigma
from twigma.builder.release.identity import Identity
from twigma.core.files import atomic
from twigma.core.safety import owned_folders

TEMPLATE = Path(__file__).parent / "page" / "report.html.j2"
LONGEST_NOTE, LONGEST_SOURCE = 400, 600  # characters
Noted = tuple[Section, list[str]]  # a section, and the notes below it


def report(out: Path, pictures: Mapping[str, Pictures] = {}) -> Path:
    """Write `out/index.html` from `out/results.json` and `out/results/`, and return its path.

    Parameters
    ----------
    pictures : images by `image_name`, such as `twigma.open_images(WORK)`, of "twigma" and of reference sets by the
        name they were analysed under; the page then shows small pictures of Fig 4c and 4e.

    Raises
    ------
    FileNotFoundError when the analyses have not run, ValueError when results.json is not theirs.
    """
    path = out / "results.json"
    if not path.exists():
        raise FileNotFoundError(f"no results at {path}: `twigma analyze` computes them")
    results = json.loads(path.read_text("utf-8"))
    if not owned_folders.is_report(results):
        raise ValueError(
            f"{path} is not of `twigma analyze`: nothing is written there; name a report"
        )
    page = out / "index.html"
    html = render(results, _tables(out, results), pictures)
    with atomic(page) as partial:
        partial.write_text(html, "utf-8")
    return page


def render(
    content: Mapping[str, Any],
    tables: Tables,
    pictures: Mapping[str, Pictures] = {},
) -> str:
    """The page as HTML.

    Parameters
    ----------
    content : what results.json holds.
    tables : its tables by file name.
    pictures : as in `report`.
    """
    from jinja2 import Environment, StrictUndefined

    settings = content["made_from"]["settings"]
    results = Results(
        tables, content["values"], content["figures"], _by_role(settings, pictures)
    )
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text("utf-8"))
    identity = content["data"].get("identity")
    ours = is_twigma(identity)
    sections = _sections(results, ours)
    return template.render(
        **_heading(identity),
        is_twigma=ours,
        summary=_summary(content["data"]),
        overview=comparison.overview(results) if ours else None,
        other_dataset=_other_dataset(identity, sections),
        sections=sections,
        skipped=[_clean_entry(entry) for entry in content["skipped"]],
        sources=[
            *_dataset(content["data"].get("identity")),
            *_sources(content["made_from"]),
            *_references(content["data"]["references"]),
        ],
    )


# ------------------------------------------------------------------ read


def _tables(out: Path, content: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Every table of the results, by file name."""
    tables = {}
    for figure in content["figures"].values():
        for name in figure["tables"]:
            tables[name] = pd.read_parquet(out / "results" / f"{name}.parquet")
    return tables


def _by_role(
    settings: Mapping[str, Any], pictures: Mapping[str, Pictures]
) -> dict[str, Pictures]:
    """Pictures of ours, and of each role that a reference set plays."""
    by_role = {}
    for role in ROLES:
        name = str(settings.get(role))
        if name in pictures:
            by_role[role] = pictures[name]
    if OURS in pictures:
        by_role[OURS] = pictures[OURS]
    return by_role


# ------------------------------------------------------------------ sections


def _sections(results: Results, is_twigma: bool) -> list[Noted]:
    """The sections that have results, in the order of the page, each with its notes.

    What the paper states comes after our own results; of a dataset that is not TWIGMA only what can be compared.
    """
    sections: list[Noted] = []
    for chapter in CHAPTERS:
        section = chapter.section(results)
        if section is not None:
            sections.append((section, _clean_notes(chapter.notes(results))))
    if comparison.NAME in results.figures:
        notes = results.figures[comparison.NAME]["notes"]
        section = comparison.describe_other_dataset(results)
        if is_twigma:
            section = comparison.describe_comparison(results)
        if section is not None:
            sections.append((section, _clean_notes(notes)))
    return sections


def _clean_notes(notes: Iterable[str]) -> list[str]:
    """Notes without repetitions."""
    return list(dict.fromkeys(clean(note, LONGEST_NOTE) for note in notes))


def _clean_entry(entry: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """What was skipped, with texts that are safe to look at."""
    return {
        "figure": clean(entry["figure"], LONGEST_NOTE),
        "missing": [clean(text, LONGEST_NOTE) for text in entry["missing"]],
        "how": [clean(text, LONGEST_NOTE) for text in entry["how"]],
    }


# ------------------------------------------------------------------ head and foot


def _heading(identity: Mapping[str, Any] | None) -> dict[str, str]:
    """Title and description of the dataset, for the head of the page."""
    if identity is None:
        return {"title": "Images of a dataset without a name", "description": ""}
    return {
        "title": clean(identity["title"], LONGEST_NOTE),
        "description": clean(identity["description"], LONGEST_SOURCE),
    }


def _other_dataset(
    identity: Mapping[str, Any] | None, sections: Sequence[Noted]
) -> str:
    """What of the paper is on the page, where the data is not TWIGMA."""
    about = "The paper is about another dataset, TWIGMA"
    if identity is None:
        about = "Nothing says that this data is TWIGMA, which the paper is about"
    if any(section.figure == comparison.FIGURE for section, _ in sections):
        return f"{about}: of its statements, those that this data can be held against are at the end."
    return f"{about}: none of its statements can be held against this data."


def _dataset(identity: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What the dataset says of itself, as far as it does."""
    if identity is None:
        return []
    stated = Identity.from_json(identity)
    rows = {
        "Dataset": stated.title,
        "Made by": stated.by,
        "Contact": stated.contact,
        "Licence": stated.license,
        "Source": stated.source,
        "Cite as": stated.citation,
    }
    return [(name, clean(text, LONGEST_SOURCE)) for name, text in rows.items() if text]


def _summary(data: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What the data is: name, ours, the paper's."""
    period = "unknown"
    if data["first"]:
        period = f"{data['first'][:10]} to {data['last'][:10]}"
    posts = "none"
    if data["posts"]:
        posts = number(data["posts"])
    sets = []
    for name, about in data["references"].items():
        sets.append(f"{clean(name)} ({number(about['n'])})")
    images = number(data["images"])
    if "chosen_of" in data:
        images += f", chosen of {number(data['chosen_of'])}"
    return [
        ("Images", images, number(stated.IMAGES)),
        ("Posts", posts, number(stated.POSTS)),
        ("Period", period, f"{stated.FIRST_MONTH} to {stated.LAST_MONTH}"),
        ("With embedding", _embedded(data["embeddings"]), number(stated.IMAGES)),
        ("Reference sets", listed(sets), "LAION, ArtBench and DiffusionDB"),
    ]


def _embedded(about: Mapping[str, Any]) -> str:
    """How many images have an embedding, and how many of them one that is zero or not finite."""
    text = number(about["n"])
    if about["unusable"]:
        text += f" ({number(about['unusable'])} more are zero or not finite)"
    return text


def _sources(made_from: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the results were made from: the hash of the data, settings and versions."""
    return [
        ("Data (SHA-256)", clean(made_from["sha256"])),
        ("Settings", _pairs(made_from["settings"])),
        ("Versions", _pairs(made_from["versions"])),
    ]


def _pairs(values: Mapping[str, Any]) -> str:
    """Names and values in a line, by name."""
    return ", ".join(f"{name} {clean(values[name])}" for name in sorted(values))


def _references(sets: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Where each reference set comes from, under which licence, and what embedded it, as far as that is recorded."""
    references = []
    for name, about in sets.items():
        if "licence" in about:
            text = clean(_origin(about), LONGEST_SOURCE)
            references.append((f"Reference set {clean(name)}", text))
    return references


def _origin(about: Mapping[str, Any]) -> str:
    """What the record of a reference set says of it."""
    parts = [f"from {listed(list(about.get('origin', ())))}"]
    if about["licence"]:
        parts.append(f"licence {about['licence']}")
    model = about.get("model", {}).get("model", "")
    if model:
        parts.append(f"embedded by {model}")
    if about.get("note", ""):
        parts.append(about["note"])
    return "; ".join(parts)
