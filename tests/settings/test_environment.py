"""Environment variables over single values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from redis_middleware.errors import SettingsError
from redis_middleware.settings import load_settings


class Model(BaseModel):
    """Settings of several types, to see what a variable's text becomes."""

    number: int = 0
    fraction: float = 0
    flag: bool = False
    text: str = ""
    maybe: str | None = "default"
    names: list[str] = []
    table: dict[str, int] = {}


def table(given: dict[str, object], **variables: str) -> dict[str, Any]:
    """Return the table ``a`` of ``given`` under variables named without their prefix."""
    environ = {f"REDIS_MIDDLEWARE__{name}": text for name, text in variables.items()}
    return dict(load_settings(given, environ=environ).tables["a"])


def test_a_variable_sets_one_value_and_leaves_the_others() -> None:
    """Also deeper inside, and where the table was not there."""
    given: dict[str, object] = {"a": {"x": 1, "y": {"z": 2, "w": 3}}}
    assert table(given, A__X="10") == {"x": 10, "y": {"z": 2, "w": 3}}
    assert table(given, A__Y__Z="10") == {"x": 1, "y": {"z": 10, "w": 3}}
    assert table({}, A__NEW__KEY="10") == {"new": {"key": 10}}


def test_case_does_not_matter_and_the_settings_spelling_is_kept() -> None:
    """A key of the file is found whatever its case; a key that is not there gets lower case."""
    given: dict[str, object] = {"a": {"thresholds": {"GET": 1}}}
    assert table(given, A__THRESHOLDS__GET="2") == {"thresholds": {"GET": 2}}
    assert table(given, A__THRESHOLDS__SET="2") == {"thresholds": {"GET": 1, "set": 2}}
    lower = {"redis_middleware__a__thresholds__get": "3"}
    assert load_settings(given, environ=lower).tables["a"] == {"thresholds": {"GET": 3}}


def test_an_underscore_stands_for_a_hyphen_of_a_name() -> None:
    """Plugins whose names have hyphens can be reached, with a table or only listed."""
    environ = {"REDIS_MIDDLEWARE__MY_CACHE__TTL": "5"}
    listed = load_settings({"plugins": ["my-cache"]}, environ=environ)
    assert listed.tables == {"my-cache": {"ttl": 5}}
    with_table = load_settings({"my-cache": {"ttl": 1}}, environ=environ)
    assert with_table.tables == {"my-cache": {"ttl": 5}}


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("number", "10", 10),
        ("fraction", "1.5", 1.5),
        ("flag", "true", True),
        ("flag", "yes", True),
        ("text", "plain words", "plain words"),
        ("text", "123", "123"),
        ("text", "1.10", "1.10"),
        ("text", "true", "true"),
        ("text", "Infinity", "Infinity"),
        ("text", '"quoted"', "quoted"),
        ("text", "", ""),
        ("maybe", "null", None),
        ("names", '["a", "b"]', ["a", "b"]),
        ("table", '{"x": 1}', {"x": 1}),
    ],
)
def test_a_value_is_json_where_that_fits_and_text_elsewhere(
    key: str, text: str, expected: object
) -> None:
    """A model gets what its field's type asks for: ``123`` is a number or a name."""
    settings = load_settings({}, environ={f"REDIS_MIDDLEWARE__A__{key.upper()}": text})
    assert getattr(settings.for_plugin("a", Model), key) == expected


@pytest.mark.parametrize("text", ['["b", "a"]', "b,a", " b , a ,"])
def test_the_list_of_plugins_is_json_or_names_between_commas(text: str) -> None:
    """Either replaces the list of the settings."""
    settings = load_settings({"plugins": ["x"]}, environ={"REDIS_MIDDLEWARE__PLUGINS": text})
    assert settings.plugins == ("b", "a")


def test_an_empty_list_of_plugins_switches_all_off() -> None:
    """An empty variable is an empty list."""
    settings = load_settings({"plugins": ["x"]}, environ={"REDIS_MIDDLEWARE__PLUGINS": ""})
    assert settings.plugins == ()


def test_blocking_by_the_environment_adds() -> None:
    """A kill switch for one plugin does not bring another one back."""
    settings = load_settings({"blocked": ["a", "b"]}, environ={"REDIS_MIDDLEWARE__BLOCKED": "b,c"})
    assert settings.blocked == ("a", "b", "c")


def test_a_deeper_variable_changes_what_a_shallower_one_sets() -> None:
    """A whole table as JSON merges over the file's, single keys over both."""
    given: dict[str, object] = {"a": {"x": 1, "y": 2, "z": 3}}
    assert table(given, A='{"x": 10, "y": 20}', A__X="100") == {"x": 100, "y": 20, "z": 3}


def test_variables_lie_over_the_profile() -> None:
    """The environment is the last word."""
    given = {"a": {"x": 1}, "profiles": {"p": {"a": {"x": 2, "y": 2}}}}
    settings = load_settings(given, profile="p", environ={"REDIS_MIDDLEWARE__A__X": "3"})
    assert settings.tables["a"] == {"x": 3, "y": 2}


def test_variables_work_without_any_settings_file(tmp_path: Path) -> None:
    """Settings can come from the environment alone."""
    environ = {"REDIS_MIDDLEWARE__PLUGINS": "a", "REDIS_MIDDLEWARE__A__X": "1"}
    settings = load_settings(environ=environ, directory=tmp_path)
    assert (settings.plugins, dict(settings.tables)) == (("a",), {"a": {"x": 1}})


def test_a_wrong_value_names_the_variable_and_not_the_file(tmp_path: Path) -> None:
    """Whoever reads the message looks where the mistake is."""
    path = tmp_path / "settings.toml"
    path.write_text("[a]\nnumber = 1\n", encoding="utf-8")
    environ = {"REDIS_MIDDLEWARE__A__NUMBER": "many"}
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environ=environ).for_plugin("a", Model)
    message = str(caught.value)
    assert message.startswith(
        'environment variable REDIS_MIDDLEWARE__A__NUMBER: [a] number = "many": '
        "should be a valid integer"
    )
    assert str(path) not in message


def test_a_value_of_the_file_beside_a_variable_names_the_file(tmp_path: Path) -> None:
    """A variable is blamed for its own key only, also when it had to be read as text."""
    path = tmp_path / "settings.toml"
    path.write_text("[a]\nnumber = 'many'\n", encoding="utf-8")
    environ = {"REDIS_MIDDLEWARE__A__TEXT": "123"}
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environ=environ).for_plugin("a", Model)
    assert str(caught.value).startswith(f'{path}, line 2: [a] number = "many": should be')


def test_inside_a_json_value_the_key_is_named() -> None:
    """A problem inside a table that one variable sets is told with the way to it."""
    environ = {"REDIS_MIDDLEWARE__A__TABLE": '{"x": "one"}'}
    with pytest.raises(SettingsError, match=r'A__TABLE: \[a.table\] x = "one": should be a valid'):
        load_settings({}, environ=environ).for_plugin("a", Model)


def test_a_list_in_a_variable_is_shown_how_to_write() -> None:
    """The message for a list has an example made of the value."""
    environ = {"REDIS_MIDDLEWARE__A__NAMES": "one"}
    with pytest.raises(SettingsError, match=r'names = "one": should be a valid list, such as \["o'):
        load_settings({}, environ=environ).for_plugin("a", Model)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("REDIS_MIDDLEWARE__TTL", "5", r"TTL: ttl: unknown key; known here are plugins, bl"),
        ("REDIS_MIDDLEWARE__PLUGIN", "a", r"PLUGIN: plugin: unknown key; did you mean 'pl"),
        ("REDIS_MIDDLEWARE__A____X", "5", r"A____X: the name has an empty part"),
        ("REDIS_MIDDLEWARE__", "5", r"REDIS_MIDDLEWARE__: the name has an empty part"),
        ("REDIS_MIDDLEWARE__PROFILES__P__PLUGINS", "a", "profiles cannot be changed from the env"),
        ("REDIS_MIDDLEWARE__PROFILE", "p", "chooses a profile is REDIS_MIDDLEWARE_PROFILE"),
        ("REDIS_MIDDLEWARE__PLUGINS", "[a", r"PLUGINS: '\[a' begins like a JSON list and is none"),
        ("REDIS_MIDDLEWARE__PLUGINS", "[1]", r"PLUGINS: plugins, item 1 = 1: should be a valid s"),
        ("REDIS_MIDDLEWARE__PLUGINS", "a,a", r"PLUGINS: plugins: two plugins of the same name, "),
        (
            "REDIS_MIDDLEWARE__PLUGINS__X",
            "1",
            r"PLUGINS__X: plugins = {...}: should be a valid list",
        ),
        ("REDIS_MIDDLEWARE__A", "1", r"__A: a: should be a table: set the keys of \[a\]"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(name: str, text: str, message: str) -> None:
    """Each message begins with the variable."""
    with pytest.raises(SettingsError, match=f"^environment variable .*{message}"):
        load_settings({"a": {"x": 1}, "plugins": ["a"]}, environ={name: text})


def test_a_scalar_that_a_variable_turns_into_a_table_is_blamed_on_it() -> None:
    """A variable that goes deeper than the setting has levels is the culprit, not the file."""
    environ = {"REDIS_MIDDLEWARE__A__NUMBER__X": "1"}
    with pytest.raises(
        SettingsError, match=r"^environment variable REDIS_MIDDLEWARE__A__NUMBER__X"
    ):
        load_settings({"a": {"number": 1}}, environ=environ).for_plugin("a", Model)
    with pytest.raises(SettingsError, match=r"^environment .*__A__NUMBER__X: \[a\] number = "):
        load_settings({}, environ=environ).for_plugin("a", Model)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("REDIS_MIDDLEWARE_BLOCKED", "REDIS_MIDDLEWARE__BLOCKED"),
        ("redis_middleware_plugins", "REDIS_MIDDLEWARE__PLUGINS"),
        ("REDIS_MIDDLEWARE_SLOW_LOG__KEEP", "REDIS_MIDDLEWARE__SLOW_LOG__KEEP"),
        ("REDIS_MIDDLEWARE_SETTING", "REDIS_MIDDLEWARE_SETTINGS"),
        ("REDIS_MIDDLEWARE_PROFIL", "REDIS_MIDDLEWARE_PROFILE"),
    ],
)
def test_a_variable_that_is_nearly_one_is_warned_of(
    name: str, meant: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A kill switch with an underscore too few does nothing, and must not do it silently."""
    load_settings({}, environ={name: "otel"})
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        f"environment variable {name} does nothing; did you mean {meant}?"
    )


def test_variables_of_others_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Kubernetes makes some for a service of that name, and one is not a setting."""
    names = ("SERVER", "SERVICE_HOST", "PORT", "PORT_6379_TCP_PROTO", "SERVICE_PORT_REDIS")
    load_settings({}, environ={f"REDIS_MIDDLEWARE_{name}": "x" for name in names})
    assert not caplog.records


def test_two_spellings_of_one_variable_are_refused() -> None:
    """Which of the two would count must not be left to chance."""
    environ = {"REDIS_MIDDLEWARE__A__X": "1", "redis_middleware__a__x": "2"}
    with pytest.raises(SettingsError, match="variable REDIS_MIDDLEWARE__A__X sets the same key"):
        load_settings({}, environ=environ)
