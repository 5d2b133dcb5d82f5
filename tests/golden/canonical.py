"""What the demo made, as text that a person can review as a diff: results, page, card, release, and what it printed.

What differs from machine to machine is left out here (hashes, versions) or compared within a tolerance
(`compare.settle`); embeddings are described by their shape and a few means.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .page import page_text

DIGITS = 5  # significant
P_VALUES = ("p", "p_adjusted")
# Every kind of CPU makes another UMAP: what is computed on one has no number here.
DRIFT = re.compile(r"(distance correlation 0\.[01])\d+")
ON_THE_MAP = re.compile(r"overlap/|paper/Fig 2a/")  # values of the results
MAP_SECTION = re.compile(r"^Fig 2a.*?(?=^Fig 2b)", re.MULTILINE | re.DOTALL)
MAP_PLACES = re.compile(r"^\[places: .*(?=\n.*\nFigure 4a\.)", re.MULTILINE)
MEASURED = re.compile(
    r"-?\d+\.\d+|\d+(?= path\b)"
)  # of a chart, the shapes that are areas
MAP_OF_A_ROW = re.compile(r'"UMAP_dim_\d": -?[\d.]+')
OF_MODELS = (
    "all_captions",
    "nsfw_score",
    "label_10_cluster",
    "UMAP_dim_1",
    "UMAP_dim_2",
)  # not the same on every CPU


def canonical(out: Path, printed: str) -> dict[str, str]:
    """The golden files of a finished `twigma demo --out OUT` by name; `printed` is its standard output."""
    results = json.loads((out / "report" / "results.json").read_text("utf-8"))
    page = (out / "report" / "index.html").read_text("utf-8")
    return {
        # Models are trained anew, and no two kinds of CPU train the same.
        "results.json": _masked(_json(_results(results)), {}),
        "tables.json": _json(_tables(out / "report" / "results")),
        "page.txt": _masked(
            "\n".join(page_text(page)) + "\n", results["made_from"]["versions"]
        ),
        "card.txt": _masked((out / "twigma" / "README.md").read_text("utf-8"), {}),
        "release.json": _json(_release(out)),
        "printed.txt": _masked("\n".join(_printed(printed, out)) + "\n", {}),
    }


def _json(value: Any) -> str:
    return (
        json.dumps(_rounded(value), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    )


def _rounded(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if not isinstance(value, float):
        return value
    if name in P_VALUES:
        return round(value, 3)  # how small a tiny one is says nothing
    return float(f"{value:.{DIGITS}g}")


def _masked(text: str, versions: dict[str, str]) -> str:
    """The text without what changes with every machine or release of a library."""
    for name, version in versions.items():
        text = text.replace(f"{name} {version}", f"{name} (version)")
    text = DRIFT.sub(r"\1…", text)
    for pattern in (MAP_SECTION, MAP_PLACES, MAP_OF_A_ROW):
        text = pattern.sub(_without_numbers, text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "(sha256)", text)
    text = re.sub(r"\bSHA-256 [0-9a-f]{12}\b", "SHA-256 (hash)", text)
    return re.sub(r"\bcontent [0-9a-f]{16}\b", "content (hash)", text)


def _without_numbers(found: re.Match[str]) -> str:
    return MEASURED.sub("…", found[0])


def _results(results: dict[str, Any]) -> dict[str, Any]:
    """results.json, with the names of what it was made from and without their hashes and versions."""
    made_from = dict(results["made_from"])
    made_from.pop("sha256")
    made_from["files"] = sorted(made_from["files"])
    made_from["versions"] = sorted(made_from["versions"])
    # Of places on the map, which differ a little from one kind of CPU to another.
    drift = results["values"]["drift"] | {"value": "…"}
    values = results["values"] | {"drift": drift}
    for name, value in values.items():
        if ON_THE_MAP.match(name):
            values[name] = value | dict.fromkeys(("value", "low", "high"), "…")
    return results | {"values": values, "made_from": made_from}


def _tables(folder: Path) -> dict[str, Any]:
    """Rows, columns and types of every table of results; the number of cells that are filled."""
    found = {}
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path)
        assert path.with_suffix(".csv").exists(), f"{path} has no CSV beside it"
        types = [f"{field.name}: {field.type}" for field in table.schema]
        filled = [len(column) - column.null_count for column in table.columns]
        found[path.stem] = {"rows": len(table), "columns": types, "filled": filled}
    return found


# ------------------------------------------------------------------ the release


def _release(out: Path) -> dict[str, Any]:
    folder = out / "twigma"
    manifest = json.loads((folder / "MANIFEST.json").read_text("utf-8"))
    liked = json.loads((out / "liked" / "MANIFEST.json").read_text("utf-8"))
    croissant = json.loads((folder / "croissant.json").read_text("utf-8"))
    return {
        "files": _names(folder),
        "counts": manifest["counts"],
        "manifest": sorted(manifest),
        "metadata": _metadata(folder),
        "embeddings": _embeddings(folder),
        "croissant": _shape(croissant),
        "removals": (folder / "removals.txt").read_text("utf-8").splitlines(),
        "liked": {
            "files": _names(out / "liked"),
            "dropped": liked["dropped"],
            "manifest": sorted(liked),
        },
    }


def _names(folder: Path) -> list[str]:
    """The files of a folder; pictures and the captions beside them only by their number."""
    found = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    )
    numbered = [name for name in found if re.search(r"/\d+\.\w+$", name)]
    kinds = sorted({Path(name).suffix for name in numbered})
    counts = [
        f"{sum(name.endswith(kind) for name in numbered)} numbered {kind}"
        for kind in kinds
    ]
    return [*(name for name in found if name not in numbered), *counts]


def _table(folder: Path, config: str) -> pa.Table:
    files = sorted(folder.glob(f"{config}-*.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files])


def _metadata(folder: Path) -> dict[str, Any]:
    table = _table(folder, "metadata")
    path = next(folder.glob("metadata-*.parquet"))
    group = pq.ParquetFile(path).metadata.row_group(0)
    found: dict[str, Any] = {
        "rows": len(table),
        "compression": group.column(0).compression,
    }
    for field in table.schema:
        metadata = {
            key.decode(): value.decode()
            for key, value in (field.metadata or {}).items()
        }
        about = {
            "type": str(field.type),
            "nulls": table[field.name].null_count,
            **metadata,
        }
        found[field.name] = about | _content(field.name, table[field.name])
    return found


def _content(name: str, column: pa.ChunkedArray) -> dict[str, Any]:
    """A hash of the values where all machines agree on them, else how they are distributed."""
    if name not in OF_MODELS:
        text = json.dumps(column.to_pylist(), default=str)
        return {"sha256": hashlib.sha256(text.encode()).hexdigest()}
    if pa.types.is_string(column.type):
        words = " ".join(text for text in column.to_pylist() if text).split()
        return {"words": len(words), "different_words": len(set(words))}
    values = column.to_numpy().astype(float)
    if pa.types.is_integer(column.type):
        return {
            "counts": {
                int(each): int((values == each).sum()) for each in np.unique(values)
            }
        }
    if name == "nsfw_score":
        return {"mean": float(values.mean()), "above_half": int((values > 0.5).sum())}
    return {
        "finite": int(np.isfinite(values).sum())
    }  # a UMAP is another one on every kind of CPU


def _embeddings(folder: Path) -> dict[str, Any]:
    table = _table(folder, "embeddings")
    vectors = np.stack(table["embedding"].to_numpy()).astype(np.float64)
    names = "\n".join(table["image_name"].to_pylist())
    return {
        "schema": [f"{field.name}: {field.type}" for field in table.schema],
        "shape": list(vectors.shape),
        "names_sha256": hashlib.sha256(names.encode()).hexdigest(),
        "mean_norm": float(np.linalg.norm(vectors, axis=1).mean()),
        "mean_of_the_first_dimensions": [
            float(mean) for mean in vectors[:, :6].mean(axis=0)
        ],
    }


def _shape(value: Any, name: str = "") -> Any:
    """The names and kinds in a JSON document, with texts that are the same everywhere."""
    if isinstance(value, dict):
        return {key: _shape(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    return "(differs)" if name in ("sha256", "contentSize") else value


def _printed(printed: str, out: Path) -> Iterator[str]:
    """What the demo printed, without how long it took and where it was."""
    for line in printed.splitlines():
        if not re.fullmatch(r"\d+ s", line):
            yield line.replace(str(out), "OUT").rstrip()
