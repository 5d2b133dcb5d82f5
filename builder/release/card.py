"""The dataset card: fills `dataset_card.md` with what a release holds; written by `twigma release` as README.md."""

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

import twigma
from twigma.builder.publish.publications import NO_DOI
from twigma.core import columns
from twigma.dataset.table_files import table_pattern

CONTACT = "write in the Community tab, or to the address, of the page this dataset was downloaded from"
GATE = (
    "The images behind these ids include nudity and other content that is not for all audiences, and belong to the "
    "people who made them. By asking for access you agree to use the index for research, to follow the platform's "
    "terms when you look posts up, not to identify or profile people, and to drop what newer versions "
    "no longer hold."
)
EMBEDDING_RECIPE = """
```python
# embeddings: rows of float16, L2 norm 1
import glob

import pyarrow.dataset

files = sorted(glob.glob("twigma/embeddings-*.parquet"))
embeddings = pyarrow.dataset.dataset(files).to_table()
vectors = embeddings["embedding"].combine_chunks().flatten().to_numpy().reshape(len(embeddings), -1)
```
"""
BARS = "▁▂▃▄▅▆▇█"
UNDATED = "No row has a date."
TAGS = [
    "ai-generated-images",
    "twitter",
    "social-media",
    "clip",
    "not-for-all-audiences",
]


@dataclass(frozen=True)
class Facts:
    """What a card says of a release."""

    version: str
    metadata: pa.Table
    embeddings: int
    dimension: int
    dropped: Mapping[str, int]
    models: Mapping[str, Mapping[str, Any]]
    near_duplicates: str
    contact: str
    content: str  # SHA-256 over the tables of the release
    history: Sequence[Mapping[str, Any]] = ()  # newest first, of `version_history.py`
    doi: str = NO_DOI  # the line about DOIs


def card(facts: Facts) -> str:
    """The README.md of a release: YAML header for the Hub, then the filled template."""
    months = posts_per_month(facts.metadata)
    spark = month_table = ""
    if months:
        spark = f"`{sparkline(list(months.values()))}`"
        month_table = _table(("month (UTC)", "posts"), months.items())
    with_embeddings = facts.embeddings > 0
    return _template(Path(twigma.__path__[0], "dataset_card.md")).substitute(
        yaml=header(facts),
        summary=summary(facts),
        version=facts.version,
        doi=facts.doi,
        rows=f"{len(facts.metadata):,}",
        fields=columns.field_table(columns.METADATA),
        embedding_recipe=EMBEDDING_RECIPE if with_embeddings else "",
        embedding_fields=_embedding_fields(facts) if with_embeddings else "",
        funnel=_funnel(facts),
        duplicates=_duplicates(facts.near_duplicates),
        spark=spark or UNDATED,
        months=month_table,
        models=_models(facts.models),
        history=_history(facts.history),
        contact=facts.contact,
    )


def datasheet(facts: Facts) -> str:
    """The DATASHEET.md of a release: motivation, composition, collection, uses and maintenance."""
    months = list(posts_per_month(facts.metadata))
    span = f"Posts are from {months[0]} to {months[-1]}." if months else UNDATED
    near = ""
    if facts.near_duplicates == "drop":
        near = ", and nearly equal ones by their embedding"
    return _template(Path(__file__).with_name("datasheet.md")).substitute(
        version=facts.version,
        summary=summary(facts),
        funnel=_funnel(facts),
        months_span=span,
        near=near,
        models=_models(facts.models),
        contact=facts.contact,
        history=_history(facts.history),
    )


def _template(path: Path) -> string.Template:
    return string.Template(path.read_text("utf-8"))


def summary(facts: Facts) -> str:
    """One sentence: how much there is, and from when to when."""
    months = list(posts_per_month(facts.metadata))
    span = f", {months[0]} to {months[-1]}" if months else ""
    return f"{len(facts.metadata):,} images on {posts(facts.metadata):,} posts{span}."


def posts(metadata: pa.Table) -> int:
    """The number of distinct posts; images added by hand are on none."""
    added = pc.fill_null(pc.equal(metadata["source"], "local"), False)
    return len(pc.unique(metadata["id"].filter(pc.invert(added)).drop_null()))


def header(facts: Facts) -> str:
    """The YAML at the head of the card: what the Hub and `datasets` read. Features only: row counts break `filters`.

    `datasets` names the cache of a local folder after this header alone, so each configuration is described by its
    content: otherwise a second release would be answered from the cache of the first.
    """
    fields = {"metadata": columns.METADATA, "embeddings": ("image_name", "embedding")}
    if not facts.embeddings:
        del fields["embeddings"]
    configs: list[dict[str, Any]] = []
    infos: list[dict[str, Any]] = []
    for name, names in fields.items():
        configs.append(
            {
                "config_name": name,
                "description": f"version {facts.version}, content {facts.content[:16]}",
                "data_files": [{"split": "train", "path": table_pattern(name)}],
            }
        )
        features = [_feature(column, facts.dimension) for column in names]
        infos.append({"config_name": name, "features": features})
    configs[0]["default"] = True
    values = {
        "pretty_name": "TWIGMA",
        "license": "cc-by-4.0",
        "language": ["en"],
        "annotations_creators": ["machine-generated"],
        "source_datasets": ["original"],
        "task_categories": ["image-feature-extraction", "image-classification"],
        "tags": list(TAGS),
        "size_categories": [size_category(len(facts.metadata))],
        "configs": configs,
        "dataset_info": infos,
        "extra_gated_prompt": GATE,
    }
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110))


def _feature(name: str, dimension: int) -> dict[str, Any]:
    if name == "embedding":
        return {"name": name, "list": "float16", "length": dimension}
    return {"name": name, "dtype": columns.features([name])[name].dtype}


def size_category(rows: int) -> str:
    """The size tag of the Hub.

    >>> size_category(999), size_category(1000), size_category(805_650)
    ('n<1K', '1K<n<10K', '100K<n<1M')
    """
    if rows < 1000:
        return "n<1K"
    steps = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")
    at = min(len(str(rows)) - 4, len(steps) - 2)
    return f"{steps[at]}<n<{steps[at + 1]}"


def posts_per_month(metadata: pa.Table) -> dict[str, int]:
    """Distinct posts in each UTC month from the first to the last, months without posts included (Figure 1b)."""
    dated = metadata.select(["id", "created_at"])
    dated = dated.filter(dated["created_at"].is_valid())
    if not len(dated):
        return {}
    month = pc.strftime(dated["created_at"], format="%Y-%m")
    table = pa.table({"month": month, "id": dated["id"]}).group_by("month")
    rows = table.aggregate([("id", "count_distinct")]).to_pylist()
    counts = {row["month"]: row["id_count_distinct"] for row in rows}
    return {month: counts.get(month, 0) for month in _months(min(counts), max(counts))}


def _months(first: str, last: str) -> list[str]:
    """Every month from the first to the last, as YYYY-MM."""
    numbers = range(_month_number(first), _month_number(last) + 1)
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in numbers]


def _month_number(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:]) - 1


def sparkline(counts: Sequence[int]) -> str:
    """Counts as bars of eight heights.

    >>> sparkline([0, 1, 4, 8])
    '▁▂▅█'
    """
    top = max([*counts, 1])
    highest = len(BARS) - 1
    # Rounded up, so that only months without posts have the lowest bar.
    heights = [-(-count * highest // top) for count in counts]
    return "".join(BARS[height] for height in heights)


def _funnel(facts: Facts) -> str:
    """Rows found, left out by reason, and released, as a table."""
    released = len(facts.metadata)
    rows = [("found: photos on posts", released + sum(facts.dropped.values()))]
    for reason, count in facts.dropped.items():
        rows.append((f"left out: {reason}", -count))
    rows.append(("**released**", released))
    return _table(("", "rows"), rows)


def _history(history: Sequence[Mapping[str, Any]]) -> str:
    """A line a version, newest first."""
    names = ("version", "rows", "added", "removed", "changed")
    lines = [
        "| version | images | added | removed | changed |",
        "|---|---:|---:|---:|---:|",
    ]
    for entry in history:
        cells = [_cell(entry.get(name, "")) for name in names]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _duplicates(near: str) -> str:
    if near == "drop":
        return "Of images that are nearly equal (reason `near`), only the earliest is kept."
    return "Images that are nearly equal, but not equal (reason `near`), are all kept."


def _embedding_fields(facts: Facts) -> str:
    table = columns.field_table(("image_name", "embedding"))
    table = table.replace(f"[{columns.EMBEDDING_DIM}]", f"[{facts.dimension}]")
    return f"`embeddings`: {facts.embeddings:,} rows, in the same order, joined by `image_name`.\n\n{table}\n"


def _models(models: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for stage, settings in models.items():
        listed = [f"{key} `{value}`" for key, value in sorted(settings.items())]
        rows.append((stage, ", ".join(listed)))
    return _table(("stage", "made with"), rows)


def _table(head: tuple[str, str], rows: Iterable[tuple[str, Any]]) -> str:
    """A table of two columns in Markdown; numbers of rows stand at the right."""
    ruler = "|---|---:|" if head[1] == "rows" else "|---|---|"
    lines = [f"| {head[0]} | {head[1]} |", ruler]
    lines += [f"| {name} | {_cell(value)} |" for name, value in rows]
    return "\n".join(lines)
