"""Images of a release by what they show: `twigma search "a castle at night"`, or by a picture with `--image`.

Every image is compared, exactly: its embedding with that of the words, or of the picture, by the same model. Words and
pictures lie apart in CLIP's space, so similarities of words are low throughout (about 0.2 to 0.35) and only their order
means something.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from twigma import open_images
from twigma.analysis.explorer.results_page import (
    Searched,
    refuse_other_results,
    write_results,
)
from twigma.builder.engine.vectors import as_matrix
from twigma.builder.release.identity import identity_of_release
from twigma.core import columns
from twigma.core.model_identity import describe, differing
from twigma.core.names import DEFAULT, named_column
from twigma.core.safety import spreadsheet
from twigma.dataset.opened_release import Release, open_release
from twigma.dataset.release_folder import AnyPath, embedded_by

if TYPE_CHECKING:
    from PIL.Image import Image

    from twigma.builder.models.clip_names import Model

TABLE_STARTS = (
    b"similarity,",
    b'"similarity",',
)  # of this version, and of earlier ones
BLOCK = 4_096  # rows that are multiplied at once
SHOWN = (
    "id",
    "image_name",
    "created_at",
    "like_count",
    "nsfw_score",
    "possibly_sensitive",
    columns.LABELS,
    "all_captions",
)


def search(
    release: AnyPath | None = None,
    text: str | None = None,
    *,
    image: AnyPath | None = None,
    most: int = 20,
    model: str | None = None,
    pretrained: str | None = None,
    revision: str | None = None,
    device: str | None = None,
    embedding: str = DEFAULT,
    out: AnyPath | None = None,
    html: AnyPath | None = None,
    work: AnyPath | None = None,
) -> pa.Table:
    """The images of a release that are most similar to words or to a picture.

    Parameters
    ----------
    release : release folder with embeddings, as for `open_release`.
    text, image : what is looked for, one of the two.
    most : images to return.
    model, pretrained, revision : the CLIP that made the embeddings. None: the one that the release names.
    embedding : name of the embeddings that are compared.
    out : also write the table there, as CSV, which other commands take as a selection.
    html : also write a page of the results there; `work` is a working folder with the pictures for it.

    Returns
    -------
    Table of `most` rows: similarity (float32, cosine, falling), then what the release has of id, image_name,
    created_at, like_count, nsfw_score, possibly_sensitive, its clusters and all_captions.

    Raises
    ------
    ValueError unless exactly one of text and image is given, when `out` or `html` is a file of something else, when the
    image cannot be read, when the model is not the one that made the embeddings, or has no text half; FileNotFoundError
    when the release has none.
    """
    if (text is None) == (image is None):
        raise ValueError("search: expected words or --image FILE, one of the two")
    if text is not None and not text.strip():
        raise ValueError("search: expected words, found none")
    if work is not None and html is None:
        raise ValueError("search: --work has the pictures of a page: add --html FILE")
    if html is not None:
        refuse_other_results(Path(html))
    if out is not None:
        refuse_other_tables(Path(out))
    opened = open_release(release)
    embeddings = opened.embeddings_of(embedding)
    theirs = embedded_by(opened.folder, embedding)
    chosen = model_of(opened.folder, theirs, model, pretrained, revision)
    query = _query(chosen, text, image, device)
    column = embeddings[named_column("embedding", embedding)]
    similarity, rows = closest(column, query, most)
    found = opened.metadata.take(pa.array(rows))
    shown = columns.present(SHOWN, found.column_names)
    shown = [name for name in shown if name in found.column_names]
    table = found.select(shown).add_column(0, "similarity", pa.array(similarity))
    if out is not None:
        spreadsheet.write_table(Path(out), table)
    if html is not None:
        missing = column.null_count
        about = Searched(
            text=text or "",
            image="" if image is None else Path(image).name,
            title=title_of(opened),
            version=str(opened.manifest.get("version", "")),
            model=chosen.name,
            compared=len(column) - missing,
            left_out=missing,
        )
        images = None if work is None else open_images(work)
        write_results(Path(html), table, about, images)
    return table


def refuse_other_tables(path: Path) -> None:
    """ValueError where `path` is something that is not the table of a search."""
    if not os.path.lexists(path):
        return
    start = b""
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(len(TABLE_STARTS[1]))
    if not start.startswith(TABLE_STARTS):
        raise ValueError(
            f"{path} exists and is no table that `twigma search` wrote: it is left as it is; name another file, such "
            "as found.csv"
        )


def title_of(release: Release) -> str:
    """What a release is called; not every one says so."""
    try:
        return identity_of_release(release.folder).title
    except ValueError:
        return release.folder.name


def closest(
    embeddings: pa.ChunkedArray, query: NDArray[np.float32], most: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The rows most similar to one unit vector, by comparing all of them.

    Parameters
    ----------
    embeddings : n unit vectors of d numbers, nulls allowed. query : float32[d].

    Returns
    -------
    (similarity, row) : float32 and int64, falling; equal similarities in the order of rows. ValueError when the
    vectors have another length than the query.
    """
    import torch

    width = embeddings.type.list_size
    if width != len(query):
        raise ValueError(
            f"search: expected embeddings of {len(query)} numbers, as the model gives, found {width}"
        )
    similarities = np.full(len(embeddings), -np.inf, np.float32)
    # float32 of one block, used again for each: new memory for all of them would take most of the time.
    widened = torch.empty(BLOCK, width)
    wanted = torch.tensor(query)
    at = 0
    for block in _blocks(embeddings):
        known = block.is_valid().to_numpy(zero_copy_only=False)
        rows = torch.tensor(as_matrix(block.drop_null()))
        block_rows = widened[: len(rows)].copy_(rows)
        similarities[at : at + len(block)][known] = (block_rows @ wanted).numpy()
        at += len(block)
    known_rows = int(np.isfinite(similarities).sum())
    order = np.argsort(-similarities, kind="stable")[: min(most, known_rows)]
    return similarities[order], order


def _blocks(embeddings: pa.ChunkedArray) -> Iterator[pa.Array]:
    for chunk in embeddings.chunks:
        for start in range(0, len(chunk), BLOCK):
            yield chunk.slice(start, BLOCK)


def model_of(
    folder: Path,
    theirs: dict[str, Any],
    model: str | None,
    pretrained: str | None,
    revision: str | None,
) -> "Model":
    """The model that embeds what is looked for; ValueError where it is not `theirs`, the one of the images."""
    from twigma.builder.models.clip_names import find_model

    if model is None:
        if "model" not in theirs:
            raise ValueError(
                f"{folder} does not say which model made its embeddings: name it with --model"
            )
        model, pretrained, revision = _recorded(theirs)
    try:
        chosen = find_model(model, pretrained, revision)
    except ValueError as error:
        raise ValueError(
            f"{model} cannot be searched with: expected a CLIP, which has one half for images and one for texts, found "
            f"another model, or one without a text half ({error}); name the one that made the embeddings with --model"
        ) from None
    key = differing(theirs, chosen.provenance())
    if key is not None:
        raise ValueError(
            f"the images of {folder} were embedded by {describe(theirs, key)}, not by "
            f"{describe(chosen.provenance(), key)}: name their model with --model"
        )
    return chosen


def _recorded(theirs: dict[str, Any]) -> tuple[str, str | None, str | None]:
    """The model that a release names, as `find_model` takes it."""
    name, revision = str(theirs["model"]), theirs.get("revision")
    if "repo" in theirs and theirs["repo"] == name:
        return f"hf-hub:{name}", None, revision
    if "sha256" in theirs and revision is None:
        raise ValueError(
            f"the images were embedded by {name}, a model folder of which only the hash is known: name the folder "
            "with --model"
        )
    architecture, _, weights = name.partition("/")
    return architecture, weights or None, revision


def _query(
    model: "Model", text: str | None, image: AnyPath | None, device: str | None
) -> NDArray[np.float32]:
    """What is looked for as a unit vector, float32[d]."""
    from twigma.builder.stages.clip_encoder import choose_placement, load_on

    pictures = [] if image is None else [_read_picture(Path(image))]
    texts = [] if text is None else [text]
    encoder = load_on(model, *choose_placement(device, None))
    rows = [*encoder.encode_text(texts), *encoder.encode(pictures)]
    return np.asarray(rows[0], np.float32)


def _read_picture(path: Path) -> "Image":
    """A picture that a user named, upright, in any format that `twigma add` takes; ValueError where it is none."""
    from twigma.rehydrate.images.decode import open_upright
    from twigma.rehydrate.sources.pictures.convert import stored_form

    content = path.read_bytes()
    try:
        return open_upright(stored_form(content)[0])
    except ValueError as error:
        raise ValueError(f"--image {path}: {error}") from None
