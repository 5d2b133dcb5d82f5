"""`report/figures/`: every chart as SVG, PDF and CSV, the captions and the methods; `twigma report` writes it.

`written.json` lists them, so that the next report replaces these files and no other (`owned_folders`). It
is written before the first of them: a run that is stopped leaves nothing that nobody owns.
"""

from collections.abc import Sequence
from pathlib import Path

from twigma.analysis.page.section import Tables
from twigma.analysis.publication.captions import Published, captions_text
from twigma.core.files import atomic, write_json
from twigma.core.safety import owned_folders, spreadsheet

FOLDER = owned_folders.FIGURES
CAPTIONS, METHODS = "captions.md", "methods.md"


def write_figures(
    out: Path, charts: Sequence[Published], tables: Tables, methods: str
) -> None:
    """Write the folder of figures of a report, in place of an earlier one.

    Parameters
    ----------
    out : the report.
    tables : by name, a row an estimate.
    methods : Markdown.

    Raises
    ------
    FileExistsError where a file of one of these names is not of an earlier report.
    """
    folder = out / FOLDER
    listing = folder / owned_folders.FIGURES_LIST
    earlier = set(owned_folders.listed_figures(out))
    new = {CAPTIONS, METHODS}
    for published in charts:
        new.update(name for _, name in published.files)
    _require_ours(folder, new - earlier)
    folder.mkdir(exist_ok=True)
    write_json(listing, {"files": sorted(new | earlier)})
    for published in charts:
        _write(folder / f"{published.stem}.svg", published.chart.file.encode())
        _write(folder / f"{published.stem}.pdf", published.chart.pdf)
        for name, table in published.csv.items():
            spreadsheet.write_frame(folder / name, tables[table])
    _write(folder / CAPTIONS, captions_text(charts, tables).encode())
    _write(folder / METHODS, methods.encode())
    for name in earlier - new:
        (folder / name).unlink(missing_ok=True)
    write_json(listing, {"files": sorted(new)})


def _require_ours(folder: Path, names: set[str]) -> None:
    """FileExistsError where a file would be overwritten that is not listed, or the folder is a link."""
    if folder.is_symlink():
        raise FileExistsError(
            f"{folder} is a link and not of a report: move it away, and run `twigma report` again"
        )
    taken = sorted(name for name in names if (folder / name).exists())
    if taken:
        raise FileExistsError(
            f"{folder} holds {owned_folders.name_files(taken)}, not of an earlier report: nothing was written there; "
            "move such files away, and run `twigma report` again"
        )


def _write(path: Path, content: bytes) -> None:
    with atomic(path) as partial:
        partial.write_bytes(content)
