"""The JSON schema of the settings file, for editors."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from typing import Annotated, Any

import jsonschema
import pytest
from pydantic import BaseModel, Field

from redis_middleware.discovery import PluginEntry
from redis_middleware.settings.json_schema import json_schema
from redis_middleware.settings.types import Bytes, Duration, KeyPattern


class CacheRule(BaseModel):
    """Which keys are cached."""

    keys: KeyPattern
    ttl: Duration = 30


class Cache:
    """A plugin with nested tables."""

    class Settings(BaseModel):
        """Settings of the cache."""

        rules: list[CacheRule] = []
        most: Annotated[Bytes, Field(gt=0, description="How much is kept.")] = 1024


class Store:
    """A plugin with a model of the same name, and a key without default."""

    class Settings(BaseModel):
        """Settings of the store."""

        bucket: str
        made_in_code: Callable[[], None] | None = None


class Plain:
    """A plugin without settings."""


def entry(name: str, attribute: str) -> PluginEntry:
    """Return the entry of a plugin of this module."""
    value = f"{__name__}:{attribute}"
    return PluginEntry(name, value, "test", "1.0", EntryPoint(name, value, "redis_middleware"))


@pytest.fixture(scope="module")
def schema() -> Mapping[str, Any]:
    """Return the schema for four plugins, one of them broken."""
    plugins = {"cache": "Cache", "store": "Store", "plain": "Plain", "broken": "Missing"}
    return json_schema({name: entry(name, attribute) for name, attribute in plugins.items()})


def test_it_is_a_schema_of_draft_2020_12(schema: Mapping[str, Any]) -> None:
    """It says so, it is one, and all its references lead somewhere."""
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"cache": {"rules": [{"keys": "a*"}]}, "store": {"bucket": "b"}}, schema)


@pytest.mark.parametrize(
    "text",
    [
        "",
        'plugins = ["cache", "plain"]\nblocked = ["store"]',
        '[cache]\nmost = "1 MiB"\n[[cache.rules]]\nkeys = "a*"\nttl = "10 ms"',
        "[profiles.test]\nplugins = []\n[profiles.test.cache]\nmost = 5",
        "[store]",
        "[broken]\nanything = 1",
    ],
)
def test_it_takes_good_settings(schema: Mapping[str, Any], text: str) -> None:
    """A plugin's key that has no default may come from a profile or the environment."""
    jsonschema.validate(tomllib.loads(text), schema)


@pytest.mark.parametrize(
    "text",
    [
        'plugin = ["cache"]',
        'plugins = ["cash"]',
        'plugins = ["cache", "cache"]',
        'plugins = "cache"',
        "[cash]",
        "[plain]\nx = 1",
        "[cache]\nmots = 1",
        "[cache]\nmost = 0",
        '[cache]\nmost = "1 k"',
        "[[cache.rules]]\nttl = 1",
        '[[cache.rules]]\nkeys = "a"\ntll = 1',
        "[profiles.test.cash]",
        "[profiles.test.cache]\nmots = 1",
        "[profiles.test.profiles.other]",
    ],
)
def test_it_refuses_bad_settings(schema: Mapping[str, Any], text: str) -> None:
    """What loading would refuse, an editor underlines."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), schema)


def test_it_has_descriptions_and_defaults(schema: Mapping[str, Any]) -> None:
    """What an editor shows beside a key."""
    cache = schema["$defs"]["cache"]
    assert cache["description"] == "Settings of the cache."
    assert cache["properties"]["most"]["description"] == "How much is kept."
    assert cache["properties"]["most"]["default"] == 1024
    assert schema["properties"]["plugins"]["description"]


def test_a_plugin_that_cannot_be_loaded_tells_why(schema: Mapping[str, Any]) -> None:
    """The schema of the others is made all the same."""
    assert "cannot be imported" in schema["$defs"]["broken"]["description"]


def test_without_plugins_it_is_a_schema_too() -> None:
    """Nothing but the framework's own keys."""
    schema = json_schema({})
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"plugins": []}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"slow_log": {}}, schema)
