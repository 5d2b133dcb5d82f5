"""The dataset card: fills `dataset_card.md` with what a release holds; written by `twigma release` as README.md."""

import json
import string
from pathlib import Path

import twigma
from twigma.builder.release.card import limits, markdown, wording
from twigma.builder.release.card.facts import Facts
from twigma.builder.release.card.header import header
from twigma.builder.release.card.months import sparkline
from twigma.core import columns
from twigma.core.names import split_name, with_name
from twigma.core.values import plural

EMBEDDING_RECIPE = """
```python
# embeddings: rows of $type, L2 norm 1
import glob

import pyarrow.dataset

files = sorted(glob.glob("twigma/$config-train-*.parquet"))
embeddings = pyarrow.dataset.dataset(files).to_table()
vectors = embeddings["embedding"].combine_chunks().flatten().to_numpy().reshape(len(embeddings), -1)
```
"""
FLOAT16 = """
**Embeddings are half floats (float16).** `datasets`, pandas, polars, DuckDB and Arrow read them. Spark refuses the
file, fastparquet gives raw bytes, and R's arrow before July 2026 and ClickHouse give wrong numbers without an error:
for these, `twigma release --embeddings float32` writes the same values as float32, in twice the space.
"""
BY_MONTH = """
```python
# DuckDB
import duckdb

by_month = duckdb.sql(\"\"\"
    SELECT date_trunc('month', created_at) AS month, count(DISTINCT id) AS posts
    FROM 'twigma/metadata-*.parquet' GROUP BY month ORDER BY month
\"\"\").fetchall()
```
"""
BY_SIZE = """
```python
# DuckDB
import duckdb

by_size = duckdb.sql(\"\"\"
    SELECT width, height, count(*) AS images
    FROM 'twigma/metadata-*.parquet' GROUP BY width, height ORDER BY images DESC
\"\"\").fetchall()
```
"""
LIKED = 'liked = load_dataset("twigma", split="train", filters=[("like_count", ">=", 100)])\n'


def card(facts: Facts) -> str:
    """The README.md of a release: YAML header for the Hub, then the filled template."""
    identity = facts.identity
    template = Path(twigma.__path__[0], "dataset_card.md").read_text("utf-8")
    with_embeddings = facts.embeddings > 0
    return string.Template(template).substitute(
        yaml=header(facts),
        title=identity.title,
        description=f"{identity.description}\n\n" if identity.description else "",
        summary=wording.summary(facts),
        by=wording.published_by(identity),
        doi=f"{facts.doi}\n\n" if facts.doi else "",
        method=wording.METHOD,
        version=facts.version,
        date=facts.date.isoformat(),
        contents=wording.contents(facts),
        sizes=markdown.sizes(facts),
        example=_example(facts),
        liked=LIKED if facts.has("like_count") else "",
        duckdb=BY_MONTH if facts.months else BY_SIZE,
        rows=f"{facts.rows:,}",
        fields=columns.field_table(facts.columns),
        empty=_empty(facts),
        embedding_recipe=_embedding_recipe(facts) if with_embeddings else "",
        embedding_fields=_embedding_fields(facts) if with_embeddings else "",
        collection=wording.collection(facts),
        row_counts=markdown.row_counts(facts),
        duplicates=_duplicates(facts.near_duplicates),
        months=_months(facts),
        models=markdown.models(facts.models),
        origins=markdown.origins(facts),
        uses=" ".join(limits.uses(facts)),
        limits="\n".join(f"- {text}" for text in limits.limits(facts)),
        synthetic=limits.synthetic(facts),
        not_for=limits.not_for(facts),
        rights=wording.rights(facts),
        which="a post or an image" if facts.on_posts else "an image",
        history=markdown.history(facts.history),
        contact=wording.contact(identity),
        citation=_citation(facts),
    )


def _example(facts: Facts) -> str:
    """One row as JSON, without what it has no value for."""
    row = facts.example()
    if not row:
        return "Every row is marked or scored as sensitive: none is shown."
    values = {}
    for name, value in row.items():
        if value is None:
            continue
        values[name] = round(value, 4) if isinstance(value, float) else value
    text = json.dumps(values, ensure_ascii=False, indent=1, default=str)
    # A caption must not end the block of code.
    return f"```json\n{text.replace('`', chr(92) + 'u0060')}\n```"


def _empty(facts: Facts) -> str:
    """Which columns no row has a value in."""
    if not facts.empty:
        return ""
    names = ", ".join(f"`{name}`" for name in facts.empty)
    return f"\nEmpty in this release: {names}.\n"


def _embedding_recipe(facts: Facts) -> str:
    recipe = EMBEDDING_RECIPE.replace("$type", facts.embedding_type)
    recipe = recipe.replace("$config", next(iter(facts.dimensions)))
    return recipe + (FLOAT16 if facts.embedding_type == "float16" else "")


def _embedding_fields(facts: Facts) -> str:
    """The table of each configuration of embeddings."""
    sections = []
    for config, length in facts.dimensions.items():
        table = columns.field_table(("image_name", "embedding"))
        table = table.replace(f"[{columns.EMBEDDING_DIM}]", f"[{length}]")
        if facts.embedding_type == "float32":
            table = table.replace("halffloat", "float")
        head = f"`{config}`: {facts.embeddings:,} rows, in the same order, joined by `image_name`."
        _, name = split_name(config)
        if name:
            head += f" By {facts.models[with_name('embed', name)]['model']}."
        sections.append(f"{head}\n\n{table}\n")
    return "\n".join(sections)


def _duplicates(near: str) -> str:
    if near == "drop":
        return "Of images that are nearly equal (reason `near`), only the earliest is kept."
    return "Images that are nearly equal, but not equal (reason `near`), are all kept."


def _months(facts: Facts) -> str:
    """The section on posts or images per month; only a sentence where no row has a date."""
    if not facts.months:
        return "No row has a date.\n"
    spark = sparkline(list(facts.months.values()))
    table = markdown.table(("month (UTC)", facts.counted), facts.months.items())
    undated = facts.missing.get("created_at", 0)
    note = (
        f"{plural(undated, 'row')} without a date not counted.\n\n" if undated else ""
    )
    title = f"{facts.counted.capitalize()} per month"
    return f"## {title}\n\n`{spark}`\n\n{note}{table}\n"


def _citation(facts: Facts) -> str:
    text = facts.identity.cite(facts.version, facts.date)
    if text.lstrip().startswith("@"):
        return f"```bibtex\n{text.strip()}\n```"
    return text
