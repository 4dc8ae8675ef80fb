"""The JSON schema of settings: of one plugin's model, and of the whole file for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from redis_middleware.errors import SettingsError
from redis_middleware.settings.models import TopLevelModel

if TYPE_CHECKING:
    from redis_middleware.discovery import PluginEntry

__all__ = ["json_schema", "model_schema"]

_DEFINITION = "#/$defs/"


class _SettingsSchema(GenerateJsonSchema):
    """Describes models as settings check them: only a model that says so takes unknown keys."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        described = super().model_schema(schema)
        described.setdefault("additionalProperties", False)
        return described

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        described = super().dataclass_schema(schema)
        described.setdefault("additionalProperties", False)
        return described

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        described = super().typed_dict_schema(schema)
        described.setdefault("additionalProperties", False)
        return described

    def handle_invalid_for_json_schema(
        self, schema: CoreSchema, error_info: str
    ) -> JsonSchemaValue:
        # A type that only code can give, such as a function: editors of files need not know.
        return {}


def model_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a plugin's settings model, unknown keys refused."""
    return model.model_json_schema(schema_generator=_SettingsSchema)


def json_schema(entries: Mapping[str, PluginEntry]) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of the settings file with the plugins installed here.

    A plugin that cannot be loaded gets a table with any keys, whose description tells the reason.
    No key of a plugin's table is required, because a profile or the environment may set it.

    Args:
        entries: the installed plugins; they are imported.
    """
    from redis_middleware.discovery import settings_model

    schema = model_schema(TopLevelModel)
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    profile = definitions["ProfileModel"]
    for name, entry in sorted(entries.items()):
        try:
            model = settings_model(entry.load())
        except SettingsError as error:
            table: dict[str, Any] = {"type": "object", "description": str(error)}
        else:
            if model is None:
                continue
            table = _hoisted(model_schema(model), name, definitions)
        definitions[name] = table
        schema["properties"][name] = profile["properties"][name] = {"$ref": _reference(name)}
    for level in (schema, profile):
        level["additionalProperties"] = False
        for names in (level["properties"]["plugins"], level["properties"]["blocked"]):
            names["items"] = {"type": "string", "enum": sorted(entries)} if entries else {}
            names["uniqueItems"] = True
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}


def _hoisted(table: dict[str, Any], name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Move a model's own definitions up, under names that no other plugin's can have."""
    inner = table.pop("$defs", {})
    for key, definition in inner.items():
        definitions[f"{name}.{key}"] = _renamed(definition, name)
    table.pop("required", None)
    return {key: _renamed(value, name) for key, value in table.items()}


def _renamed(schema: Any, name: str) -> Any:
    if isinstance(schema, dict):
        return {
            key: _reference(f"{name}.{value.removeprefix(_DEFINITION)}")
            if key == "$ref" and isinstance(value, str)
            else _renamed(value, name)
            for key, value in schema.items()
        }
    return [_renamed(item, name) for item in schema] if isinstance(schema, list) else schema


def _reference(definition: str) -> str:
    return _DEFINITION + definition.replace("~", "~0").replace("/", "~1")
