"""What MongoDB itself checks on every write, whoever writes: a model's JSON schema in MongoDB's words."""

from typing import Any

from pydantic import BaseModel

_TYPES = {
    "string": ["string"],
    "boolean": ["bool"],
    "integer": ["int", "long"],
    "number": ["double", "int"],
    "array": ["array"],
    "object": ["object"],
    "null": ["null"],
}
# MongoDB has draft 4, where an exclusive bound is a flag beside the bound.
_BOUNDS = {"minimum": "minimum", "maximum": "maximum", "minLength": "minLength"}
_EXCLUSIVE = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def bson_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the `$jsonSchema` of a model.

    Fields that it does not name pass, and those with a default may be missing: while servers are upgraded one
    by one, an older one that starts last would otherwise make all that the newer ones write invalid.
    """
    schema = model.model_json_schema(by_alias=True)
    return _translate(schema, schema.get("$defs", {}))


def _translate(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return _translate(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return _united([_translate(option, definitions) for option in schema["anyOf"]])
    translated: dict[str, Any] = {"bsonType": _types(schema)}
    for theirs, ours in _BOUNDS.items():
        if theirs in schema:
            translated[ours] = schema[theirs]
    for theirs, ours in _EXCLUSIVE.items():
        if theirs in schema and translated["bsonType"] != _TYPES["integer"]:  # a long has its own upper end
            translated |= {ours: schema[theirs], theirs: True}
    if "items" in schema:
        translated["items"] = _translate(schema["items"], definitions)
    if "properties" in schema:
        properties = schema["properties"].items()
        translated["properties"] = {name: _translate(field, definitions) for name, field in properties}
        translated["required"] = [name for name, field in properties if "default" not in field]
    return translated


def _types(schema: dict[str, Any]) -> list[str]:
    return ["date"] if schema.get("format") == "date-time" else _TYPES[schema["type"]]


def _united(options: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns a schema of several types, whose other rules each belong to one of the types."""
    united: dict[str, Any] = {}
    for option in options:
        united |= option
    return united | {"bsonType": [name for option in options for name in option["bsonType"]]}
