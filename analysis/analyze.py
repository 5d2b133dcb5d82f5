"""Every figure and table of the paper from a release: `twigma analyze RELEASE --out report`.

Writes `out/results/<table>.parquet` and `.csv`, and `out/results.json`, which names them, beside `out`, and puts them
there when they are whole. Files of an earlier run go, as their rows may have been taken down since; others stay. The
table `paper` holds every number the paper states beside ours, with a verdict.
An analysis whose columns or reference sets are absent is left out and named, with the way to get what it lacks.
"""

import importlib.metadata
import json
import math
import platform
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twigma.analysis.figures.figures import FIGURES
from twigma.analysis.inputs import load, text_embeddings
from twigma.analysis.inputs.requirements import (
    Figure,
    Result,
    Settings,
    missing_requirements,
)
from twigma.analysis.neighbours.ray_search import search_on
from twigma.analysis.paper.comparison import paper_box
from twigma.core.files import write_json, write_parquet
from twigma.core.parts import fingerprint
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.safety import owned_folders, spreadsheet

if TYPE_CHECKING:
    import pandas as pd

VERSION = 6  # of the analyses: results made by another one are computed again
LIBRARIES = (
    "faiss-cpu",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "torch",
)
SMALL = 10_000  # images up to which one BLAS thread is fastest; on a busy machine waiting threads cost six times more


def analyze(
    release: Path,
    out: Path,
    *,
    work: Path | None = None,
    references: Mapping[str, Path] = {},
    photographs: str = "photographs",
    paintings: str = "paintings",
    prompts: str = "prompts",
    projection: str = "pca",
    thorough: bool = False,
    sheets: Path | None = None,
    seed: int = 0,
    engine: Engine = LOCAL,
) -> dict[str, Any]:
    """Run every analysis whose data is there, and write its tables and numbers to `out`.

    Parameters
    ----------
    release : folder with metadata/*.parquet and, for the embeddings, embeddings/*.parquet.
    work : working folder with the private columns (author_id, follower_count, text), and embedded texts.
    references : working folders of reference sets by name, with embeddings.
    photographs, paintings, prompts : which reference plays the role of LAION, ArtBench and DiffusionDB.
    projection : "pca" or "umap" for the map of Fig 2a (UMAP is the paper's, and takes minutes).
    thorough : also compare other divergences and estimators in Fig 2c, which takes minutes.
    sheets : folder of annotation sheets that were filled in (`sheets.sheets` writes blank ones).
    engine : where nearest neighbours are searched, which at the paper's size is most of the work (Fig 2d, 4e).

    Returns
    -------
    The content of results.json. Unchanged data, settings and versions return what is there at once. ValueError, before
    any work, when `out` is not empty and no report of ours, or not apart from the working folder.
    """
    owned_folders.require_free(out, "report")
    if work is not None:
        owned_folders.require_apart(out, work)
    settings = Settings(photographs, paintings, prompts, projection, thorough, seed)
    files = load.file_hashes(
        release, work, references, sheets
    ) | text_embeddings.file_hashes(work, references)
    made_from = _made_from(files, settings)
    done = _finished(out / "results.json", made_from)
    if done is not None:
        return done
    data = replace(
        load.load(release, work, references, sheets),
        texts=text_embeddings.read_texts(work, references),
    )
    with search_on(engine) as search:
        results, skipped = _run(replace(data, search=search), settings)
    results["paper"] = paper_box(data, settings, results, skipped)
    found = _document(data, made_from, results, skipped)
    with owned_folders.replacing(out.resolve()) as new:
        for result in results.values():
            for name, table in result.tables.items():
                write_table(new / "results" / name, table)
        write_json(new / "results.json", found)
    return found


def _made_from(files: dict[str, str], settings: Settings) -> dict[str, Any]:
    """All that the results depend on."""
    versions = {
        name: importlib.metadata.version(name) for name in ("twigma", *LIBRARIES)
    }
    return {
        "analysis": VERSION,
        "sha256": fingerprint(files),
        "files": files,
        "settings": asdict(settings),
        "versions": versions | {"python": platform.python_version()},
    }


def _finished(path: Path, made_from: dict[str, Any]) -> dict[str, Any] | None:
    """The results that are there, when they were made from exactly this."""
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    tables = [
        name
        for figure in found.get("figures", {}).values()
        for name in figure["tables"]
    ]
    whole = all(
        (path.parent / "results" / f"{name}.parquet").exists() for name in tables
    )
    return found if found.get("made_from") == made_from and whole else None


def _run(
    data: load.Inputs, settings: Settings
) -> tuple[dict[str, Result], list[dict[str, Any]]]:
    import faiss  # noqa: F401 - a limit holds for the libraries that are loaded
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    from twigma.core.progress import progress_bar

    results: dict[str, Result] = {}
    skipped: list[dict[str, Any]] = []
    threads = 1 if len(data.images.rows) <= SMALL else None
    bar = progress_bar(FIGURES, desc="analyze", unit="figure")
    with threadpool_limits(threads, user_api="blas"):
        for figure in bar:
            bar.set_postfix_str(figure.name)
            reasons, result = _attempt(figure, data, settings)
            skipped += reasons
            if result is not None:
                results[figure.name] = result
    return results, skipped


def _attempt(
    figure: Figure, data: load.Inputs, settings: Settings
) -> tuple[list[dict[str, Any]], Result | None]:
    """One figure's result, and what could not be computed of it, with the reason."""
    if missing := missing_requirements(data, settings, figure.needs):
        return [_skip(figure.name, missing)], None
    parts = {
        part: missing_requirements(data, settings, needs)
        for part, needs in figure.parts.items()
    }
    reasons = [
        _skip(f"{figure.name}: {part}", missing)
        for part, missing in parts.items()
        if missing
    ]
    try:
        return reasons, _noted(figure.run, data, settings)
    except ValueError as error:  # too few rows for this one; the others still run
        return [{"figure": figure.name, "missing": [], "how": [str(error)]}], None


def _noted(run: Callable[..., Result], data: load.Inputs, settings: Settings) -> Result:
    """The result, with what the estimators warned of; warnings of other kinds are passed on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result = run(data, settings)
    notes = [str(w.message) for w in caught if w.category is UserWarning]
    for other in (w for w in caught if w.category is not UserWarning):
        warnings.warn_explicit(
            other.message, other.category, other.filename, other.lineno
        )
    return replace(result, notes=tuple(dict.fromkeys([*result.notes, *notes])))


def _skip(name: str, missing: Mapping[str, str]) -> dict[str, Any]:
    return {"figure": name, "missing": list(missing), "how": list(missing.values())}


def _document(
    data: load.Inputs,
    made_from: dict[str, Any],
    results: Mapping[str, Result],
    skipped: list[dict[str, Any]],
) -> dict[str, Any]:
    """What results.json holds."""
    figures = {
        name: {
            "n": result.n,
            "tables": list(result.tables),
            "values": list(result.values),
            "notes": list(result.notes),
        }
        for name, result in results.items()
    }
    values = {
        key: value
        for result in results.values()
        for key, value in result.values.items()
    }
    content = {
        "data": load.describe(data),
        "figures": figures,
        "values": values,
        "skipped": skipped,
    }
    plain: dict[str, Any] = _plain(content)
    return plain | {"made_from": made_from}


def _plain(value: Any) -> Any:
    """NumPy and pandas values as JSON; what is not a finite number becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    item = value.item() if hasattr(value, "item") else value
    return None if isinstance(item, float) and not math.isfinite(item) else item


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write `path`.parquet and `path`.csv."""
    import pyarrow as pa

    write_parquet(
        path.with_suffix(".parquet"), pa.Table.from_pandas(table, preserve_index=False)
    )
    spreadsheet.write_frame(path.with_suffix(".csv"), table)
