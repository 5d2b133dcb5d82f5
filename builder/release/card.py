"""The dataset card: fills `dataset_card.md` with what a release holds; written by `twigma release` as README.md."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

import twigma
from twigma.core import columns

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
import pyarrow.parquet as pq
embeddings = pq.read_table("twigma/embeddings")
vectors = embeddings["embedding"].combine_chunks().flatten().to_numpy().reshape(len(embeddings), -1)
```
"""
BARS = "▁▂▃▄▅▆▇█"


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
    history: Sequence[
        Mapping[str, Any]
    ] = ()  # newest first, as `changes.history` gives it


def card(facts: Facts) -> str:
    """The README.md of a release: YAML header for the Hub, then the filled template."""
    months = posts_per_month(facts.metadata)
    with_embeddings = facts.embeddings > 0
    return _template(Path(twigma.__path__[0], "dataset_card.md")).substitute(
        yaml=header(facts),
        summary=summary(facts),
        version=facts.version,
        rows=f"{len(facts.metadata):,}",
        fields=columns.field_table(columns.METADATA),
        embedding_recipe=EMBEDDING_RECIPE if with_embeddings else "",
        embedding_fields=_embedding_fields(facts) if with_embeddings else "",
        funnel=_funnel(facts),
        duplicates=_duplicates(facts.near_duplicates),
        spark=f"`{sparkline(list(months.values()))}`"
        if months
        else "No row has a date.",
        months=_table(("month (UTC)", "posts"), months.items()) if months else "",
        models=_models(facts.models),
        history=_history(facts.history),
        contact=facts.contact,
    )


def datasheet(facts: Facts) -> str:
    """The DATASHEET.md of a release: motivation, composition, collection, uses and maintenance."""
    months = list(posts_per_month(facts.metadata))
    return _template(Path(__file__).with_name("datasheet.md")).substitute(
        version=facts.version,
        summary=summary(facts),
        funnel=_funnel(facts),
        months_span=f"Posts are from {months[0]} to {months[-1]}."
        if months
        else "No row has a date.",
        near=", and nearly equal ones by their embedding"
        if facts.near_duplicates == "drop"
        else "",
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
    """The number of distinct posts; images added by hand stand on none."""
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
    configs: list[dict[str, Any]] = [
        {
            "config_name": name,
            "description": f"version {facts.version}, content {facts.content[:16]}",
            "data_files": [{"split": "train", "path": f"{name}/*.parquet"}],
        }
        for name in fields
    ]
    configs[0]["default"] = True
    infos = [
        {
            "config_name": name,
            "features": [_feature(column, facts.dimension) for column in names],
        }
        for name, names in fields.items()
    ]
    values = {
        "pretty_name": "TWIGMA",
        "license": "cc-by-4.0",
        "language": ["en"],
        "annotations_creators": ["machine-generated"],
        "source_datasets": ["original"],
        "task_categories": ["image-feature-extraction", "image-classification"],
        "tags": [
            "ai-generated-images",
            "twitter",
            "social-media",
            "clip",
            "not-for-all-audiences",
        ],
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
    dated = metadata.select(["id", "created_at"]).filter(
        metadata["created_at"].is_valid()
    )
    if not len(dated):
        return {}
    table = pa.table(
        {"month": pc.strftime(dated["created_at"], format="%Y-%m"), "id": dated["id"]}
    )
    counts = table.group_by("month").aggregate([("id", "count_distinct")]).to_pylist()
    found = {row["month"]: row["id_count_distinct"] for row in counts}
    return {month: found.get(month, 0) for month in _months(min(found), max(found))}


def _months(first: str, last: str) -> list[str]:
    start, end = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (first, last))
    return [
        f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(start, end + 1)
    ]


def sparkline(counts: Sequence[int]) -> str:
    """Counts as bars of eight heights.

    >>> sparkline([0, 1, 4, 8])
    '▁▂▅█'
    """
    top = max([*counts, 1])
    return "".join(BARS[-(-count * (len(BARS) - 1) // top)] for count in counts)


def _funnel(facts: Facts) -> str:
    rows = len(facts.metadata) + sum(facts.dropped.values())
    lines = [
        ("found: photos on posts", rows),
        *((f"left out: {name}", -n) for name, n in facts.dropped.items()),
    ]
    return _table(("", "rows"), [*lines, ("**released**", len(facts.metadata))])


def _history(history: Sequence[Mapping[str, Any]]) -> str:
    """A line a version, newest first."""
    names = ("version", "rows", "added", "removed", "changed")
    lines = [
        "| version | images | added | removed | changed |",
        "|---|---:|---:|---:|---:|",
    ]
    for entry in history:
        lines.append(
            "| " + " | ".join(_cell(entry.get(name, "")) for name in names) + " |"
        )
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
    rows = [
        (name, ", ".join(f"{k} `{v}`" for k, v in sorted(facts.items())))
        for name, facts in models.items()
    ]
    return _table(("stage", "made with"), rows)


def _table(head: tuple[str, str], rows: Any) -> str:
    lines = [f"| {a} | {_cell(b)} |" for a, b in rows]
    return "\n".join(
        [
            f"| {head[0]} | {head[1]} |",
            "|---|---|" if head[1] != "rows" else "|---|---:|",
            *lines,
        ]
    )
