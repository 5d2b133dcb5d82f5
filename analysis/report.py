"""The report: one HTML file with every figure and table that `analyze` computed; `twigma report OUT` writes it.

The page asks nobody for anything: charts are pictures inside it, it has no script, and its content security policy
forbids both. Equal results give equal bytes.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from twigma.analysis.figures import (
    sections_checks,
    sections_content,
    sections_gallery,
    sections_likes,
    sections_prompts,
    sections_sets,
)
from twigma.analysis.inputs.load import OURS
from twigma.analysis.inputs.reference_sets import ROLES
from twigma.analysis.page.formatting import clean, listed, number
from twigma.analysis.page.section import Pictures, Results, Section
from twigma.analysis.paper import comparison_section, stated
from twigma.core.files import atomic
from twigma.core.safety import owned_folders

TEMPLATE = Path(__file__).parent / "page" / "report.html.j2"
# The figures a section needs (any of those that start so), in the order of the paper.
SECTIONS: Mapping[str, Callable[[Results], Section]] = {
    "paper": comparison_section.box,
    "fig1b": sections_content.posts,
    "fig1c": sections_content.words,
    "fig2a": sections_sets.maps,
    "fig2b": sections_sets.clusters,
    "fig2c": sections_sets.divergence,
    "fig2d_": sections_likes.likes,
    "eq1_": sections_likes.regression,
    "fig3a": sections_sets.distance,
    "fig3ab": sections_sets.variation,
    "entropy_k": sections_checks.entropies,
    "near_duplicates": sections_checks.near_duplicates,
    "fig3c": sections_sets.prompts,
    "prompt_vendi": sections_prompts.vendi,
    "fig3d": sections_prompts.texts,
    "set_metrics": sections_sets.beyond,
    "fig4a": sections_content.drift,
    "fig4b": sections_content.trends,
    "clusters_k": sections_checks.granularity,
    "fig4c": sections_content.themes,
    "cluster_images": sections_gallery.clusters,
    "concordance": sections_content.concordance,
    "fig4d": sections_content.nsfw,
    "fig4e_": sections_content.pairs,
}


def report(out: Path, pictures: Mapping[str, Pictures] = {}) -> Path:
    """Write `out/index.html` from `out/results.json` and `out/results/`, and return its path.

    Parameters
    ----------
    pictures : images by `image_name`, such as `twigma.open_images(WORK)`, of "twigma" and of reference sets by the
        name they were analysed under; the page then shows small pictures of Fig 4c and 4e.

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
    with atomic(page) as partial:
        partial.write_text(render(results, _tables(out, results), pictures), "utf-8")
    return page


def render(
    results: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    pictures: Mapping[str, Pictures] = {},
) -> str:
    """The page, from the content of results.json, the tables by file name, and pictures as in `report`."""
    from jinja2 import Environment, StrictUndefined

    found = Results(
        tables, results["values"], results["figures"], _by_role(results, pictures)
    )
    built = [
        (make(found), _notes(found, name))
        for name, make in SECTIONS.items()
        if found.of(name)
    ]
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text("utf-8"))
    skipped = [
        {key: _cleaned(value) for key, value in entry.items()}
        for entry in results["skipped"]
    ]
    return template.render(
        summary=_summary(results),
        sections=built,
        skipped=skipped,
        sources=[
            *_sources(results["made_from"]),
            *_references(results["data"]["references"]),
        ],
    )


def _by_role(
    results: Mapping[str, Any], pictures: Mapping[str, Pictures]
) -> dict[str, Pictures]:
    """Pictures of ours, and of each role that a given reference set plays."""
    roles = {role: results["made_from"]["settings"].get(role) for role in ROLES}
    found = {role: pictures[name] for role, name in roles.items() if name in pictures}
    return found | ({sections_gallery.OURS: pictures[OURS]} if OURS in pictures else {})


def _tables(out: Path, results: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    names = [
        name for figure in results["figures"].values() for name in figure["tables"]
    ]
    return {
        name: pd.read_parquet(out / "results" / f"{name}.parquet") for name in names
    }


def _notes(found: Results, prefix: str) -> list[str]:
    """What the estimators of this section warned of."""
    notes = [
        clean(note, 400)
        for name in found.of(prefix)
        for note in found.figures[name]["notes"]
    ]
    return list(dict.fromkeys(notes))


def _cleaned(value: Any) -> Any:
    return (
        [clean(item, 400) for item in value]
        if isinstance(value, list)
        else clean(value, 400)
    )


def _summary(results: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What the data is: name, ours, the paper's."""
    data = results["data"]
    period = (
        f"{data['first'][:10]} to {data['last'][:10]}" if data["first"] else "unknown"
    )
    sets = [
        f"{clean(name)} ({number(found['n'])})"
        for name, found in data["references"].items()
    ]
    return [
        ("Images", number(data["images"]), number(stated.IMAGES)),
        ("Posts", number(data["posts"]), number(stated.POSTS)),
        ("Period", period, f"{stated.FIRST_MONTH} to {stated.LAST_MONTH}"),
        ("With embedding", _embedded(data["embeddings"]), number(stated.IMAGES)),
        ("Reference sets", listed(sets), "LAION, ArtBench and DiffusionDB"),
    ]


def _embedded(found: Mapping[str, Any]) -> str:
    """How many images have an embedding, and how many of them one that is zero or not finite."""
    left_out = (
        f" ({number(found['unusable'])} more are zero or not finite)"
        if found["unusable"]
        else ""
    )
    return number(found["n"]) + left_out


def _sources(made_from: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the results were made from: the hash of the data, settings and versions."""
    settings = ", ".join(
        f"{key} {clean(value)}" for key, value in sorted(made_from["settings"].items())
    )
    versions = ", ".join(
        f"{key} {clean(value)}" for key, value in sorted(made_from["versions"].items())
    )
    return [
        ("Data (SHA-256)", clean(made_from["sha256"])),
        ("Settings", settings),
        ("Versions", versions),
    ]


def _references(sets: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Where each reference set comes from, under which licence, and what embedded it, as far as that is recorded."""
    found = []
    for name, facts in sets.items():
        told = {
            "from": listed(list(facts.get("origin", ()))),
            "licence": facts.get("licence", ""),
            "embedded by": facts.get("model", {}).get("model", ""),
            "": facts.get("note", ""),
        }
        text = "; ".join(
            f"{key} {value}".strip() for key, value in told.items() if value
        )
        if "licence" in facts:
            found.append((f"Reference set {clean(name)}", clean(text, 600)))
    return found
