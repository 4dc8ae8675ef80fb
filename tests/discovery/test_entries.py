"""Plugins of installed distributions: found without importing, told apart, imported on demand."""

from __future__ import annotations

import logging
import sys

import pytest
from tests.discovery.distributions import Installer

from redis_middleware.discovery import installed_plugins
from redis_middleware.errors import MissingExtraError, PluginLoadError


def test_a_plugin_is_found_with_where_it_is_from(install: Installer) -> None:
    """Name, distribution, version and place are known, and the plugin loads."""
    install("shop-plugins", {"audit": "shop_audit:Audit"}, {"shop_audit": "class Audit: ..."})
    entry = installed_plugins()["audit"]
    assert (entry.name, entry.value) == ("audit", "shop_audit:Audit")
    assert (entry.distribution, entry.version) == ("shop-plugins", "1.0")
    assert str(entry) == "shop-plugins 1.0 (shop_audit:Audit)"
    assert entry.load().__name__ == "Audit"  # type: ignore[attr-defined]


def test_finding_imports_nothing(install: Installer) -> None:
    """A module that ends the program when imported is found without harm."""
    install("bad", {"bad": "bad_module:Plugin"}, {"bad_module": "raise SystemExit('imported')"})
    assert "bad" in installed_plugins()
    assert "bad_module" not in sys.modules


def test_entry_points_of_other_groups_are_not_plugins(install: Installer) -> None:
    """Only those of the group redis_middleware are."""
    information = install("other", {})
    (information / "entry_points.txt").write_text("[console_scripts]\nother_tool = other:main\n")
    assert "other_tool" not in installed_plugins()


def test_two_distributions_with_one_name_are_told_when_it_is_loaded(install: Installer) -> None:
    """Finding them is no error; loading names both and says what to do."""
    install("one", {"audit": "one_audit:Audit"}, {"one_audit": "class Audit: ..."})
    install("two", {"audit": "two_audit:Audit", "fine": "two_audit:Audit"}, version="2.0")
    entries = installed_plugins()
    assert not entries["fine"].rivals
    with pytest.raises(PluginLoadError) as caught:
        entries["audit"].load()
    message = str(caught.value)
    assert message.startswith("several distributions offer a plugin 'audit': ")
    assert "one 1.0 (one_audit:Audit)" in message
    assert "two 2.0 (two_audit:Audit)" in message
    assert message.endswith("uninstall all but one, or give the class itself in code")


def test_a_distribution_that_is_there_twice_is_the_first(install: Installer) -> None:
    """An older copy later on the import path is shadowed, also what only it offers."""
    install("shop-plugins", {"audit": "new:Audit"}, version="2.0", site="first")
    install("shop_plugins", {"audit": "old:Audit", "gone": "old:Gone"}, site="second")
    entries = installed_plugins()
    assert entries["audit"].version == "2.0"
    assert not entries["audit"].rivals
    assert "gone" not in entries


def test_broken_metadata_of_others_does_no_harm(
    install: Installer, caplog: pytest.LogCaptureFixture
) -> None:
    """A distribution whose entry points cannot be read is logged, the others are found."""
    install("fine", {"audit": "fine:Audit"})
    information = install("broken", {})
    (information / "entry_points.txt").write_bytes(b"[redis_middleware]\nno equals sign\n\xff")
    with caplog.at_level(logging.WARNING):
        assert "audit" in installed_plugins()
    assert "has metadata that cannot be read" in caplog.text
    assert str(information.parent) in caplog.text


@pytest.mark.parametrize(
    ("value", "source", "reason"),
    [
        ("broken_module:Plugin", "1 / 0", "ZeroDivisionError: division by zero"),
        ("broken_module:Plugin", "class Other: ...", "AttributeError: module 'broken_module' has"),
        ("no_such_module:Plugin", "", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("broken_module:Plugin", "def (", "SyntaxError"),
        ("broken_module:Plugin", "import no_such_package", "named 'no_such_package'"),
    ],
)
def test_a_failing_import_names_the_plugin_and_its_distribution(
    install: Installer, value: str, source: str, reason: str
) -> None:
    """The message has plugin, distribution, place, reason and what to do; the cause is chained."""
    install("shop-plugins", {"broken": value}, {"broken_module": source})
    with pytest.raises(PluginLoadError) as caught:
        installed_plugins()["broken"].load()
    message = str(caught.value)
    assert message.startswith(f"plugin 'broken', shop-plugins 1.0 ({value}), cannot be imported: ")
    assert reason in message
    assert message.endswith("; update or repair shop-plugins, or take 'broken' out of the plugins")
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("requirement", "statement"),
    [
        ('nozstandard>=1; extra == "zstd"', "import nozstandard"),
        ("nozstandard (>=1) ; python_version > '3' and extra == 'zstd'", "import nozstandard.x"),
        ('No.Zstandard; extra == "zstd"', "import no_zstandard"),
        ('PyNoYaml; extra == "zstd"', "import noyaml"),
        ('python-nodateutil; extra == "zstd"', "import nodateutil"),
        ('opentelemetry-noexporter-otlp; extra == "zstd"', "import opentelemetry.noexporter.otlp"),
        ('nocloud-storage; extra == "zstd"', "import nocloud.storage"),
    ],
)
def test_a_missing_extra_is_told_with_its_install_command(
    install: Installer, requirement: str, statement: str
) -> None:
    """A missing module that an extra of the distribution brings, whatever it is called there."""
    install(
        "shop-plugins",
        {"packed": "packed_module:Packed"},
        {"packed_module": f"{statement}\nclass Packed: ..."},
        requires=("requests", 'typer; extra == "cli"', requirement),
    )
    with pytest.raises(MissingExtraError) as caught:
        installed_plugins()["packed"].load()
    message = str(caught.value)
    assert message.startswith("plugin 'packed', shop-plugins 1.0 (packed_module:Packed), cannot")
    assert message.endswith('is not installed: pip install "shop-plugins[zstd]"')
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
