"""Named profiles over the top level."""

from __future__ import annotations

from pathlib import Path

import pytest

from redis_middleware.errors import SettingsError
from redis_middleware.settings import load_settings

TEXT = """
plugins = ["slow_log", "local_cache"]

[slow_log]
threshold = 0.1
[slow_log.thresholds]
GET = 0.01
SET = 0.02

[profiles.production]
plugins = ["local_cache"]
blocked = ["slow_log"]

[profiles.production.slow_log.thresholds]
GET = 0.5

[profiles.production.local_cache]
ttl = 30

[profiles.test]
plugins = []
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a settings file with two profiles."""
    path = tmp_path / "redis-middleware.toml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_without_a_profile_the_top_level_holds(path: Path) -> None:
    """Profiles that nobody chose change nothing, and are not among the tables."""
    settings = load_settings(path, environ={})
    assert settings.plugins == ("slow_log", "local_cache")
    assert set(settings.tables) == {"slow_log"}
    assert settings.profile is None


def test_lists_replace_and_tables_merge_key_by_key(path: Path) -> None:
    """A profile's list replaces, its tables merge however deep, new tables are added."""
    settings = load_settings(path, profile="production", environ={})
    assert settings.plugins == ("local_cache",)
    assert settings.blocked == ("slow_log",)
    assert settings.tables == {
        "slow_log": {"threshold": 0.1, "thresholds": {"GET": 0.5, "SET": 0.02}},
        "local_cache": {"ttl": 30},
    }
    assert settings.profile == "production"


def test_an_empty_list_of_a_profile_replaces_too(path: Path) -> None:
    """A profile can run no plugin at all."""
    assert load_settings(path, profile="test", environ={}).plugins == ()


def test_the_environment_chooses_where_the_argument_does_not(path: Path) -> None:
    """REDIS_MIDDLEWARE_PROFILE is the default of the argument; empty counts as unset."""
    environ = {"REDIS_MIDDLEWARE_PROFILE": "production"}
    assert load_settings(path, environ=environ).profile == "production"
    assert load_settings(path, profile="test", environ=environ).profile == "test"
    assert load_settings(path, environ={"REDIS_MIDDLEWARE_PROFILE": ""}).profile is None


def test_an_unknown_profile_names_the_nearest_and_who_chose_it(path: Path) -> None:
    """The message has the file, the nearest name and all the names."""
    with pytest.raises(SettingsError) as caught:
        load_settings(path, profile="prodution", environ={})
    assert str(caught.value) == (
        f"the profile argument: no profile 'prodution' in {path}; did you mean 'production'? it "
        "has the profiles production, test"
    )
    with pytest.raises(SettingsError, match=r"^environment variable REDIS_MIDDLEWARE_PROFILE: no"):
        load_settings(path, environ={"REDIS_MIDDLEWARE_PROFILE": "staging"})


def test_a_profile_of_settings_without_profiles_is_refused(tmp_path: Path) -> None:
    """Also where no settings file was found, which is likely the mistake."""
    with pytest.raises(
        SettingsError, match=r"empty settings \(no settings file was found\); it ha"
    ):
        load_settings(profile="production", environ={}, directory=tmp_path)


def test_the_variable_does_not_concern_a_mapping_without_profiles() -> None:
    """Settings given in code are not broken by the profile of the program's file."""
    environ = {"REDIS_MIDDLEWARE_PROFILE": "production"}
    assert load_settings({"plugins": ["a"]}, environ=environ).plugins == ("a",)
    with_profiles = {"plugins": ["a"], "profiles": {"production": {"plugins": ["b"]}}}
    assert load_settings(with_profiles, environ=environ).plugins == ("b",)


def test_every_profile_is_checked(path: Path) -> None:
    """A mistake in a profile is told at once, not when somebody chooses it."""
    path.write_text("[profiles.production]\nplugin = ['a']", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environ={})
    assert f"{path}, line 2: [profiles.production] plugin: unknown key" in str(caught.value)
    assert "did you mean 'plugins'?" in str(caught.value)


def test_profiles_do_not_nest(path: Path) -> None:
    """A profile in a profile is refused, not ignored."""
    path.write_text("[profiles.a.profiles.b]\nplugins = ['a']", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"\[profiles.a\] profiles: a profile cannot hold prof"):
        load_settings(path, environ={})


@pytest.mark.parametrize("profiles", [[1], {"a": 1}])
def test_profiles_are_tables(profiles: object) -> None:
    """What is not a table of tables is told as such."""
    with pytest.raises(SettingsError, match="should be a table"):
        load_settings({"profiles": profiles}, environ={})
