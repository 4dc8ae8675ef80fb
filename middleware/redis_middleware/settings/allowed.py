"""What a settings model allows at some key, read from its JSON schema, for error messages.

The JSON schema has resolved what differs from model to model (aliases, unions, nested models,
constraints, types that are not pydantic's), so the messages and the schema for editors agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from redis_middleware.settings.origins import KeyPath
from redis_middleware.settings.problems import shown

__all__ = [
    "Schema",
    "choices_of",
    "description_of",
    "is_free_form",
    "is_secret",
    "keys_of",
    "schemas_at",
]

Schema = Mapping[str, Any]

_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "{} characters or more",
    "maxLength": "{} characters or fewer",
    "minItems": "{} items or more",
    "maxItems": "{} items or fewer",
}
_DEFINITION = "#/$defs/"
_UNIONS = ("anyOf", "oneOf", "allOf")
_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
}


def schemas_at(root: Schema, path: KeyPath) -> list[Schema]:
    """Return the alternatives of the schema ``root`` for the value at ``path``, unions opened."""
    schemas = _alternatives(root, root)
    for step in path:
        schemas = [
            alternative
            for schema in schemas
            for inner in _inside(schema, step)
            for alternative in _alternatives(root, inner)
        ]
    return schemas


def _alternatives(root: Schema, schema: Any) -> list[Schema]:
    if not isinstance(schema, Mapping):
        return []
    if "$ref" in schema:
        target = root["$defs"][schema["$ref"].removeprefix(_DEFINITION)]
        # What stands beside the reference, such as a description, belongs to this place.
        return _alternatives(root, {**target, **{k: v for k, v in schema.items() if k != "$ref"}})
    inner = [each for key in _UNIONS for each in schema.get(key, ())]
    if not inner:
        return [schema]
    return [{**schema, **each} for one in inner for each in _alternatives(root, one)]


def _inside(schema: Schema, step: str | int) -> Iterable[Any]:
    if isinstance(step, str):
        yield schema.get("properties", {}).get(step) or schema.get("additionalProperties")
    else:
        first = schema.get("prefixItems", ())
        yield first[step] if step < len(first) else schema.get("items")


def keys_of(schemas: Sequence[Schema]) -> list[str]:
    """Return the names of the keys that the tables among ``schemas`` know, sorted."""
    return sorted({key for schema in schemas for key in schema.get("properties", ())})


def is_free_form(schemas: Sequence[Schema]) -> bool:
    """Return whether a table among ``schemas`` declares that it takes any key."""
    return any(schema.get("additionalProperties") is True for schema in schemas)


def choices_of(schemas: Sequence[Schema]) -> list[str]:
    """Return the texts that ``schemas`` let one choose from."""
    choices = [
        choice for schema in schemas for choice in (schema.get("const"), *schema.get("enum", ()))
    ]
    return [choice for choice in choices if isinstance(choice, str)]


def is_secret(root: Schema, path: KeyPath) -> bool:
    """Return whether the value at ``path`` must not be shown: it, or something in it, is secret.

    What stands in place of a table or list of secrets is likely one of them.
    """
    return any(_holds_secrets(root, schema, frozenset()) for schema in schemas_at(root, path))


def _holds_secrets(root: Schema, schema: Any, above: frozenset[str]) -> bool:
    if not isinstance(schema, Mapping):
        return False
    reference = schema.get("$ref")
    if reference in above:
        return False
    above |= {reference} if reference else frozenset()
    return bool(schema.get("writeOnly")) or any(
        _holds_secrets(root, inner, above)
        for inner in (
            *([root["$defs"][reference.removeprefix(_DEFINITION)]] if reference else ()),
            *(each for key in _UNIONS for each in schema.get(key, ())),
            *schema.get("properties", {}).values(),
            schema.get("additionalProperties"),
            *schema.get("prefixItems", ()),
            schema.get("items"),
        )
    )


def description_of(root: Schema, path: KeyPath) -> str:
    """Return in words what is allowed at ``path`` and what it means, as far as the schema says.

    Returns:
        Such as ``"a whole number (at least 1), default 128. How many commands are kept."``.
    """
    schemas = schemas_at(root, path)
    words = " or ".join(dict.fromkeys(filter(None, map(_words, schemas))))
    if not words:
        return ""
    schema = schemas[0]
    if "examples" in schema:
        words += f", such as {' or '.join(map(shown, schema['examples']))}"
    if schema.get("default") is not None and not is_secret(root, path):
        words += f", default {shown(schema['default'])}"
    if "description" in schema:
        words += f". {schema['description']}"
    return words


def _words(schema: Schema) -> str:
    if "const" in schema:
        return shown(schema["const"])
    if "enum" in schema:
        return " or ".join(map(shown, schema["enum"]))
    bounds = [text.format(schema[key]) for key, text in _BOUNDS.items() if key in schema]
    name = _TYPES.get(schema.get("type", ""), "")
    return f"{name} ({', '.join(bounds)})" if name and bounds else name
