"""The DATASHEET.md of a release: motivation, composition, collection, uses and maintenance."""

import string
from pathlib import Path

from twigma.builder.release.card import limits, markdown, wording
from twigma.builder.release.card.facts import Facts


def datasheet(facts: Facts) -> str:
    """The questions of Gebru et al. (2021), answered from the release."""
    template = string.Template(
        Path(__file__).with_name("datasheet.md").read_text("utf-8")
    )
    months = list(facts.months)
    span = "No row has a date."
    if months:
        span = f"{facts.counted.capitalize()} are from {months[0]} to {months[-1]}."
    near = ""
    if facts.near_duplicates == "drop":
        near = ", and nearly equal ones by their embedding"
    identity = facts.identity
    return template.substitute(
        title=identity.title,
        version=facts.version,
        description=identity.description or "Its makers have not said.",
        by=f"{identity.by}." if identity.by else "Its makers have not said.",
        method=wording.METHOD,
        unit="One image on one post" if facts.on_posts else "One image",
        summary=wording.summary(facts),
        completeness=_completeness(facts),
        row_counts=markdown.row_counts(facts),
        sensitive=limits.sensitive(facts),
        errors="\n".join(f"- {text}" for text in limits.limits(facts)),
        outside=_outside(facts),
        upsetting=_upsetting(facts),
        synthetic=limits.synthetic(facts),
        collection=wording.collection(facts),
        months_span=span,
        consent=_consent(facts),
        near=near,
        models=markdown.models(facts.models),
        origins=markdown.origins(facts),
        uses=" ".join(limits.uses(facts)),
        not_for=limits.not_for(facts),
        rights=wording.rights(facts),
        contact=wording.contact(identity),
        history=markdown.history(facts.history),
    )


def _completeness(facts: Facts) -> str:
    if facts.found == facts.rows:
        return "It holds every image that was found:"
    return "No. Rows were left out:"


def _outside(facts: Facts) -> str:
    if facts.on_posts:
        return "The posts and images live on the platform and vanish from there."
    return "The images themselves, which are not part of it."


def _upsetting(facts: Facts) -> str:
    if not facts.is_sensitive:
        return "Nothing in it is marked or scored as sensitive, which is no proof."
    return (
        "Some images may show nudity or violence; `nsfw_score` and `possibly_sensitive` help to leave them out, and "
        "neither is safe to rely on alone."
    )


def _consent(facts: Facts) -> str:
    if facts.on_posts:
        return "No. The posts were public. Everyone can have a post or an image taken out, without giving a reason."
    return (
        "Ask its makers. Everyone can have an image taken out, without giving a reason."
    )
