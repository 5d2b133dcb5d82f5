"""The YAML at the head of a card: what the Hub and `datasets` read."""

from typing import Any

import yaml

from twigma.builder.release.card import wording
from twigma.builder.release.card.facts import Facts
from twigma.builder.release.column_origins import license_url
from twigma.builder.release.identity import Identity
from twigma.core import columns
from twigma.dataset.tables.table_files import table_pattern

# Licences by the names the Hub has for them; it takes any other as `other` with name and link.
HUB_LICENSES = {
    name.lower()
    for name in (
        "Apache-2.0",
        "BSD-3-Clause",
        "CC-BY-3.0",
        "CC-BY-4.0",
        "CC-BY-NC-4.0",
        "CC-BY-NC-ND-4.0",
        "CC-BY-NC-SA-4.0",
        "CC-BY-ND-4.0",
        "CC-BY-SA-3.0",
        "CC-BY-SA-4.0",
        "CC0-1.0",
        "CDLA-Permissive-2.0",
        "CDLA-Sharing-1.0",
        "etalab-2.0",
        "MIT",
    )
}
HUB_NAMES = {"odbl-1.0": "odbl", "odc-by-1.0": "odc-by", "pddl-1.0": "pddl"}


def header(facts: Facts) -> str:
    """The header. Features only: row counts break `filters`.

    `datasets` names the cache of a local folder after this header alone, so each configuration is described by its
    content: otherwise a second release would be answered from the cache of the first.
    """
    configs: list[dict[str, Any]] = []
    infos: list[dict[str, Any]] = []
    for name, names in facts.configs.items():
        configs.append(
            {
                "config_name": name,
                "description": f"version {facts.version}, content {facts.content[:16]}",
                "data_files": [{"split": "train", "path": table_pattern(name)}],
            }
        )
        features = [_feature(column, name, facts) for column in names]
        infos.append({"config_name": name, "features": features})
    configs[0]["default"] = True
    values: dict[str, Any] = {
        "pretty_name": facts.identity.title,
        **license_values(facts.identity),
    }
    if facts.has("all_captions"):
        values["language"] = ["en"]
    if facts.origins:
        values["annotations_creators"] = ["machine-generated"]
    values["source_datasets"] = ["original"]
    if facts.embeddings:
        values["task_categories"] = ["image-feature-extraction"]
    values["tags"] = tags(facts)
    values["size_categories"] = [size_category(facts.rows)]
    values["configs"] = configs
    values["dataset_info"] = infos
    values["extra_gated_prompt"] = wording.gate(facts)
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110))


def tags(facts: Facts) -> list[str]:
    """The keywords of the dataset, and what its rows say of it."""
    listed = list(facts.identity.keywords)
    if facts.identity.ai_generated:
        listed.append("ai-generated-images")
    if facts.on_posts:
        listed.append("social-media")
    if facts.is_sensitive:
        listed.append("not-for-all-audiences")
    listed.append("croissant")
    return list(dict.fromkeys(listed))


def license_values(identity: Identity) -> dict[str, str]:
    """The licence of a dataset as the Hub's headers state it."""
    name = identity.license
    if not name:
        return {"license": "unknown"}
    short = HUB_NAMES.get(name.lower(), name.lower())
    if short in HUB_LICENSES or short in HUB_NAMES.values():
        return {"license": short}
    values = {"license": "other", "license_name": name.lower().replace(" ", "-")}
    url = license_url(name)
    if url:
        values["license_link"] = url
    return values


def _feature(name: str, config: str, facts: Facts) -> dict[str, Any]:
    if name == "embedding":
        length = facts.dimensions[config]
        return {"name": name, "list": facts.embedding_type, "length": length}
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
