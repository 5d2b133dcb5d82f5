"""CLIP text embeddings of what was written: posts, captions, prompts (Fig 3d). Run by `twigma texts`.

They are made by the model of the images of the same folder. Of a text are kept its embedding and its number of words
and tokens; the text itself stays where it was.
"""

import html
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.engine.vectors import Half, as_column
from twigma.builder.models.clip_names import (
    MODEL,
    PRETRAINED,
    Model,
    find_model,
    load_tokenizer,
)
from twigma.builder.stages.embed import load_encoder
from twigma.core import columns
from twigma.core.embedding_model import differing
from twigma.core.parts import fingerprint, part_is_current, read_provenance, write_part
from twigma.core.workspace import Workspace

KINDS = ("text", "all_captions", "group")  # posts, captions, prompts
MOST = 2000  # texts of a kind
BLOCK = 256  # encoded at once, between two steps of the bar
LINKS_AND_TAGS = re.compile(r"https?://\S+|www\.\S+|#\w+")


def part_of(work: Path, kind: str) -> Path:
    """Where the embedded texts of a kind are kept."""
    return work / "columns" / "texts" / f"{kind}.arrow"


def embed_texts(
    work: Path,
    model: str = MODEL,
    pretrained: str | None = PRETRAINED,
    device: str | None = None,
    *,
    revision: str | None = None,
    most: int = MOST,
    seed: int = 0,
) -> dict[str, int]:
    """Embed up to `most` random different texts of each kind that the folder has, unless that is done.

    Kinds are the columns text (posts, without links and hashtags), all_captions and group (the prompts of a reference
    set). Each gets a part `columns/texts/KIND.arrow`: id, image_name (of the first image with that text), embedding
    (float16[dim], L2 norm 1), words, tokens.

    Returns
    -------
    Texts embedded now, by kind; 0 where there was nothing to do. FileNotFoundError when the folder has no texts,
    ValueError when its images were embedded by another model.
    """
    found = find_model(model, pretrained, revision, work)
    _require_same(work, found.made_from())
    texts = {kind: _different(table, kind) for kind, table in _tables(work).items()}
    if not any(map(len, texts.values())):
        raise FileNotFoundError(
            f"no texts in {work}: posts come with `twigma rehydrate`, captions with `twigma caption`, prompts with "
            "`twigma add --group KEY`"
        )
    encoders: list[Callable[[Sequence[str]], Any]] = []  # loaded when first needed
    counts = {}
    for kind, table in texts.items():
        rows = np.sort(np.random.default_rng(seed).permutation(len(table))[:most])
        chosen = table.take(pa.array(rows))
        made_from = found.made_from() | {"texts": fingerprint(chosen.to_pylist())}
        path = part_of(work, kind)
        counts[kind] = 0
        if not len(chosen) or part_is_current(path, made_from):
            continue
        if not encoders:
            encoders.append(
                load_encoder(
                    model, pretrained, device, revision=revision, work=work
                ).encode_text
            )
        write_part(
            path, _embedded(chosen, encoders[0], token_counter(found), kind), made_from
        )
        counts[kind] = len(chosen)
    return counts


def without_links(text: str) -> str:
    """A post's text without links and hashtags, `&amp;` and its like undone, white space single.

    >>> without_links("New &amp; old https://t.co/x  #aiart")
    'New & old'
    """
    return " ".join(LINKS_AND_TAGS.sub(" ", html.unescape(text)).split())


def token_counter(found: Model) -> Callable[[str], int]:
    """Tokens of a text as the model counts them, its marks of start and end included, nothing cut off."""
    tokenizer = load_tokenizer(found)
    if hasattr(tokenizer, "tokenizer"):  # of transformers
        return lambda text: len(tokenizer.tokenizer(text, verbose=False)["input_ids"])
    return lambda text: len(tokenizer.encode(text)) + 2


# ------------------------------------------------------------------ parts


def _require_same(work: Path, ours: Mapping[str, Any]) -> None:
    """ValueError when the images of the folder were embedded by another model, as far as both say."""
    parts = sorted((work / "columns" / "embed").glob("*.arrow"))
    if not parts:
        return
    images = read_provenance(parts[0])
    if key := differing(images, ours):
        raise ValueError(
            f"the images of {work} were embedded by {images['model']} ({key} {images[key]}), the texts would be by "
            f"{ours['model']} ({key} {ours[key]}): name the images' model with --model"
        )


def _tables(work: Path) -> dict[str, pa.Table]:
    """The rows that may have a text of each kind."""
    stages = ["caption"] if any((work / "columns" / "caption").glob("*.arrow")) else []
    images = Workspace(work).table(*stages)
    if "id" not in images.column_names:
        images = columns.add(images, id=images["image_name"])
    return {
        kind: images.select([*columns.KEY, kind])
        for kind in KINDS
        if kind in images.column_names
    }


def _different(table: pa.Table, kind: str) -> pa.Table:
    """id, image_name and text of the first row with each text that is not empty."""
    cleaned = [
        None
        if text is None
        else without_links(text)
        if kind == "text"
        else " ".join(text.split())
        for text in table[kind].to_pylist()
    ]
    texts = pa.array([text or None for text in cleaned], pa.string())
    table = (
        table.select(list(columns.KEY))
        .append_column("text", texts)
        .filter(texts.is_valid())
    )
    first = {
        text: row for row, text in reversed(list(enumerate(table["text"].to_pylist())))
    }
    return table.take(pa.array(sorted(first.values()), pa.int64()))


def encode_all(
    texts: Sequence[str], encode: Callable[[Sequence[str]], Any], name: str
) -> Half:
    """float16[n, dim]: the texts encoded block by block, under a bar."""
    from twigma.core.progress import progress_bar

    starts = progress_bar(
        range(0, len(texts), BLOCK),
        desc=f"texts {name}",
        unit_scale=BLOCK,
        unit="text",
    )
    return np.concatenate([encode(texts[at : at + BLOCK]) for at in starts])


def _embedded(
    chosen: pa.Table,
    encode: Callable[[Sequence[str]], Any],
    tokens: Callable[[str], int],
    kind: str,
) -> pa.Table:
    texts = chosen["text"].to_pylist()
    rows = encode_all(texts, encode, kind)
    words = pc.list_value_length(pc.utf8_split_whitespace(chosen["text"]))
    made = {
        "embedding": as_column(rows, np.zeros(len(rows), bool)),
        "words": words.cast(pa.int32()),
        "tokens": pa.array([tokens(text) for text in texts], pa.int32()),
    }
    table = chosen.drop_columns(["text"])
    for name, values in made.items():
        table = table.append_column(name, values)
    return table.combine_chunks()
