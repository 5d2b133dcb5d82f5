"""Which model, under which licence, and which code made each derived column; for the card and the Croissant file."""

from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa

import twigma
from twigma.builder.models.model_licences import detector_license, license_of
from twigma.builder.release.identity.checks import spdx
from twigma.builder.release.provenance import base_name
from twigma.core import columns
from twigma.core.names import captions_of_names, command_of, split_name, with_name
from twigma.core.parts import embedding_stage, read_part, read_provenance
from twigma.core.workspace import Workspace

SPDX_PAGE = "https://spdx.org/licenses/"
# The columns that a stage adds to a release.
COLUMNS = {
    "embed": ("embedding",),
    "caption": ("all_captions",),
    "nsfw": ("nsfw_score",),
    "cluster": (columns.LABELS, "UMAP_dim_1", "UMAP_dim_2"),
}


@dataclass(frozen=True)
class Origin:
    """What made the columns of a stage; `model` and `version` are empty where no model did.

    `version` is the commit, hash or seed of the model's weights; `licenses` are of the models that the values come
    from, the embedding's among them: SPDX identifiers where they are known, else the words of the models' makers.
    """

    stage: str
    columns: tuple[str, ...]
    config: str  # of the release, in which they are
    model: str
    version: str
    licenses: tuple[str, ...]
    code: str


def column_origins(work: Workspace, stages: Collection[str]) -> list[Origin]:
    """The origin of the columns of each stage that is released, in the order of COLUMNS."""
    embedded: dict[str, str] = {}  # licences by stage
    origins = []
    for stage in work.with_named(COLUMNS):
        if stage not in stages:
            continue
        base, name = split_name(stage)
        part = work.part_files(stage)[0]
        provenance = read_provenance(part)
        licenses: list[str] = []
        if base in ("embed", "caption"):
            licenses.append(license_name(license_of(work, provenance)))
        if base == "embed":
            embedded[stage] = licenses[0]
        elif stage == "nsfw" and "detector" in provenance:
            licenses.append(license_name(detector_license(provenance["detector"])))
        # Scores, clusters and the map are computed from the embedding.
        source = embedding_stage(provenance)
        if stage in ("nsfw", "cluster") and source in embedded:
            licenses.append(embedded[source])
        origin = Origin(
            stage=stage,
            columns=_columns(base, read_part(part), name),
            config=with_name("embeddings", name) if base == "embed" else "metadata",
            model=str(base_name(provenance.get("model", ""))),
            version=_version(provenance),
            licenses=tuple(dict.fromkeys(licenses)),
            code=_code(command_of(stage), provenance.get("code_revision")),
        )
        origins.append(origin)
    return origins


def _version(provenance: dict[str, object]) -> str:
    """What tells the weights from others of the same name."""
    for key in ("revision", "detector", "sha256", "seed"):
        if key in provenance:
            return f"{key} {provenance[key]}"
    return ""


def _columns(base: str, part: pa.Table, name: str) -> tuple[str, ...]:
    """The columns of a part as a release calls them; embeddings are in a configuration of their own."""
    if base != "embed":
        part = columns.named(part, name)
    called = part.column_names
    captions = captions_of_names(called)
    if captions:
        return tuple(captions)
    return tuple(columns.present(COLUMNS[base], called))


def _code(command: str, revision: object) -> str:
    text = f"twigma {twigma.__version__}, `{command}`"
    return text if revision is None else f"{text} revision {revision}"


def license_name(stated: str) -> str:
    """The SPDX identifier of a licence as a model's page spells it; the words themselves where it is none.

    >>> license_name("bsd-3-clause"), license_name("llama3 (gated)")
    ('BSD-3-Clause', 'llama3 (gated)')
    """
    try:
        return spdx(stated)
    except ValueError:
        return stated


def license_url(name: str) -> str:
    """The page of an SPDX licence; "" for an expression of several and for anything else.

    >>> license_url("CC-BY-4.0"), license_url("MIT OR Apache-2.0")
    ('https://spdx.org/licenses/CC-BY-4.0.html', '')
    """
    try:
        known = spdx(name)
    except ValueError:
        return ""
    if " " in known or known.startswith("LicenseRef-"):
        return ""
    return f"{SPDX_PAGE}{known}.html"
