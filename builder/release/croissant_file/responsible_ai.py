"""What the Croissant file states for responsible use: the RAI properties that reviewers ask for, and provenance.

The names are those of Croissant RAI and of PROV (`prov:`); the texts are those of the card, and every number in them is
counted from the release.
"""

from typing import Any

import twigma
from twigma.builder.release.card import limits, wording
from twigma.builder.release.card.facts import Facts
from twigma.builder.release.column_origins import Origin, license_url

PAPER = "https://arxiv.org/abs/2306.08310"


def responsible_ai(facts: Facts) -> dict[str, Any]:
    """The RAI properties of a dataset, and where it comes from."""
    left_out = [f"{reason}: {count:,}" for reason, count in facts.dropped.items()]
    missing = "No row was left out."
    if left_out:
        missing = f"Left out of {facts.found:,} rows: {'; '.join(left_out)}."
    impact = (
        "Lets others study which images people make and share, and repeat the study."
    )
    if facts.on_posts:
        impact += (
            " Ids lead to posts of people, who may be found and judged by them: no ids of users, names or texts are "
            "released, and removals are honoured."
        )
    values: dict[str, Any] = {
        "rai:dataCollection": f"{wording.summary(facts)} {wording.collection(facts)}",
        "rai:dataCollectionMissingData": missing,
        "rai:dataBiases": [f"{head}: {text}" for head, text in limits.biases(facts)],
        "rai:dataLimitations": [f"{head}: {text}" for head, text in limits.gaps(facts)],
        "rai:dataUseCases": [
            *limits.uses(facts),
            f"Not for {limits.not_for(facts)}.",
        ],
        "rai:dataSocialImpact": impact,
        "rai:personalSensitiveInformation": limits.sensitive(facts),
        "rai:hasSyntheticData": limits.has_synthetic(facts),
        "rai:dataReleaseMaintenancePlan": (
            "What is taken out on request is missing from the next version. For questions and removals, "
            f"{wording.contact(facts.identity)}."
        ),
        "rai:machineAnnotationTools": [
            f"{origin.model} ({origin.version})" if origin.version else origin.model
            for origin in facts.origins
            if origin.model
        ],
        "prov:wasDerivedFrom": derived_from(facts),
        "prov:wasGeneratedBy": activities(facts),
    }
    if facts.days:
        values["rai:dataCollectionTimeFrame"] = list(facts.days)
    return {name: value for name, value in values.items() if value != []}


def derived_from(facts: Facts) -> list[dict[str, Any]]:
    """The sources of the images, each with its number of them."""
    sources = []
    for name, count in facts.images_by_source.items():
        label = {"x": "Posts on X", "local": "Files of the makers"}.get(name, name)
        description = f"{count:,} images."
        if name != "local" and facts.identity.source:
            description += f" {facts.identity.source}"
        sources.append(
            {"@type": "prov:Entity", "prov:label": label, "description": description}
        )
    return sources


def activities(facts: Facts) -> list[dict[str, Any]]:
    """What was done, in order: collection, the stages, and the selection of rows."""
    made = f"twigma {twigma.__version__}"
    steps = [("Collection", wording.collection(facts))]
    for origin in facts.origins:
        names = ", ".join(origin.columns)
        steps.append((f"Annotation ({origin.stage})", f"{names}: {origin.code}."))
    near = facts.near_duplicates
    rules = f"Near duplicates: {near}."
    if facts.nsfw_threshold is not None:
        rules += f" Left out above an nsfw_score of {facts.nsfw_threshold:g}."
    steps.append(
        ("Selection", f"{facts.rows:,} of {facts.found:,} rows, by {made}. {rules}")
    )
    return [
        {"@type": "prov:Activity", "prov:label": label, "description": text}
        for label, text in steps
    ]


def field_provenance(origin: Origin) -> dict[str, Any]:
    """Provenance of a derived column: the code that made it, the model with its weights, and the model's licence."""
    values: dict[str, Any] = {
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": f"twigma {origin.stage}",
            "description": origin.code.replace("`", ""),
        }
    }
    if origin.licenses:
        urls = [license_url(name) or name for name in origin.licenses]
        values["license"] = urls[0] if len(urls) == 1 else urls
    if origin.model:
        values["prov:wasAttributedTo"] = {
            "@type": "prov:SoftwareAgent",
            "prov:label": origin.model,
            "softwareVersion": origin.version,
        }
    return values
