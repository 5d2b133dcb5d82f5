"""CLIP text embeddings of what was written: posts, captions, prompts (Fig 3d). Run by `twigma texts`.

They are made by the model of the images of the same folder. A part holds the embedding of a text and its number of
words and tokens; the text itself stays where it was.
"""

import html
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

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
from twigma.builder.stages.clip_encoder import load_encoder
from twigma.core import columns
from twigma.core.model_identity import differing
from twigma.core.names import DEFAULT
from twigma.core.parts import (
    Provenance,
    announce_recreated,
    fingerprint,
    part_is_current,
    write_part,
)
from twigma.core.tables import take_table
from twigma.core.workspace import AnyWorkspace, Workspace

REVISION = (
    1  # raise it when the same rows and model give other texts, embeddings or counts
)
KINDS = ("text", "all_captions", "group")  # posts, captions, prompts
MOST = 2000  # texts of a kind
BLOCK = 256  # texts encoded at once, between two steps of the progress bar
LINKS_AND_TAGS = re.compile(r"https?://\S+|www\.\S+|#\w+")

Encode = Callable[[Sequence[str]], Half]  # n texts to float16[n, dim], unit rows


def part_of(work: AnyWorkspace, kind: str) -> Path:
    """The part of the embedded texts of a kind."""
    return Workspace(work).part("texts", kind)


def embed_texts(
    work: AnyWorkspace,
    model: str = MODEL,
    pretrained: str | None = PRETRAINED,
    device: str | None = None,
    *,
    revision: str | None = None,
    most: int = MOST,
    seed: int = 0,
    embedding: str = DEFAULT,
) -> dict[str, int]:
    """Embed up to `most` random different texts of each kind that the folder has, unless that is done.

    Kinds are the columns text (posts, without links and hashtags), all_captions and group (the prompts of a reference
    set). Each gets a part `columns/texts/KIND.arrow`: id, image_name (of the first image with that text), embedding
    (float16[dim], L2 norm 1), words, tokens.

    Returns
    -------
    Texts embedded now, by kind; 0 where there was nothing to do. FileNotFoundError when the folder has no texts,
    ValueError when its images were embedded by another model, under the name `embedding`.
    """
    work = Workspace(work)
    work.require()  # before the Hub is asked for a model
    chosen = find_model(model, pretrained, revision, work)
    _require_same_model(work, chosen.provenance(), embedding)
    texts = {kind: _distinct(table, kind) for kind, table in _tables(work).items()}
    if not any(map(len, texts.values())):
        raise FileNotFoundError(
            f"no texts in {work}: posts come with `twigma rehydrate`, captions with `twigma caption`, prompts with "
            "`twigma add --group KEY`"
        )

    @cache
    def load() -> Encode:  # only where a part is missing
        encoder = load_encoder(model, pretrained, device, revision=revision, work=work)
        return encoder.encode_text

    counts = {}
    with work.lock_stage("texts"):
        for kind, table in texts.items():
            order = np.random.default_rng(seed).permutation(len(table))
            sample = take_table(table, pa.array(np.sort(order[:most])))
            counts[kind] = _embed_kind(work, kind, sample, chosen, load)
    return counts


def _embed_kind(
    work: Workspace,
    kind: str,
    sample: pa.Table,
    model: Model,
    load: Callable[[], Encode],
) -> int:
    """Embed the texts of one kind unless that is done; how many now."""
    provenance = model.provenance()
    provenance["code_revision"] = REVISION
    provenance["texts"] = fingerprint(sample.to_pylist())
    path = part_of(work, kind)
    if not len(sample) or part_is_current(path, provenance):
        return 0
    announce_recreated(f"texts {kind}", [(path, provenance)])
    part = _embedded(sample, load(), token_counter(model), kind)
    write_part(path, part, provenance)
    return len(sample)


def without_links(text: str) -> str:
    """A post's text without links and hashtags, `&amp;` and its like undone, white space single.

    >>> without_links("New &amp; old https://t.co/x  #aiart")
    'New & old'
    """
    return " ".join(LINKS_AND_TAGS.sub(" ", html.unescape(text)).split())


def token_counter(model: Model) -> Callable[[str], int]:
    """Tokens of a text as the model counts them, its marks of start and end included, nothing cut off."""
    tokenizer = load_tokenizer(model)
    if hasattr(tokenizer, "tokenizer"):  # of transformers
        return lambda text: len(tokenizer.tokenizer(text, verbose=False)["input_ids"])
    return lambda text: len(tokenizer.encode(text)) + 2


def encode_all(texts: Sequence[str], encode: Encode, name: str) -> Half:
    """float16[n, dim]: the texts encoded block by block, under a progress bar."""
    from twigma.core.progress import progress_bar

    starts = progress_bar(
        range(0, len(texts), BLOCK),
        desc=f"texts {name}",
        unit_scale=BLOCK,
        unit="text",
    )
    return np.concatenate([encode(texts[at : at + BLOCK]) for at in starts])


# ------------------------------------------------------------------ parts


def _require_same_model(work: Workspace, ours: Provenance, embedding: str) -> None:
    """ValueError when the embeddings of that name are by another model, as far as both state it."""
    images = work.embedding_model(embedding)
    key = differing(images, ours) if images else None
    if key is not None:
        raise ValueError(
            f"the images of {work} were embedded by {images['model']} ({key} {images[key]}), the texts would be by "
            f"{ours['model']} ({key} {dict(ours)[key]}): name the images' model with --model, "
            "or other embeddings with --embedding"
        )


def _tables(work: Workspace) -> dict[str, pa.Table]:
    """The rows that may have a text of each kind: id, image_name and the column of the kind."""
    images = work.table("caption") if work.has("caption") else work.table()
    if "id" not in images.column_names:
        images = columns.add(images, id=images["image_name"])
    kinds = [kind for kind in KINDS if kind in images.column_names]
    return {kind: images.select([*columns.KEY, kind]) for kind in kinds}


def _distinct(table: pa.Table, kind: str) -> pa.Table:
    """id, image_name and text of the first row with each text that is not empty."""
    first: dict[str, int] = {}
    for row, text in enumerate(table[kind].to_pylist()):
        cleaned = _cleaned(text, kind)
        if cleaned:
            first.setdefault(cleaned, row)
    # In the order of the rows, which is that in which the texts came up.
    rows = table.select(list(columns.KEY)).take(
        pa.array(list(first.values()), pa.int64())
    )
    return rows.append_column("text", pa.array(list(first), pa.string()))


def _cleaned(text: str | None, kind: str) -> str:
    if text is None:
        return ""
    return without_links(text) if kind == "text" else " ".join(text.split())


def _embedded(
    sample: pa.Table, encode: Encode, count_tokens: Callable[[str], int], kind: str
) -> pa.Table:
    """The part of these texts: the key, embedding, words and tokens."""
    texts = sample["text"].to_pylist()
    rows = encode_all(texts, encode, kind)
    words = pc.list_value_length(pc.utf8_split_whitespace(sample["text"]))
    tokens = [count_tokens(text) for text in texts]
    part = sample.drop_columns(["text"])
    part = part.append_column("embedding", as_column(rows, np.zeros(len(rows), bool)))
    part = part.append_column("words", words.cast(pa.int32()))
    part = part.append_column("tokens", pa.array(tokens, pa.int32()))
    return part.combine_chunks()
