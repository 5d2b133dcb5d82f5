"""The methods section of a paper, from what was run: data, models, settings, versions, and how each figure is made.

Nothing in it is written by hand: what is not recorded is said to be not recorded.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twigma.analysis.page.formatting import (
    clean,
    listed,
    number,
    plural,
)
from twigma.analysis.page.section import Section
from twigma.analysis.publication.captions import Published, sentence

NOT_RECORDED = "not recorded in these results"
LONGEST = 600  # characters of a text of strangers
# What a stage of `twigma` makes, as it reads in a sentence.
STAGES = {
    "embed": "Embeddings",
    "caption": "Captions",
    "nsfw": "NSFW scores",
    "cluster": "Clusters and map",
    "dedupe": "Near duplicates",
}
# Keys of a model's record that name it, in this order.
NAMES = ("model", "pretrained", "revision", "weights")


def methods_text(
    content: Mapping[str, Any],
    sections: Sequence[tuple[Section, Published | None]],
    doi: str = "",
) -> str:
    """The methods as Markdown.

    Parameters
    ----------
    content : what results.json holds.
    sections : of the report, in order, each with its chart where it has one.
    doi : of the dataset, where it is published.
    """
    made_from = content["made_from"]
    parts = [
        "# Methods",
        f"**Data.** {_data(content['data'], doi)}",
        f"**Reference sets.** {_references(content['data']['references'])}",
        f"**Models.** {_models(content['data'])}",
        f"**Software.** {_versions(made_from['versions'])}",
        f"**Settings.** {_settings(made_from)}",
        "**Analyses.**",
        "\n".join(_analyses(sections)),
    ]
    if content["skipped"]:
        skipped = listed(entry["figure"] for entry in content["skipped"])
        parts.append(f"**Not run.** {skipped}; the report says what each needs.")
    parts += ["**Files read, with their SHA-256.**", "\n".join(_files(made_from))]
    return "\n\n".join(parts) + "\n"


# ------------------------------------------------------------------ data


def _data(data: Mapping[str, Any], doi: str) -> str:
    """What was analysed: title, version, counts, period, embeddings."""
    identity = data.get("identity")
    title = "A dataset without a name"
    if identity is not None:
        title = clean(identity["title"], LONGEST)
    release = data.get("release") or {}
    if release.get("version"):
        title += f", version {clean(release['version'])}"
    if doi:
        title += f" (doi:{clean(doi)})"
    sentences = [f"{title}: {_counts(data)}.", _embeddings(data)]
    if release.get("inputs"):
        made = clean(release["inputs"])
        sentences.append(f"The release was made from inputs with the hash {made}.")
    return " ".join(sentences)


def _counts(data: Mapping[str, Any]) -> str:
    counted = f"{plural(data['images'], 'image')}"
    if "chosen_of" in data:
        counted += f", chosen of {number(data['chosen_of'])},"
    if data["posts"]:
        counted += f" on {plural(data['posts'], 'post')}"
    authors = data.get("authors")
    if authors:
        counted += f" by {plural(authors, 'author')}{_without_author(data)}"
    else:
        counted += " (number of authors not known)"
    if data["first"]:
        counted += f", posted from {data['first'][:10]} to {data['last'][:10]} (UTC)"
    return counted


def _without_author(data: Mapping[str, Any]) -> str:
    """How many images have no author, and what intervals take them as."""
    alone = data.get("without_author")
    if not alone:
        return ""
    have = "has" if alone == 1 else "have"
    return f" ({plural(alone, 'image')} {have} none, which intervals take as each by another author)"


def _embeddings(data: Mapping[str, Any]) -> str:
    about = data["embeddings"]
    if not about["n"]:
        return "No image has an embedding."
    numbers = f"{about['dim']} numbers ({about['dtype']})"
    have = "has" if about["n"] == 1 else "have"
    return f"{plural(about['n'], 'image')} {have} an embedding of {numbers}."


def _references(sets: Mapping[str, Mapping[str, Any]]) -> str:
    """Size, origin and licence of each reference set."""
    if not sets:
        return "None."
    described = []
    for name, about in sets.items():
        text = f"{clean(name)}: {plural(about['n'], 'image')}"
        if about.get("origin"):
            text += f" from {listed(about['origin'])}"
        if about.get("licence"):
            text += f", licence {clean(about['licence'])}"
        for source, revision in (about.get("revisions") or {}).items():
            text += f", {clean(source)} at revision {clean(revision)}"
        described.append(clean(text, LONGEST))
    return "; ".join(described) + "."


def _models(data: Mapping[str, Any]) -> str:
    """Which model made each column, by which revision, as far as the release states it."""
    models = (data.get("release") or {}).get("models") or {}
    described = []
    for stage, record in models.items():
        kind, _, name = stage.partition("-")
        what = STAGES.get(kind, kind)
        if name:
            what += f" {clean(name)}"
        described.append(f"{what}: {_record(record)}")
    if not described:
        return f"{NOT_RECORDED.capitalize()}."
    return "; ".join(described) + "."


def _record(record: Mapping[str, Any]) -> str:
    """One model by name and revision first, then every other setting that is recorded."""
    names = [name for name in NAMES if name in record]
    others = sorted(name for name in record if name not in NAMES)
    settings = [f"{name} {_value(record[name])}" for name in (*names, *others)]
    return ", ".join(settings) or NOT_RECORDED


def _value(value: Any) -> str:
    if value is None or value == "":
        return "none"
    return clean(value, LONGEST)


# ------------------------------------------------------------------ software and settings


def _versions(versions: Mapping[str, str]) -> str:
    ours = clean(versions.get("twigma", NOT_RECORDED))
    others = []
    for name in sorted(versions):
        if name != "twigma":
            others.append(f"{clean(name)} {clean(versions[name])}")
    return f"twigma {ours} with {listed(others)}."


def _settings(made_from: Mapping[str, Any]) -> str:
    """The seed and every other setting, the revision of the analyses and the hash of all that they read."""
    settings = made_from["settings"]
    others = []
    for name in sorted(settings):
        if name != "seed":
            others.append(f"{clean(name)} = {_value(settings[name])}")
    return (
        f"Every draw has the seed {settings['seed']}; {', '.join(others)}. Revision {made_from['analysis']} of the "
        f"analyses; the SHA-256 of all files read, together, is {clean(made_from['sha256'])}."
    )


def _files(made_from: Mapping[str, Any]) -> list[str]:
    files = made_from.get("files") or {}
    return [f"- `{clean(name)}` {clean(files[name])}" for name in sorted(files)]


# ------------------------------------------------------------------ figures


def _analyses(sections: Iterable[tuple[Section, Published | None]]) -> list[str]:
    """A line for each section: our figure, the paper's, what was estimated from how many, and how it differs."""
    lines = []
    for section, published in sections:
        ours = ""
        if published is not None:
            ours = f", our {published.label}"
        place = f"{clean(section.figure)}{ours}"
        parts = [f"- {clean(section.title)} (the paper's {place}):"]
        if not section.figure.startswith(("Fig", "Eq")):
            parts = [f"- {clean(section.title)} ({place}):"]
        parts += [sentence(section.basis), sentence(section.differs)]
        lines.append(" ".join(part for part in parts if part))
    return lines
