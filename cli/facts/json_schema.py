"""JSON Schema of the facts, made from their types: TypedDicts whose fields may be `Annotated` with their meaning."""

import types
from typing import (
    Annotated,
    Any,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from twigma.cli.facts.output import VERSION
from twigma.cli.facts.schemas import SCHEMAS

Schema = dict[str, Any]
PLAIN: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    types.NoneType: "null",
}


def document_schema(name: str) -> Schema:
    """The JSON Schema (2020-12) of the document called `name`: its facts, and the field `schema`."""
    schema = schema_of(SCHEMAS[name])
    schema["properties"]["schema"] = {"const": f"twigma.{name}/{VERSION}"}
    schema["required"].append("schema")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_of(kind: Any) -> Schema:
    """The schema of one type; TypeError for one that JSON cannot hold.

    >>> schema_of(Annotated[list[int] | None, "of images"])
    {'anyOf': [{'type': 'array', 'items': {'type': 'integer'}}, {'type': 'null'}], 'description': 'of images'}
    """
    if kind in PLAIN:
        return {"type": PLAIN[kind]}
    if is_typeddict(kind):
        return _object(kind)
    return _generic(get_origin(kind), get_args(kind))


def _generic(origin: Any, arguments: tuple[Any, ...]) -> Schema:
    """The schema of a type with arguments."""
    if origin is Annotated:
        return schema_of(arguments[0]) | {"description": arguments[1]}
    if origin is NotRequired:
        return schema_of(arguments[0])
    if origin in (types.UnionType, Union):
        return {"anyOf": [schema_of(each) for each in arguments]}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict and arguments[0] is str:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    raise TypeError(f"expected a type of JSON, found {origin} of {arguments}")


def _object(kind: Any) -> Schema:
    """A TypedDict: exactly its fields."""
    properties = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        properties[name] = schema_of(hint)
    return {
        "type": "object",
        "title": kind.__name__,
        "properties": properties,
        "required": sorted(kind.__required_keys__),
        "additionalProperties": False,
    }
