"""What is said about tables that do not fit their plugin's model, and about the top level."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from redis_middleware.errors import SettingsError
from redis_middleware.settings import Settings, load_settings
from redis_middleware.settings.types import Bytes, Duration


class Rule(BaseModel):
    """A nested table."""

    keys: str
    ttl: float = Field(default=30, gt=0, description="How many seconds an entry lives.")


class Extras(BaseModel):
    """A nested table that takes any key."""

    model_config = ConfigDict(extra="allow")

    known: int = 0


@dataclass
class Point:
    """A nested table that is a dataclass."""

    x: int = 0


class Model(BaseModel):
    """Settings of a plugin with something of everything."""

    keep: int = Field(default=128, ge=1, le=1000, description="How many commands are kept.")
    mode: Literal["fast", "safe"] = "safe"
    password: SecretStr = SecretStr("")
    rules: list[Rule] = []
    by_name: dict[str, Rule] = {}
    limit: int | Rule | None = None
    point: Point = Point()
    extras: Extras = Extras()
    size: int = Field(default=0, alias="max-size")

    @model_validator(mode="after")
    def _needs_rules(self) -> Model:
        if self.mode == "fast" and not self.rules:
            raise ValueError("mode fast needs rules: add [[cache.rules]]")
        return self


class Required(BaseModel):
    """Settings with a key that has no default."""

    bucket: str = Field(description="Where big values go.")


def from_text(directory: Path, text: str) -> Settings:
    """Load settings from a file of this text, ``directory / "app.toml"``."""
    path = directory / "app.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ={})


def problem(settings: Settings, model: type[BaseModel] = Model) -> str:
    """Return what is wrong with the table ``cache``."""
    with pytest.raises(SettingsError) as caught:
        settings.for_plugin("cache", model)
    return str(caught.value)


def test_defaults_hold_where_there_is_no_table() -> None:
    """A plugin without a table gets its model's defaults."""
    assert Settings().for_plugin("cache", Model) == Model()


def test_a_wrong_value_is_told_with_place_value_and_what_is_allowed(tmp_path: Path) -> None:
    """The whole message of the plainest case."""
    settings = from_text(tmp_path, "[cache]\n\nkeep = 'many'\n")
    assert problem(settings) == (
        f'{tmp_path}/app.toml, line 3: [cache] keep = "many": should be a valid integer, unable to '
        "parse string as an integer; allowed: a whole number (at least 1, at most 1000), default "
        "128. How many commands are kept."
    )


def test_an_unknown_key_suggests_the_nearest(tmp_path: Path) -> None:
    """Also where the model itself would have let the key pass."""
    message = problem(from_text(tmp_path, "[cache]\nkep = 5\n"))
    assert message.startswith(
        f"{tmp_path}/app.toml, line 2: [cache] kep: unknown key; did you mean 'keep'? known keys: "
        "by_name, extras, keep, limit, max-size, mode"
    )


def test_the_value_of_an_unknown_key_is_not_shown(tmp_path: Path) -> None:
    """It may be a secret whose key was misspelled."""
    assert "hunter2" not in problem(from_text(tmp_path, "[cache]\npasword = 'hunter2'\n"))


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    """Neither by the message nor by the traceback's chain."""
    settings = from_text(tmp_path, "[cache]\npassword = 60613\n")
    with pytest.raises(SettingsError) as caught:
        settings.for_plugin("cache", Model)
    assert 'password = "**********": should be a valid string' in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_tables_are_not_shown(tmp_path: Path) -> None:
    """A rule about the whole table names the table, whose values may hold secrets."""
    message = problem(from_text(tmp_path, "[cache]\nmode = 'fast'\npassword = 'hunter2'\n"))
    assert message == (
        f"{tmp_path}/app.toml, line 1: [cache]: mode fast needs rules: add [[cache.rules]]"
    )


def test_choices_are_listed(tmp_path: Path) -> None:
    """A value that is none of the choices is told which there are."""
    message = problem(from_text(tmp_path, "[cache]\nmode = 'quick'\n"))
    assert message.endswith("[cache] mode = \"quick\": should be 'fast' or 'safe'")


def test_a_choice_that_is_nearly_one_suggests_it(tmp_path: Path) -> None:
    """As with a misspelled key."""
    message = problem(from_text(tmp_path, "[cache]\nmode = 'saef'\n"))
    assert message.endswith("should be 'fast' or 'safe'; did you mean 'safe'?")


@pytest.mark.parametrize("inline", [False, True])
def test_tables_in_a_list_are_counted(tmp_path: Path, inline: bool) -> None:
    """The second rule is #2, whether written as a table of its own or inline."""
    text = (
        "[cache]\nrules = [{keys = 'a'}, {keys = 'b', ttl = 0}]\n"
        if inline
        else "[cache]\n[[cache.rules]]\nkeys = 'a'\n[[cache.rules]]\nkeys = 'b'\nttl = 0\n"
    )
    message = problem(from_text(tmp_path, text))
    line = 2 if inline else 6
    assert f"app.toml, line {line}: [[cache.rules]] #2 ttl = 0: should be greater than 0" in message
    assert "How many seconds an entry lives." in message


def test_a_missing_key_is_told_with_its_table(tmp_path: Path) -> None:
    """The line is the table's; the description says what the key is."""
    message = problem(from_text(tmp_path, "\n[cache]\n"), Required)
    assert message == (
        f"{tmp_path}/app.toml, line 2: [cache] bucket is missing: set it; allowed: text. Where big "
        "values go."
    )
    assert problem(Settings(), Required).startswith(
        "the empty settings (no settings file was found): [cache] bucket is missing"
    )


def test_nested_tables_are_checked_for_unknown_keys(tmp_path: Path) -> None:
    """In lists, in mappings of tables, in alternatives and in dataclasses."""
    text = """
    [cache]
    limit = {keys = "a", tttl = 1}
    [[cache.rules]]
    keys = "a"
    tl = 1
    [cache.by_name.x]
    keys = "a"
    tttl = 1
    [cache.point]
    y = 1
    """
    message = problem(from_text(tmp_path, text))
    assert "4 problems in the settings:" in message
    assert "[cache.limit] tttl: unknown key; did you mean 'ttl'? known keys: keys, ttl" in message
    assert "[[cache.rules]] #1 tl: unknown key; did you mean 'ttl'?" in message
    assert "line 9: [cache.by_name.x] tttl: unknown key" in message
    assert "line 11: [cache.point] y: unknown key; known keys: x" in message


def test_a_table_that_takes_any_key_keeps_them(tmp_path: Path) -> None:
    """A model with ``extra="allow"`` gets unknown keys; the tables around it stay checked."""
    settings = from_text(tmp_path, "[cache.extras]\nanything = 1\n")
    assert settings.for_plugin("cache", Model).extras.model_extra == {"anything": 1}
    settings = from_text(tmp_path, "[cache]\nkep = 1\n[cache.extras]\nanything = 1\n")
    message = problem(settings)
    assert "kep" in message
    assert "anything" not in message


def test_alternatives_are_told_together(tmp_path: Path) -> None:
    """A value that fits none of a union's types is one problem, not one for each type."""
    message = problem(from_text(tmp_path, "[cache]\nlimit = 'x'\n"))
    assert '[cache] limit = "x": should be a valid integer' in message
    assert "; or should be a table" in message
    assert "problems" not in message


def test_of_alternatives_a_tables_own_problem_is_told(tmp_path: Path) -> None:
    """What the table's model says of a table, and not that it is no size either."""

    class Sizes(BaseModel):
        warn: Bytes = 0
        wait: Duration | None = None

        @model_validator(mode="after")
        def _never(self) -> Sizes:
            raise ValueError("the sizes are out of order")

    class Guard(BaseModel):
        limit: Bytes | Sizes | None = None
        pause: Duration | Sizes | None = None

    message = problem(from_text(tmp_path, "[cache]\nlimit = {warn = 1}\npause = {}\n"), Guard)
    assert "line 2: [cache.limit]: the sizes are out of order\n" in message
    assert message.endswith("line 3: [cache.pause]: the sizes are out of order")


@pytest.mark.parametrize("key", ["limit", "by_name"])
def test_a_default_is_told_as_toml_writes_it(tmp_path: Path, key: str) -> None:
    """TOML has no None: nothing is said of a default that is none; an empty table is ``{}``."""
    message = problem(from_text(tmp_path, f"[cache]\n{key} = 'x'\n"))
    assert "None" not in message
    assert "{...}" not in message


def test_a_table_in_place_of_a_value_and_the_other_way_round(tmp_path: Path) -> None:
    """Both are told by the kind of thing that belongs there."""
    message = problem(from_text(tmp_path, "[cache]\nkeep = {a = 1}\npoint = 1\n"))
    assert "[cache] keep = {...}: should be a valid integer" in message
    assert "[cache] point = 1: should be a table" in message


def test_one_table_in_place_of_a_list_of_them_is_told_how_to_write(tmp_path: Path) -> None:
    """``[cache.rules]`` is an easy slip for ``[[cache.rules]]``: the line and the cure are told."""
    message = problem(from_text(tmp_path, "[cache]\n\n[cache.rules]\nkeys = 'a'\n"))
    assert message == (
        f"{tmp_path}/app.toml, line 3: [cache.rules]: should be a list of tables: "
        "write [[cache.rules]] above each"
    )


def test_aliases_are_the_names_that_are_told(tmp_path: Path) -> None:
    """A field with an alias goes by that, quoted keys of TOML included."""
    message = problem(from_text(tmp_path, "[cache]\n\"max-size\" = 'x'\n"))
    assert 'app.toml, line 2: [cache] max-size = "x"' in message


def test_names_are_quoted_as_toml_quotes_them() -> None:
    """A key that is not a bare one can be searched for in the file."""
    settings = load_settings({"cache": {"by_name": {"a b": {"keys": 1}}}}, environ={})
    assert '[cache.by_name."a b"] keys = 1: should be a valid string' in problem(settings)


def test_the_prefix_of_a_pyproject_is_part_of_the_table(tmp_path: Path) -> None:
    """The table is named as it stands in that file."""
    path = tmp_path / "pyproject.toml"
    path.write_text("[project]\nname = 'x'\n[tool.redis-middleware.cache]\nkeep = 0\n")
    message = problem(load_settings(path, environ={}))
    assert message.startswith(f"{path}, line 4: [tool.redis-middleware.cache] keep = 0: should be")


def test_a_value_of_a_profile_names_the_profile(tmp_path: Path) -> None:
    """A profile's value is told at the profile's table, the others at theirs."""
    path = tmp_path / "app.toml"
    path.write_text("[cache]\nkeep = 1\nmode = 'x'\n[profiles.test.cache]\nkeep = 0\n")
    message = problem(load_settings(path, profile="test", environ={}))
    assert f"{path}, line 5: [profiles.test.cache] keep = 0" in message
    assert f"{path}, line 3: [cache] mode" in message


def test_a_key_missing_in_a_profiles_own_table_names_the_profile(tmp_path: Path) -> None:
    """A table that only the profile has is the one to add the key to."""
    path = tmp_path / "app.toml"
    path.write_text("[profiles.test.cache]\n")
    message = problem(load_settings(path, profile="test", environ={}), Required)
    assert f"{path}, line 1: [profiles.test.cache] bucket is missing" in message


def test_a_line_inside_a_multiline_string_is_not_taken_for_a_key(tmp_path: Path) -> None:
    """The line that is told is the key's own."""
    text = "[cache]\nmode = '''\nkeep = 5\n'''\nkeep = 0\n"
    assert "line 5: [cache] keep = 0" in problem(from_text(tmp_path, text))


def test_a_list_of_tables_has_the_line_of_its_first(tmp_path: Path) -> None:
    """A value that no single line sets is told by the first line that is a part of it."""
    text = "[cache]\nkeep = 1\n\n[[cache.rules]]\nkeys = 'a'\n\n[[cache.rules]]\nkeys = 'b'\n"
    settings = from_text(tmp_path, text)
    assert settings.place(("cache", "rules")).where == f"{tmp_path}/app.toml, line 4"
    assert settings.place(("cache", "rules", 1)).where == f"{tmp_path}/app.toml, line 7"


def test_a_line_is_left_out_when_the_file_is_gone(tmp_path: Path) -> None:
    """The message does without the line."""
    settings = from_text(tmp_path, "[cache]\nkeep = 0\n")
    (tmp_path / "app.toml").unlink()
    assert problem(settings).startswith(f"{tmp_path}/app.toml: [cache] keep = 0: should be")


def test_long_values_are_cut(tmp_path: Path) -> None:
    """A message stays readable."""
    message = problem(from_text(tmp_path, f"[cache]\nkeep = '{'x' * 10_000}'\n"))
    assert len(message) < 500


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("plugins = 'a'", ['line 1: plugins = "a": should be a valid list, such as ["a"]']),
        ("plugins = ['a', 1]", ["line 1: plugins, item 2 = 1: should be a valid string"]),
        ("plugins = ['a', '']", ['plugins, item 2 = "": string should have at least 1 character']),
        (
            "plugins = [\n'a',\n'b',\n'a']",
            ["line 1: plugins: two plugins of the same name, 'a' (items 1 and 3): a plugin ru"],
        ),
        ("blocked = 1", ["line 1: blocked = 1: should be a valid list"]),
        ("plugin = ['a']", ["line 1: plugin: unknown key; did you mean 'plugins'?"]),
        ("\nttl = 5", ["line 2: ttl: unknown key; known here are plugins, blocked, profiles"]),
        (
            "a = 1\nplugins = 1",
            ["2 problems in the settings:", "line 1: a: unknown key", "line 2: plugins"],
        ),
        (
            "plugins = ['a']\na = 1",
            ["line 2: a: should be a table: set the keys of [a] one by one"],
        ),
        ("plugins = ['a']\n[[a]]\nx = 1", ["line 2: a: should be a table: set the keys"]),
        (
            "plugins = ['a']\n\n[profiles.p]\na = 1",
            ["line 4: [profiles.p] a: should be a table: set the keys of [profiles.p.a] one"],
        ),
        (
            "[profiles.p]\nplugins = ['a', 'a']",
            ["line 2: [profiles.p] plugins: two plugins of the same name"],
        ),
    ],
)
def test_the_top_level_is_checked_when_loading(
    tmp_path: Path, text: str, messages: list[str]
) -> None:
    """Before any plugin is known: the lists and what stands beside them."""
    with pytest.raises(SettingsError) as caught:
        from_text(tmp_path, text)
    for message in messages:
        assert message in str(caught.value)


def test_keys_of_a_mapping_are_strings() -> None:
    """A mapping given in code can have keys that no file can."""
    with pytest.raises(SettingsError, match=r"given in code: the key 5 is int: names"):
        load_settings({"a": {5: 1}}, environ={})


def test_values_that_only_code_can_give_reach_the_model() -> None:
    """Objects in a mapping are passed on as they are."""

    class Custom(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        tracer: object = None

    tracer = object()
    settings = load_settings({"cache": {"tracer": tracer}}, environ={})
    assert settings.for_plugin("cache", Custom).tracer is tracer


def test_settings_compare_by_values_and_source(tmp_path: Path) -> None:
    """Reading a file again gives equal settings until something in it changes."""
    before = from_text(tmp_path, "[cache]\nkeep = 1\n")
    assert from_text(tmp_path, "# a comment\n[cache]\nkeep = 1\n") == before
    assert from_text(tmp_path, "[cache]\nkeep = 2\n") != before


def test_the_value_of_a_stray_key_is_not_shown(tmp_path: Path) -> None:
    """A secret above the header of the table that it was meant for is not printed."""
    with pytest.raises(SettingsError, match="line 1: password: unknown key") as caught:
        from_text(tmp_path, "password = 'hunter2'\n[cache]\n")
    assert "hunter2" not in str(caught.value)
