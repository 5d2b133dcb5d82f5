"""Finished figures of `twigma analyze`, kept until the report is complete, so that a stopped run resumes.

They lie beside the report in `.REPORT.unfinished/`: `FIGURE.json`, written last, and `FIGURE.TABLE.parquet` for each of
its tables. Whatever was made from other data, settings or versions is deleted.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from twigma.analysis.inputs.reference_similarity import ReferenceSimilarity
from twigma.analysis.inputs.requirements import Result, Skipped
from twigma.analysis.tables.long_table import stored_long_table
from twigma.core.files import atomic, read_parquet, write_json, write_parquet
from twigma.core.safety import unfinished_reports
from twigma.core.safety.unfinished_reports import MARK

SEARCH = "search."  # begins the names of files of nearest neighbours, by role
SIZE = b"size"  # of a search, in the metadata of its file


class Outcome(NamedTuple):
    """A figure that was computed or skipped: its result, and what was skipped with the reason."""

    result: Result | None
    skipped: list[Skipped]


class Checkpoints:
    """The finished figures of one report."""

    def __init__(self, out: Path, made_from: Mapping[str, Any]) -> None:
        """For the report at `out`, made from `made_from`; nothing is written or deleted yet."""
        self.folder = unfinished_reports.folder_of(out)
        self.made_from = json.loads(json.dumps(made_from))

    def open(self) -> list[str]:
        """Keep what an earlier run finished of the same; the names of these figures."""
        unfinished_reports.refuse_link(self.folder)
        stored = _read_json(self.folder / MARK)
        if stored != self.made_from:
            if stored is not None:
                unfinished_reports.clear(self.folder)
            write_json(self.folder / MARK, self.made_from)
        files = self.folder.glob("*.json")
        return sorted(path.stem for path in files if path.name != MARK)

    def load(self, figure: str) -> Outcome | None:
        """A figure that is finished; None where it is not, or damaged."""
        stored = _read_json(self.folder / f"{figure}.json")
        if stored is None:
            return None
        tables, long = {}, {}
        try:
            for name in stored["tables"]:
                path = self.folder / f"{figure}.{name}.parquet"
                table = stored_long_table(path)
                if table is None:
                    tables[name] = read_parquet(path).to_pandas()
                else:
                    long[name] = table
        except (FileNotFoundError, ValueError):
            return None
        if stored["n"] is None:
            return Outcome(None, stored["skipped"])
        notes = tuple(stored["notes"])
        result = Result(stored["n"], tables, stored["values"], notes, long)
        return Outcome(result, stored["skipped"])

    def save(self, figure: str, outcome: Outcome) -> None:
        """Store a finished figure. TypeError or pa.ArrowException where a report could not hold it either."""
        stored: dict[str, Any] = {"n": None, "tables": [], "skipped": outcome.skipped}
        result = outcome.result
        if result is not None:
            stored |= {"n": result.n, "tables": result.table_names()}
            stored |= {"values": result.values, "notes": result.notes}
            for name, table in result.tables.items():
                arrow = pa.Table.from_pandas(table, preserve_index=False)
                write_parquet(self.folder / f"{figure}.{name}.parquet", arrow)
            for name, rows in result.long.items():
                rows.write(self.folder / f"{figure}.{name}.parquet")
        text = json.dumps(stored, default=_plain)
        with atomic(self.folder / f"{figure}.json") as partial:
            partial.write_text(text, "utf-8")

    def load_searches(self) -> dict[str, ReferenceSimilarity]:
        """The nearest neighbours that were searched for, by role: most of the work at the paper's size."""
        searches = {}
        for path in self.folder.glob(f"{SEARCH}*.parquet"):
            with contextlib.suppress(ValueError):  # a damaged one is searched again
                table = read_parquet(path)
                role = path.stem.removeprefix(SEARCH)
                searches[role] = ReferenceSimilarity(
                    mean=table["mean"].to_numpy(),
                    similarity=table["similarity"].to_numpy(),
                    row=table["row"].to_numpy(),
                    size=int(table.schema.metadata[SIZE]),
                )
        return searches

    def save_searches(self, searches: Mapping[str, ReferenceSimilarity]) -> None:
        """Store those that are not stored yet."""
        for role, found in searches.items():
            path = self.folder / f"{SEARCH}{role}.parquet"
            if path.exists():
                continue
            columns = {
                "mean": found.mean,
                "similarity": found.similarity,
                "row": found.row,
            }
            metadata = {SIZE: str(found.size).encode()}
            write_parquet(path, pa.table(columns).replace_schema_metadata(metadata))

    def delete(self) -> None:
        """Delete what is stored, and nothing else that may lie there."""
        if self.folder.is_symlink() or _read_json(self.folder / MARK) is None:
            return
        unfinished_reports.delete(self.folder)


def _plain(value: Any) -> Any:
    """A NumPy number as Python's; TypeError for anything else."""
    if not isinstance(value, np.generic):
        raise TypeError(f"{value!r} is no number")
    return value.item()


def _read_json(path: Path) -> Any:
    """The content of a JSON file; None where there is none, or a damaged one."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
