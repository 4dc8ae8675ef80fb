"""Plugins made from settings and from what is given in code."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field, field_validator
from tests.discovery.distributions import Installer

from redis_middleware.discovery import load_plugin, load_plugins, plugin_name, require
from redis_middleware.errors import (
    MissingExtraError,
    PluginLoadError,
    PluginNotFoundError,
    SettingsError,
)
from redis_middleware.settings import Settings, load_settings

AUDIT = """
from pydantic import BaseModel

class Audit:
    class Settings(BaseModel):
        level: int = 1

    def __init__(self, settings):
        self.settings = settings

    def redis_command(self, command):
        return (yield command)

class Plain:
    def redis_command(self, command):
        return (yield command)
"""


class Counting:
    """A plugin without settings."""

    def redis_command(self, command: object) -> Any:
        """Let every command pass."""
        return (yield command)


class SizeLimit:
    """A plugin with settings."""

    class Settings(BaseModel):
        """Its settings."""

        most: int = Field(default=10, ge=1)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings


class Reconfigurable(SizeLimit):
    """A plugin that takes changed settings while running."""

    def reconfigure(self, settings: SizeLimit.Settings) -> None:
        """Take other settings."""
        self.settings = settings


def settings_of(given: dict[str, object], environ: dict[str, str] | None = None) -> Settings:
    """Return settings that were given in code."""
    return load_settings(given, environ=environ or {})


@pytest.fixture
def audit(install: Installer) -> None:
    """Install a distribution with two plugins."""
    install(
        "shop-plugins",
        {"audit": "shop_audit:Audit", "plain": "shop_audit:Plain"},
        {"shop_audit": AUDIT},
    )


@pytest.mark.usefixtures("audit")
def test_the_listed_plugins_are_made_in_order_with_their_settings() -> None:
    """Outermost first; each with its own table, one without a model without any."""
    settings = settings_of({"plugins": ["plain", "audit"], "audit": {"level": "3"}})
    plain, audit = load_plugins(settings)
    assert (plain.name, plain.settings) == ("plain", None)
    assert plain.origin == "shop-plugins 1.0 (shop_audit:Plain)"
    assert audit.name == "audit"
    assert audit.settings is audit.plugin.settings  # type: ignore[attr-defined]
    assert audit.settings.level == 3


@pytest.mark.usefixtures("audit")
def test_plugins_given_in_code_replace_the_list() -> None:
    """Names, classes and objects mixed; classes get the table of their name, objects none."""
    settings = settings_of({"plugins": ["plain"], "size_limit": {"most": 5}})
    ready = Counting()
    loaded = load_plugins(settings, ["audit", SizeLimit, ready])
    assert [plugin.name for plugin in loaded] == ["audit", "size_limit", "counting"]
    assert loaded[1].settings == SizeLimit.Settings(most=5)
    assert loaded[1].origin == f"given in code ({__name__}.SizeLimit)"
    assert loaded[2].plugin is ready
    assert loaded[2].settings is None
    assert load_plugins(settings_of({"plugins": ["plain"]}), []) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SlowLog", "slow_log"),
        ("OTel", "o_tel"),
        ("HTTPCache", "http_cache"),
        ("Cache2Level", "cache2_level"),
        ("plain", "plain"),
    ],
)
def test_a_class_given_in_code_is_named_in_snake_case(name: str, expected: str) -> None:
    """Class and object have the same name."""
    cls = type(name, (), {})
    assert plugin_name(cls) == plugin_name(cls()) == expected


def test_the_attribute_name_comes_first() -> None:
    """On the class, or on the object alone."""
    named = type("Anything", (), {"name": "chosen"})
    assert plugin_name(named) == plugin_name(named()) == "chosen"
    ready = Counting()
    ready.name = "second_counting"  # type: ignore[attr-defined]
    assert plugin_name(ready) == "second_counting"


@pytest.mark.usefixtures("audit")
def test_an_unknown_plugin_names_the_nearest(tmp_path: Path) -> None:
    """The message has file, line and item, the nearest name and the command that lists them."""
    path = tmp_path / "app.toml"
    path.write_text('plugins = ["plain", "audiit"]\n')
    with pytest.raises(PluginNotFoundError) as caught:
        load_plugins(load_settings(path, environ={}))
    assert str(caught.value) == (
        f"{path}, line 1: plugins, item 2: no installed plugin has the name 'audiit'; did you mean "
        "'audit'? `redis-middleware plugins` lists those that are installed"
    )
    with pytest.raises(PluginNotFoundError, match=r"^the plugins argument: no installed plugin"):
        load_plugins(Settings(), ["audiit"])
    with pytest.raises(PluginNotFoundError, match=r"^no installed plugin has the name 'audiit'"):
        load_plugin("audiit", Settings())


@pytest.mark.usefixtures("audit")
def test_a_table_of_no_plugin_names_the_nearest(tmp_path: Path) -> None:
    """A misspelled table would silently do nothing otherwise."""
    path = tmp_path / "app.toml"
    path.write_text('plugins = ["audit"]\n\n[audt]\nlevel = 5\n')
    with pytest.raises(PluginNotFoundError) as caught:
        load_plugins(load_settings(path, environ={}))
    assert str(caught.value) == (
        f"{path}, line 3: table [audt]: no installed plugin has the name 'audt'; did you mean "
        "'audit'? `redis-middleware plugins` lists those that are installed (the table of a class "
        "that only some clients are given belongs in their profile)"
    )


@pytest.mark.usefixtures("audit")
def test_a_variable_of_no_plugin_is_named() -> None:
    """A table that only environment variables make is blamed on them."""
    settings = settings_of({"plugins": []}, {"REDIS_MIDDLEWARE__AUDT__LEVEL": "5"})
    with pytest.raises(
        PluginNotFoundError, match=r"^environment variable REDIS_MIDDLEWARE__AUDT__L"
    ):
        load_plugins(settings)


@pytest.mark.usefixtures("audit")
def test_a_table_of_a_plugin_that_is_not_enabled_does_nothing() -> None:
    """It is not even checked, since that would import the plugin."""
    settings = settings_of({"audit": {"level": "high"}}, {"REDIS_MIDDLEWARE__PLAIN__X": "1"})
    assert load_plugins(settings) == []


def test_a_table_of_a_plugin_given_in_code_is_known() -> None:
    """A class's table need not be that of an installed plugin."""
    settings = settings_of({"size_limit": {"most": 2}})
    assert load_plugins(settings, [SizeLimit])[0].settings == SizeLimit.Settings(most=2)


def test_a_table_of_a_class_can_be_a_profiles() -> None:
    """Clients that share settings but not the class each choose their own."""
    given: dict[str, object] = {"profiles": {"limited": {"size_limit": {"most": 2}}}}
    limited = load_settings(given, profile="limited", environ={})
    assert load_plugins(limited, [SizeLimit])[0].settings == SizeLimit.Settings(most=2)
    assert load_plugins(settings_of(given), [Counting])[0].name == "counting"


def test_blocked_plugins_are_not_loaded(install: Installer) -> None:
    """Neither installed ones, however broken, nor those given in code."""
    install("bad", {"bad": "bad_module:Plugin"}, {"bad_module": "1 / 0"})
    settings = settings_of({"plugins": ["bad"]}, {"REDIS_MIDDLEWARE__BLOCKED": "bad,counting"})
    assert load_plugins(settings) == []
    assert load_plugins(settings, ["bad", Counting]) == []


@pytest.mark.usefixtures("audit")
def test_blocking_an_unknown_name_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A kill switch for a plugin that this program never had does not stop it."""
    settings = settings_of({"plugins": ["plain"]}, {"REDIS_MIDDLEWARE__BLOCKED": "audti"})
    with caplog.at_level(logging.WARNING):
        assert len(load_plugins(settings)) == 1
    assert "variable REDIS_MIDDLEWARE__BLOCKED: blocked: no installed plugin has" in caplog.text
    assert "did you mean 'audit'?" in caplog.text


@pytest.mark.usefixtures("audit")
def test_a_broken_plugin_that_is_not_enabled_disturbs_nobody(install: Installer) -> None:
    """Other plugins load beside one that cannot be imported and one offered twice."""
    install("bad", {"bad": "bad_module:Plugin"}, {"bad_module": "1 / 0"})
    install("twice-a", {"twice": "a:A"})
    install("twice-b", {"twice": "b:B"})
    settings = settings_of({"plugins": ["plain"], "bad": {"x": 1}, "twice": {"x": 1}})
    assert [plugin.name for plugin in load_plugins(settings)] == ["plain"]
    with pytest.raises(PluginLoadError, match=r"'bad', bad 1.0 \(bad_module:Plugin\), cannot be i"):
        load_plugins(settings, ["bad"])
    with pytest.raises(PluginLoadError, match="several distributions offer a plugin 'twice'"):
        load_plugins(settings, ["twice"])


def test_two_plugins_of_one_name_are_refused() -> None:
    """The message names both classes."""
    other = type("Other", (), {"name": "counting"})
    with pytest.raises(SettingsError) as caught:
        load_plugins(Settings(), [Counting, other()])
    assert str(caught.value) == (
        f"the plugins argument: two plugins of the same name, 'counting' ({__name__}.Counting and "
        f"{__name__}.Other): remove one, or give one of them another `name`"
    )


@pytest.mark.parametrize("name", ["plugins", "blocked", "profiles"])
def test_a_plugin_cannot_have_the_name_of_a_key(name: str) -> None:
    """Its table could not be told from the framework's own keys."""
    with pytest.raises(PluginLoadError, match=f"a plugin cannot have the name '{name}'"):
        load_plugins(Settings(), [type("Any", (), {"name": name})])


@pytest.mark.usefixtures("audit")
def test_every_problem_is_told_at_once() -> None:
    """One message for all plugins, with the single errors as its cause."""
    given: dict[str, object] = {"plugins": ["nowhere", "audit"], "audit": {"level": "x", "y": 1}}
    with pytest.raises(SettingsError) as caught:
        load_plugins(settings_of(given))
    message = str(caught.value)
    assert message.startswith("2 problems in the settings:\n  - ")
    assert "no installed plugin has the name 'nowhere'" in message
    assert '[audit] level = "x": should be a valid integer' in message
    assert "[audit] y: unknown key" in message
    group = caught.value.__cause__
    assert isinstance(group, ExceptionGroup)
    assert group.subgroup(PluginNotFoundError) is not None


@pytest.mark.usefixtures("audit")
def test_a_table_for_a_plugin_without_settings_is_refused() -> None:
    """It could only be a mistake."""
    with pytest.raises(SettingsError, match=r"\[plain\]: plugin 'plain' has no settings: remove"):
        load_plugins(settings_of({"plugins": ["plain"], "plain": {"x": 1}}))


@pytest.mark.parametrize(
    "source", [5, None, lambda: None, ["slow_log"], b"slow_log", Counting().redis_command]
)
def test_what_is_no_plugin_is_refused(source: object) -> None:
    """The message says what can be given."""
    with pytest.raises(PluginLoadError, match="is no plugin: give a name, a class with hooks, or"):
        load_plugin(source, Settings())


def test_an_entry_point_that_names_no_plugin_is_refused(install: Installer) -> None:
    """The message names the distribution."""
    install("bad", {"bad": "bad_module:plugin"}, {"bad_module": "plugin = 5"})
    with pytest.raises(
        PluginLoadError, match=r"'bad', bad 1.0 \(bad_module:plugin\): an object of type int"
    ):
        load_plugin("bad", Settings())


@pytest.mark.parametrize("plugins", ["slow_log", Counting, 5])
def test_plugins_that_are_no_list_are_a_type_error(plugins: Any) -> None:
    """A single name would be taken for its letters otherwise."""
    with pytest.raises(TypeError, match="plugins is a list of names, classes and objects, not"):
        load_plugins(Settings(), plugins)


def test_an_entry_point_may_name_an_object_or_a_module(install: Installer) -> None:
    """They are plugins as they are, under the entry point's name."""
    install(
        "ready",
        {"ready": "ready_module:plugin", "whole": "ready_module"},
        {"ready_module": "class Ready: ...\nplugin = Ready()\n"},
    )
    assert type(load_plugin("ready", Settings()).plugin).__name__ == "Ready"
    module = load_plugin("whole", Settings())
    assert module.name == "whole"
    assert plugin_name(module.plugin) == "ready_module"
    assert load_plugin(module.plugin, Settings()).origin == "given in code (ready_module)"


def test_an_entry_point_and_its_class_agree_on_the_name(install: Installer) -> None:
    """Under another name its table would go unread."""
    source = "class Plugin:\n    name = 'other'\n"
    install("bad", {"bad": "bad_module:Plugin"}, {"bad_module": source})
    with pytest.raises(
        PluginLoadError, match="its attribute `name` is 'other': it must be that of"
    ):
        load_plugin("bad", Settings())


class Failing:
    """A plugin whose constructor fails."""

    def __init__(self) -> None:
        raise KeyError("no such thing")


class Needing:
    """A plugin that needs a package of an extra."""

    def __init__(self) -> None:
        require("nowhere_to_be_found", extra="zstd")


def test_a_failing_constructor_is_told_with_its_reason() -> None:
    """The plugin's own exception is chained."""
    with pytest.raises(PluginLoadError) as caught:
        load_plugin(Failing, Settings())
    assert str(caught.value) == (
        f"plugin 'failing', given in code ({__name__}.Failing), cannot be made: KeyError: 'no such "
        "thing'; correct it, or take 'failing' out of the plugins"
    )
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_constructor_that_needs_an_extra_is_told_with_the_command() -> None:
    """The message has the plugin and the install command."""
    with pytest.raises(MissingExtraError) as caught:
        load_plugin(Needing, Settings())
    assert str(caught.value).startswith(f"plugin 'needing', given in code ({__name__}.Needing), ca")
    assert str(caught.value).endswith('is not installed: pip install "redis-middleware[zstd]"')


class NeedingBySetting:
    """A plugin that needs a package of an extra with one of its settings."""

    class Settings(BaseModel):
        """Its settings."""

        class Codec(BaseModel):
            """A table inside."""

            name: str = "zstd"

        codec: Codec = Codec()

    def __init__(self, settings: Settings) -> None:
        require("nowhere_to_be_found", extra="zstd", setting="codec.name")


def test_a_setting_that_needs_an_extra_is_told_with_its_place(tmp_path: Path) -> None:
    """File, line, key and value come first, then the plugin and the install command."""
    path = tmp_path / "app.toml"
    path.write_text("[needing_by_setting.codec]\nname = 'zstd'\n")
    with pytest.raises(MissingExtraError) as caught:
        load_plugin(NeedingBySetting, load_settings(path, environ={}))
    assert str(caught.value).startswith(
        f"{path}, line 2: [needing_by_setting.codec] name = \"zstd\": plugin 'needing_by_setting', "
    )
    assert str(caught.value).endswith('is not installed: pip install "redis-middleware[zstd]"')
    assert caught.value.setting == "codec.name"
    with pytest.raises(MissingExtraError, match=r"\[needing_by_setting.codec\] name: plugin '"):
        load_plugin(NeedingBySetting, Settings())


def test_settings_that_are_no_model_are_refused() -> None:
    """The message says what they must be."""
    bad = type("Bad", (), {"Settings": dict})
    with pytest.raises(PluginLoadError, match=r"its Settings is .*dict.*derived from pydantic"):
        load_plugin(bad, Settings())


def test_a_validator_with_a_bug_is_told_as_the_plugins() -> None:
    """What is not a verdict on the settings is not told as one."""

    class Buggy:
        class Settings(BaseModel):
            x: int = 0

            @field_validator("x")
            @classmethod
            def _fail(cls, value: int) -> int:
                raise ZeroDivisionError("division by zero")

    with pytest.raises(PluginLoadError, match=r"'buggy', .*cannot be made: ZeroDivisionError"):
        load_plugin(Buggy, settings_of({"buggy": {"x": 1}}))


@pytest.mark.parametrize("cls", [SizeLimit, Reconfigurable, Counting])
def test_running_plugins_whose_settings_stay_are_kept(cls: type) -> None:
    """A change of the file that does not concern a plugin does not touch it."""
    before = load_plugins(Settings(), [cls])
    after = load_plugins(settings_of({"blocked": ["unrelated"]}), [cls], before)
    assert after[0] is before[0]


def test_a_running_object_is_kept() -> None:
    """An object given in code is the same plugin after every change."""
    ready = Counting()
    before = load_plugins(Settings(), [ready])
    assert load_plugins(settings_of({"plugins": []}), [ready], before)[0] is before[0]


def test_changed_settings_make_a_new_plugin_or_are_handed_over() -> None:
    """A plugin with ``reconfigure`` stays, with the settings it is to be given."""
    given: list[Callable[..., object]] = [SizeLimit, Reconfigurable]
    before = load_plugins(Settings(), given)
    table = {"most": 3}
    after = load_plugins(settings_of({"size_limit": table, "reconfigurable": table}), given, before)
    assert after[0].plugin is not before[0].plugin
    assert after[1].plugin is before[1].plugin
    assert after[0].settings == after[1].settings == SizeLimit.Settings(most=3)
    assert before[1].plugin.settings.most == 10  # type: ignore[attr-defined]


def test_another_class_of_the_same_name_replaces_a_running_plugin() -> None:
    """A name alone does not make it the same plugin."""
    before = load_plugins(Settings(), [Counting])
    other = type("Counting", (), {})
    assert type(load_plugins(Settings(), [other], before)[0].plugin) is other
