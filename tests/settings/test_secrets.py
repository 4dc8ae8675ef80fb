"""What no message shows: passwords in the URL of a server, and values that a model calls secret."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from redis_middleware.errors import SettingsError
from redis_middleware.settings import load_settings

URL = "redis://user:s3cret@localhost:6379/0"


class Exporter(BaseModel):
    """A table that holds secrets, by name and in a table of its own."""

    headers: dict[str, SecretStr] = {}
    tokens: list[SecretStr] = []
    password: SecretStr | None = None


class Model(BaseModel):
    """Settings whose secrets are deep inside."""

    exporter: Exporter = Exporter()
    exporters: list[Exporter] = []
    name: str = ""


def everything_told(error: BaseException) -> str:
    """The message and the whole traceback."""
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("url", [URL, "rediss://:s3cret@h", "unix://s3cret@/tmp/s", Path(URL)])
def test_the_url_of_a_server_is_no_settings_file(url: str | Path) -> None:
    """``wrap(client, url)``: it is said what settings are, and where the URL belongs."""
    with pytest.raises(SettingsError, match=r"the settings argument looks like a URL") as caught:
        load_settings(url, environ={})
    assert "s3cret" not in everything_told(caught.value)
    assert "redis.Redis.from_url(" in str(caught.value)


def test_the_url_of_a_server_in_the_environment_is_no_settings_file() -> None:
    """The variable is named, its value is not shown."""
    with pytest.raises(SettingsError, match="variable REDIS_MIDDLEWARE_SETTINGS looks") as caught:
        load_settings(environ={"REDIS_MIDDLEWARE_SETTINGS": URL})
    assert "s3cret" not in everything_told(caught.value)


@pytest.mark.parametrize(
    "table",
    [
        {"exporter": {"headers": "s3cret"}},
        {"exporter": {"headers": ["s3cret"]}},
        {"exporter": {"headers": {"api-key": ["s3cret"]}}},
        {"exporter": {"tokens": "s3cret"}},
        {"exporter": {"tokens": [["s3cret"]]}},
        {"exporter": {"password": ["s3cret"]}},
        {"exporter": "s3cret"},
        {"exporter": ["s3cret"]},
        {"exporters": "s3cret"},
        {"exporters": ["s3cret"]},
    ],
)
def test_what_stands_in_place_of_a_table_or_list_of_secrets_is_not_shown(table: Any) -> None:
    """Of the wrong type or not, it is likely one of the secrets itself."""
    with pytest.raises(SettingsError, match=r'= "\*{10}": should be') as caught:
        load_settings({"otel": table}, environ={}).for_plugin("otel", Model)
    assert "s3cret" not in everything_told(caught.value)


def test_a_secret_of_the_wrong_type_in_the_environment_is_not_shown() -> None:
    """``HEADERS=api-key=s3cret`` is no table: the variable is named, its value is not shown."""
    name = "REDIS_MIDDLEWARE__OTEL__EXPORTER__HEADERS"
    settings = load_settings({}, environ={name: "api-key=s3cret"})
    with pytest.raises(SettingsError, match=f"environment variable {name}") as caught:
        settings.for_plugin("otel", Model)
    assert "s3cret" not in everything_told(caught.value)


def test_what_is_no_secret_beside_them_is_shown() -> None:
    """Only the values that may be secret are hidden."""
    settings = load_settings({"otel": {"name": 5}}, environ={})
    with pytest.raises(SettingsError, match=r"\[otel\] name = 5: should be"):
        settings.for_plugin("otel", Model)
