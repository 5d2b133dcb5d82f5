"""The Croissant description of a release: its files with their SHA-256, and its columns; written by `twigma release`.

Croissant 1.1 (MLCommons) with its RAI properties, read by `mlcroissant` and by dataset search engines. No two files
share a base name: `mlcroissant` would take one for the other.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from twigma.builder.release.card import wording
from twigma.builder.release.card.facts import Facts
from twigma.builder.release.card.header import tags
from twigma.builder.release.column_origins import Origin, license_url
from twigma.builder.release.croissant_file.responsible_ai import (
    field_provenance,
    responsible_ai,
)
from twigma.builder.release.identity import Creator
from twigma.core import columns
from twigma.dataset.tables.table_files import select_tables, table_pattern

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(facts: Facts) -> dict[str, Any]:
    """The JSON-LD of a release: its identity, files, columns, responsible use and provenance.

    One record set for each configuration that has Parquet files, named like it.
    """
    files = facts.files
    distribution = []
    for name in facts.configs:
        names = select_tables(name, files)
        distribution += [_file(path, files[path]) for path in names]
    distribution += [_file_set(name) for name in facts.configs]
    record_sets = []
    for name, fields in facts.configs.items():
        origins: dict[str, Origin] = {}
        for origin in facts.origins:
            if origin.config == name:
                origins.update(dict.fromkeys(origin.columns, origin))
        record_sets.append(_record_set(name, fields, facts, origins))
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.1",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        **_identity(facts),
        **responsible_ai(facts),
        "distribution": distribution,
        "recordSet": record_sets,
    }


def _identity(facts: Facts) -> dict[str, Any]:
    """Name, creators, licence, … of the dataset."""
    identity = facts.identity
    description = f"{identity.description} {wording.summary(facts)}".strip()
    licence = license_url(identity.license) or identity.license
    values: dict[str, Any] = {
        "name": identity.title,
        "alternateName": identity.name,
        "description": description,
        "license": licence or "Not stated: ask the makers",
        "version": facts.version,
        "datePublished": facts.date.isoformat(),
        "citeAs": identity.cite(facts.version, facts.date),
        "creator": [_creator(creator) for creator in identity.creators],
        "keywords": tags(facts),
        "url": identity.url,
        "isLiveDataset": False,
    }
    if identity.contact:
        kind = "url" if "://" in identity.contact else "email"
        point = {"@type": "ContactPoint", kind: identity.contact}
        values["contactPoint"] = point
    return {name: value for name, value in values.items() if value not in ("", [])}


def _creator(creator: Creator) -> dict[str, Any]:
    kind = "sc:Organization" if creator.is_organization else "sc:Person"
    values: dict[str, Any] = {"@type": kind, "name": creator.full_name}
    if creator.orcid:
        values["url"] = f"https://orcid.org/{creator.orcid}"
    if creator.affiliation:
        values["affiliation"] = {
            "@type": "sc:Organization",
            "name": creator.affiliation,
        }
    return values


def _file(path: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "contentSize": f"{facts['bytes']} B",
        "encodingFormat": "application/x-parquet",
        "sha256": facts["sha256"],
    }


def _file_set(config: str) -> dict[str, Any]:
    """The files of one configuration, beside this description: what `mlcroissant` reads records from."""
    return {
        "@type": "cr:FileSet",
        "@id": f"{config}-files",
        "name": f"{config}-files",
        "encodingFormat": "application/x-parquet",
        "includes": table_pattern(config),
    }


def _record_set(
    config: str,
    fields: Sequence[str],
    facts: Facts,
    origins: Mapping[str, Origin],
) -> dict[str, Any]:
    record_set: dict[str, Any] = {
        "@type": "cr:RecordSet",
        "@id": config,
        "name": config,
        "key": {"@id": f"{config}/image_name"},
    }
    listed = []
    for name in fields:
        field = _field(config, columns.declared(name))
        if pa.types.is_fixed_size_list(columns.declared(name).type):
            # `repeated` is what readers of 1.0 know, and the reference reader of 1.1 still goes by.
            field["repeated"] = True
            field["isArray"] = True
            field["arrayShape"] = str(facts.dimensions[config])
        if name in origins:
            field.update(field_provenance(origins[name]))
        listed.append(field)
    record_set["field"] = listed
    return record_set


def _field(config: str, column: columns.Column) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{config}/{column.name}",
        "name": f"{config}/{column.name}",
        "description": f"{column.doc} ({column.unit})",
        "dataType": _data_type(column.type),
        "source": {
            "fileSet": {"@id": f"{config}-files"},
            "extract": {"column": column.name},
        },
    }


def _data_type(arrow: pa.DataType) -> str:
    if pa.types.is_timestamp(arrow):
        return "sc:DateTime"
    if pa.types.is_boolean(arrow):
        return "sc:Boolean"
    if pa.types.is_integer(arrow):
        return "sc:Integer"
    if pa.types.is_string(arrow):
        return "sc:Text"
    return "sc:Float"
