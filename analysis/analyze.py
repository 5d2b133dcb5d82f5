"""Every figure and table of the paper from a release: `twigma analyze RELEASE --out report`.

Writes `out/results/<table>.parquet` and, of at most 100,000 rows, `.csv`; and `out/results.json`, which names them.
They are written beside `out` and moved into it when they are complete. Files of an earlier run go, as their rows may
have been taken down since; others stay. The table `paper` holds every number the paper states beside ours, with a
verdict. An analysis whose columns or reference sets are missing is skipped, and reported with the way to get them; so
is one that fails. A run that is stopped resumes: the figures it finished lie beside `out` until the report is complete
(`checkpoints`).
"""

import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from twigma.analysis.annotation.sheet_folders import require_readable
from twigma.analysis.checkpoints import Checkpoints
from twigma.analysis.inputs import load, text_embeddings
from twigma.analysis.inputs.requirements import (
    Entry,
    Result,
    Settings,
    Skipped,
)
from twigma.analysis.neighbours.ray_search import search_on
from twigma.analysis.page.section import FigureFacts
from twigma.analysis.paper import comparison
from twigma.analysis.provenance.description import describe
from twigma.analysis.provenance.file_hashes import file_hashes
from twigma.analysis.run_figures import attempt, mark_named, run_figures
from twigma.analysis.tables import memory
from twigma.analysis.tables.long_table import LongTable
from twigma.core.files import file_sha256, write_json, write_parquet
from twigma.core.names import DEFAULT
from twigma.core.parts import fingerprint
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.safety import (
    folder_replacement,
    owned_folders,
    spreadsheet,
    unfinished_reports,
)
from twigma.core.workspace import AnyWorkspace

if TYPE_CHECKING:
    import pandas as pd

# Raised by hand when any figure's answer changes: results of another revision are computed again.
REVISION = 14
LIBRARIES = (
    "faiss-cpu",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "torch",
)
MOST_CSV_ROWS = 100_000  # a spreadsheet opens hardly more; there is Parquet


class MadeFrom(TypedDict):
    """All that the results depend on; equal ones have equal results."""

    analysis: int  # REVISION
    sha256: str  # of `files`
    files: dict[str, str]  # SHA-256 by name
    settings: dict[str, Any]
    versions: dict[str, str]  # of this package, its libraries and Python


class Analysis(TypedDict):
    """What results.json holds."""

    data: dict[str, Any]  # `provenance.description.describe`
    figures: dict[str, FigureFacts]  # by name, in the order of the paper
    values: dict[str, Entry]  # numbers by key
    skipped: list[Skipped]
    made_from: MadeFrom


def analyze(
    release: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    work: AnyWorkspace | None = None,
    references: Mapping[str, AnyWorkspace] = {},
    photographs: str = "photographs",
    paintings: str = "paintings",
    prompts: str = "prompts",
    projection: str = "auto",
    thorough: bool = False,
    sheets: str | os.PathLike[str] | None = None,
    select: str | os.PathLike[str] | None = None,
    seed: int = 0,
    engine: Engine = LOCAL,
    embedding: str = DEFAULT,
) -> Analysis:
    """Run every analysis whose data is there, and write its tables and numbers to `out`.

    Parameters
    ----------
    release : folder with metadata-*.parquet and, for the embeddings, embeddings-*.parquet.
    work : working folder with the private columns (author_id, follower_count, text), and embedded texts.
    references : working folders of reference sets by name, with embeddings.
    photographs, paintings, prompts : which reference plays the role of LAION, ArtBench and DiffusionDB.
    projection : "pca" or "umap" for the map of Fig 2a; "auto" is UMAP, the paper's, up to 40,000 images on the map.
    thorough : also compare other divergences and estimators in Fig 2c, which takes minutes.
    sheets : folder of annotation sheets that were filled in (`twigma sheets` writes blank ones).
    select : file of images of the release, to which the analysis is restricted: what `twigma explore` saves, or a sheet
        with a column image_name.
    engine : where nearest neighbours are searched, which at the paper's size is most of the work (Fig 2d, 4e).
    embedding : name of the embeddings, of the release and of all references; "" for the default ones.

    Returns
    -------
    The content of results.json. Unchanged data, settings and versions return what is there at once.

    Raises
    ------
    ValueError, before any work, when `out` is not empty and no report of ours, or not apart from the working folder;
    and when there is not the memory, or the room on the disk, for so many rows. FileNotFoundError or ValueError, before
    any work, when a folder, a file or the key of the sheets that is named is missing or damaged. RuntimeError, at once,
    while another process writes the report.
    """
    release, out = Path(release), Path(out)
    sheets = None if sheets is None else Path(sheets)
    select = None if select is None else Path(select)
    work = None if work is None else Path(work)
    folders = {name: Path(folder) for name, folder in references.items()}
    owned_folders.require_free(out, "report")
    if work is not None:
        owned_folders.require_apart(out, work)
    if sheets is not None:
        require_readable(sheets)
    unfinished_reports.refuse_busy(out)
    settings = Settings(photographs, paintings, prompts, projection, thorough, seed)
    files = file_hashes(release, work, folders, sheets, embedding)
    if select is not None:
        files["selection"] = file_sha256(select)
    files |= text_embeddings.file_hashes(work, folders)
    made_from = _made_from(files, settings)
    # Reading the hashes takes seconds, the analyses hours at the paper's size.
    current = _current(out / "results.json", made_from)
    checkpoints = Checkpoints(out, made_from)
    if current is not None and not checkpoints.folder.exists():
        return current
    with unfinished_reports.writing(out):
        if current is not None:
            checkpoints.delete()
            return current
        if select is None:
            memory.require(memory.needed(release, embedding), out.absolute())
        texts = text_embeddings.read_texts(work, folders)
        options: dict[str, Any] = {"select": select, "scratch": out.absolute()}
        data = load.load(release, work, folders, sheets, embedding, **options)
        data = replace(data, texts=texts)
        with search_on(engine) as search:
            data = replace(data, search=search)
            return _computed(data, settings, checkpoints, out)


def _computed(
    data: load.Inputs, settings: Settings, checkpoints: Checkpoints, out: Path
) -> Analysis:
    """All figures, computed and written to `out`."""
    results, skipped = run_figures(data, settings, checkpoints)
    mark_named(skipped, data, settings)
    box, failures = attempt(
        comparison.NAME,
        lambda: comparison.paper_box(data, settings, results, skipped),
    )
    skipped.extend(failures)
    if box is not None:
        results[comparison.NAME] = box
    document = _document(data, checkpoints.made_from, results, skipped)
    _write(out, results, document)
    # What failed is tried again by the next run, which takes the rest from there.
    if not failed(document):
        checkpoints.delete()
    return document


def failed(results: Analysis) -> list[str]:
    """The figures that failed, rather than lacking data."""
    return [entry["figure"] for entry in results["skipped"] if "error" in entry]


# ------------------------------------------------------------------ provenance


def _made_from(files: dict[str, str], settings: Settings) -> MadeFrom:
    """All that the results depend on."""
    versions = {"python": platform.python_version()}
    for name in ("twigma", *LIBRARIES):
        versions[name] = importlib.metadata.version(name)
    return {
        "analysis": REVISION,
        "sha256": fingerprint(files),
        "files": files,
        "settings": asdict(settings),
        "versions": versions,
    }


def _current(path: Path, made_from: MadeFrom) -> Analysis | None:
    """The results that are there, when they were made from exactly this and no table is missing."""
    try:
        results: Analysis = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    if results.get("made_from") != made_from or failed(results):
        return None
    for figure in results["figures"].values():
        for name in figure["tables"]:
            if not (path.parent / "results" / f"{name}.parquet").exists():
                return None
    return results


# ------------------------------------------------------------------ written


def _document(
    data: load.Inputs,
    made_from: MadeFrom,
    results: Mapping[str, Result],
    skipped: list[Skipped],
) -> Analysis:
    """What results.json holds."""
    figures: dict[str, FigureFacts] = {}
    values: dict[str, Entry] = {}
    for name, result in results.items():
        figures[name] = {
            "n": result.n,
            "tables": result.table_names(),
            "values": list(result.values),
            "notes": list(result.notes),
        }
        values |= result.values
    document: Analysis = {
        "data": plain_json(describe(data)),
        "figures": plain_json(figures),
        "values": plain_json(values),
        "skipped": skipped,
        "made_from": made_from,
    }
    return document


def _write(out: Path, results: Mapping[str, Result], document: Analysis) -> None:
    """Put the tables and results.json into `out` together, in place of those of an earlier run."""
    with folder_replacement.replacing(out.resolve()) as new:
        for result in results.values():
            for name, table in result.tables.items():
                write_table(new / "results" / name, table)
            for name, rows in result.long.items():
                write_long_table(new / "results" / name, rows)
        write_json(new / "results.json", document)


def plain_json(value: Any) -> Any:
    """NumPy and pandas values as JSON; what is not a finite number becomes null."""
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    item = value.item() if hasattr(value, "item") else value
    if isinstance(item, float) and not math.isfinite(item):
        return None
    return item


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a tidy table, one row an estimate, as `path`.parquet and, of at most 100,000 rows, as `path`.csv.

    Cells of the CSV are safe to open in a spreadsheet. The index is not written.
    """
    import pyarrow as pa

    arrow = pa.Table.from_pandas(table, preserve_index=False)
    write_parquet(path.with_suffix(".parquet"), arrow)
    if len(table) <= MOST_CSV_ROWS:
        spreadsheet.write_frame(path.with_suffix(".csv"), table)


def write_long_table(path: Path, table: LongTable) -> None:
    """Write a table with a row an image as `write_table` does, and without having it in memory."""
    table.write(path.with_suffix(".parquet"))
    if len(table) <= MOST_CSV_ROWS:
        spreadsheet.write_frame(path.with_suffix(".csv"), table.to_pandas())
