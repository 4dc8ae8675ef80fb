"""``redis-middleware plugins``: what is installed, from where, enabled or not, its settings."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.discovery.distributions import Installer

FILE = Path("redis-middleware.toml")
PLUGINS = '''
from typing import Annotated
from pydantic import BaseModel, Field
from redis_middleware import hookimpl
from redis_middleware.settings.types import Bytes, Duration, KeyPattern

class Rule(BaseModel):
    keys: KeyPattern
    ttl: Duration = 30

class Guard:
    """Guards
    things.

    At length.
    """

    class Settings(BaseModel):
        rules: list[Rule] = [Rule(keys=KeyPattern("config:*"))]
        max_value: Annotated[Bytes, Field(gt=0, description="The biggest value.")] = 2**20
        address: str = Field(description="Whom to tell.")
        copy_to: str = Field(default_factory=lambda data: data["address"])

    def __init__(self, settings):
        pass

    @hookimpl(trylast=True)
    def redis_message(self, message):
        return (yield message)

class Plain:
    @hookimpl
    def redis_connect(self, connection):
        return (yield connection)
'''


def install_guard(install: Installer) -> None:
    """Install a distribution with two plugins."""
    offers = {"guard": "guard_module:Guard", "plain": "guard_module:Plain"}
    install("guards", offers, {"guard_module": PLUGINS}, version="2.1")


def test_the_built_in_plugins_are_listed(run: Run) -> None:
    """With what they do, where they are, and that nothing enables them here."""
    outcome = run("plugins")
    assert outcome.code == 0
    heading = outcome.line("slow_log  ")
    assert "not enabled" in heading
    assert "redis_middleware_plugins.slow_log:SlowLog" in heading
    assert "Logs commands slower than a threshold" in outcome.output
    described = outcome.output[outcome.output.index("slow_log  ") :]
    assert "hooks: redis_command, redis_batch; only observes" in described


def test_the_settings_can_be_pasted_into_a_file(run: Run) -> None:
    """What is printed from the table's header on is TOML, descriptions are comments."""
    lines = run("plugins", "slow_log").output.splitlines()
    table = "\n".join(lines[lines.index("    [slow_log]") :])
    settings = tomllib.loads(table)["slow_log"]
    assert settings["threshold"] == "10 ms"
    assert settings["keep"] == 128
    assert "# How many of the latest entries are kept to be read by code." in table
    FILE.write_text(f'plugins = ["slow_log"]\n{table}')
    assert run("check").code == 0


def test_plugins_of_others_are_listed_too(run: Run, install: Installer) -> None:
    """Distribution and version, nested settings, sizes and durations with units."""
    install_guard(install)
    output = run("plugins").output
    assert "guard  not enabled  guards 2.1 (guard_module:Guard)" in output
    assert "    Guards things.\n" in output
    assert "hooks: redis_message (last)" in output
    assert 'rules = [{ keys = "config:*", ttl = "30 s" }]' in output
    assert '# The biggest value.\n    max_value = "1 MiB"' in output
    assert "# Whom to tell.\n    # address must be set" in output
    assert "# copy_to follows from other settings" in output
    assert "no settings" in output[output.index("plain") :]


def test_enabled_plugins_have_their_place(run: Run, install: Installer) -> None:
    """Settings of a file, of a profile and blocked ones."""
    install_guard(install)
    FILE.write_text(
        'plugins = ["plain", "slow_log", "gone"]\n[profiles.p]\nblocked = ["plain"]\n'
        'plugins = ["plain", "slow_log"]'
    )
    outcome = run("plugins")
    assert "enabled, 1 of 3" in outcome.line("plain  ")
    assert "enabled, 2 of 3" in outcome.line("slow_log  ")
    assert "not enabled" in outcome.line("guard  ")
    assert outcome.line("gone") == "gone  enabled, but not installed"
    outcome = run("plugins", "--file", FILE, "--profile", "p")
    assert "blocked" in outcome.line("plain  ")
    assert "enabled, 1 of 1" in outcome.line("slow_log  ")


def test_a_broken_plugin_is_listed_with_what_is_wrong(run: Run, install: Installer) -> None:
    """It does not keep the others from being shown."""
    install("bad-plugins", {"bad": "bad_module:Bad"}, {"bad_module": "1 / 0"})
    outcome = run("plugins")
    assert outcome.code == 0
    assert "cannot be imported: ZeroDivisionError" in outcome.output
    assert "slow_log  not enabled" in outcome.output


def test_a_plugin_that_could_not_run_is_listed_with_what_is_wrong(
    run: Run, install: Installer
) -> None:
    """What enabling it would tell is told here already: no list of settings pretends it is fine."""
    source = "class Bad:\n    def __init__(self, settings):\n        pass\n"
    install("bad-plugins", {"bad": "bad_maker:Bad"}, {"bad_maker": source})
    outcome = run("plugins", "bad")
    assert outcome.code == 0
    assert "its __init__ takes 'settings', but it has no class Settings" in outcome.output
    assert "no settings\n" not in outcome.output


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("raise SystemExit(3)", "SystemExit: 3; update"),
        ("import sys; sys.exit()", "SystemExit; update"),
    ],
)
def test_a_plugin_that_ends_the_program_is_broken(
    run: Run, install: Installer, source: str, told: str
) -> None:
    """A module that exits as it is imported, as scripts do, is at fault like any that fails."""
    install("rude-plugins", {"rude": "rude_module:Rude"}, {"rude_module": source})
    outcome = run("plugins")
    assert outcome.code == 0
    assert f"(rude_module:Rude), cannot be imported: {told}" in outcome.output
    assert "slow_log  not enabled" in outcome.output
    outcome = run("schema")
    assert outcome.code == 0
    assert '"slow_log"' in outcome.output
    FILE.write_text('plugins = ["rude"]')
    outcome = run("check")
    assert outcome.code == 1
    assert "cannot be imported: SystemExit" in outcome.output


def test_a_plugin_that_ends_the_program_when_it_is_made_is_broken(
    run: Run, install: Installer
) -> None:
    """Likewise where its class is called."""
    source = "class Rude:\n    def __init__(self):\n        raise SystemExit(3)\n"
    install("rude-plugins", {"rude": "rude_maker:Rude"}, {"rude_maker": source})
    FILE.write_text('plugins = ["rude"]')
    outcome = run("check")
    assert outcome.code == 1
    assert "cannot be made: SystemExit: 3; update or repair rude-plugins" in outcome.output


def test_an_unknown_name_is_a_problem(run: Run) -> None:
    """The nearest name is suggested."""
    outcome = run("plugins", "slowlog")
    assert outcome.code == 1
    assert "'slowlog'; did you mean 'slow_log'?" in outcome.line("error:")
