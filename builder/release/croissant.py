"""The Croissant description of a release: its files with their SHA-256, and its columns; written by `twigma release`.

Croissant 1.0 (MLCommons), read by `mlcroissant` and by dataset search engines. No two files share a base name:
`mlcroissant` would take one for the other.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from twigma.core import columns
from twigma.dataset.table_files import select_tables, table_pattern

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
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


def croissant(
    files: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """The JSON-LD of a release: `files` as in MANIFEST.json (path to bytes and sha256), `facts` its name, text, …

    One record set for each configuration that has Parquet files, named like it.
    """
    configs = {"metadata": columns.METADATA, "embeddings": ("image_name", "embedding")}
    present = {
        name: fields for name, fields in configs.items() if select_tables(name, files)
    }
    distribution = []
    for name in present:
        names = select_tables(name, files)
        distribution += [_file(path, files[path]) for path in names]
    distribution += [_file_set(name) for name in present]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        **facts,
        "distribution": distribution,
        "recordSet": [_record_set(name, fields) for name, fields in present.items()],
    }


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


def _record_set(config: str, fields: Sequence[str]) -> dict[str, Any]:
    record_set: dict[str, Any] = {
        "@type": "cr:RecordSet",
        "@id": config,
        "name": config,
    }
    record_set["field"] = [_field(config, columns.COLUMNS[name]) for name in fields]
    return record_set


def _field(config: str, column: columns.Column) -> dict[str, Any]:
    field: dict[str, Any] = {
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
    if pa.types.is_fixed_size_list(column.type):
        field["repeated"] = True
    return field


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
