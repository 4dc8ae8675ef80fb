"""``redis-middleware check``: problems are told where they are, the pipeline as it will run."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.discovery.distributions import Installer

FILE = "redis-middleware.toml"
SETTINGS = """\
plugins = ["slow_log"]

[slow_log]
threshold = "5 ms"
hash_secret = "hush"

[slow_log.thresholds]
"CONFIG GET" = 2
"""
AUDIT = '''
from pydantic import BaseModel
from redis_middleware import hookimpl

class Settings(BaseModel):
    level: int = 3

class Audit:
    """Writes down who did what."""
    Settings = Settings

    def __init__(self, settings):
        pass

    @hookimpl(tryfirst=True)
    def redis_command(self, command):
        return (yield command)

    @hookimpl
    def redis_detach(self):
        pass
'''


def write(text: str, name: str = FILE) -> Path:
    """Write a settings file into the working directory."""
    path = Path.cwd() / name
    path.write_text(text)
    return path


def test_the_pipeline_is_shown_with_its_settings(run: Run) -> None:
    """Each value as the file would have it, and what set it; secrets are masked."""
    path = write(SETTINGS)
    outcome = run("check")
    assert outcome.code == 0
    assert outcome.line("settings") == f"settings  {path}"
    assert outcome.line("pipeline") == "pipeline  slow_log > server"
    assert outcome.line("1. ").startswith("1. slow_log  redis-middleware ")
    assert outcome.line("hooks:") == "hooks: redis_command, redis_batch; only observes"
    assert outcome.line("threshold =").split("  ", 1)[0] == 'threshold = "5 ms"'
    assert outcome.line("threshold =").endswith("# line 4")
    assert '{ "CONFIG GET" = "2 s" }  # line 7' in outcome.line("thresholds =")
    assert outcome.line("keep = 128").endswith("# default")
    assert outcome.line("hash_secret").endswith("# line 5")
    assert "hush" not in outcome.output
    assert outcome.output.endswith("No problems found.\n")


def test_a_file_can_be_named(run: Run) -> None:
    """It need not have the name that the search looks for."""
    path = write(SETTINGS, "other.toml")
    outcome = run("check", path)
    assert (outcome.code, outcome.line("settings")) == (0, f"settings  {path}")


def test_plugins_are_in_order(run: Run, install: Installer) -> None:
    """The list is outermost first; a hook that goes first wherever it stands says so."""
    install("audit-plugins", {"audit": "audit_module:Audit"}, {"audit_module": AUDIT})
    write('plugins = ["slow_log", "audit"]')
    outcome = run("check")
    assert outcome.line("pipeline") == "pipeline  slow_log > audit > server"
    assert outcome.line("2. ") == "2. audit  audit-plugins 1.0 (audit_module:Audit)"
    assert outcome.line("hooks: redis_command (first)").endswith("(first), redis_detach")
    assert outcome.line("level = 3")


def test_the_environment_counts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a variable sets, also inside a table, is shown with its name."""
    monkeypatch.setenv("REDIS_MIDDLEWARE__SLOW_LOG__KEEP", "3")
    monkeypatch.setenv("REDIS_MIDDLEWARE__SLOW_LOG__THRESHOLDS__KEYS", "1 s")
    write(SETTINGS)
    outcome = run("check")
    assert outcome.code == 0
    keep = outcome.line("keep = 3")
    assert keep.endswith("# environment variable REDIS_MIDDLEWARE__SLOW_LOG__KEEP")
    thresholds = outcome.line("thresholds")
    assert thresholds.endswith(
        "# line 7, environment variable REDIS_MIDDLEWARE__SLOW_LOG__THRESHOLDS__KEYS"
    )
    assert 'keys = "1 s"' in thresholds


def test_a_list_of_plugins_from_the_environment_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty variable switches all plugins off: who looks for them is told where they went."""
    write('plugins = ["slow_log"]')
    assert "REDIS_MIDDLEWARE__PLUGINS" not in run("check").output
    monkeypatch.setenv("REDIS_MIDDLEWARE__PLUGINS", "")
    outcome = run("check")
    assert outcome.line("plugins") == "plugins   environment variable REDIS_MIDDLEWARE__PLUGINS"
    assert outcome.line("No plugins run.")


def test_no_line_ends_with_blanks(run: Run) -> None:
    """The report can be copied into a file that a linter looks at."""
    write('plugins = ["slow_log"]')
    lines = run("check").output.splitlines()
    assert any("hash_secret is not set" in line for line in lines)
    assert [line for line in lines if line != line.rstrip()] == []


def test_no_settings_are_no_problem(run: Run) -> None:
    """Programs run without plugins then."""
    outcome = run("check")
    assert outcome.code == 0
    assert "no settings file was found" in outcome.line("settings")
    assert "No plugins run." in outcome.output


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plugins = [", f"{FILE} is not valid TOML"),
        ("pluggins = []", "line 1: pluggins: unknown key; did you mean 'plugins'?"),
        ('plugins = ["slow_lag"]', "'slow_lag'; did you mean 'slow_log'?"),
        (
            'plugins = ["slow_log"]\n[slow_log]\nkeep = 0',
            "line 3: [slow_log] keep = 0: should be greater than or equal to 1",
        ),
        (
            'plugins = ["slow_log"]\n[slow_log]\nthreshhold = 1',
            "line 3: [slow_log] threshhold: unknown key; did you mean 'threshold'?",
        ),
    ],
    ids=["not TOML", "unknown key", "unknown plugin", "wrong value", "unknown setting"],
)
def test_a_problem_is_told_with_its_place(run: Run, text: str, expected: str) -> None:
    """The message is an error message, not a traceback, and the exit code is 1."""
    write(text)
    outcome = run("check")
    assert outcome.code == 1
    assert expected in outcome.line("error:")
    assert "Traceback" not in outcome.output


def test_a_missing_file_is_a_problem(run: Run) -> None:
    """A file that was named must be there."""
    outcome = run("check", "nowhere.toml")
    assert outcome.code == 1
    assert "the file nowhere.toml does not exist" in outcome.line("error:")


def test_every_problem_is_told(run: Run) -> None:
    """One run is enough to see them all."""
    write('plugins = ["slow_log", "nix"]\n[slow_log]\nkeep = 0\nkeys = "all"\n')
    outcome = run("check")
    assert outcome.code == 1
    for part in ("'nix'", "[slow_log] keep", "[slow_log] keys"):
        assert part in outcome.output


def test_the_table_of_a_plugin_that_does_not_run_is_checked(run: Run) -> None:
    """Whoever enables it later should not meet an old mistake."""
    write('[slow_log]\nkeep = "many"\n')
    outcome = run("check")
    assert outcome.code == 1
    assert '[slow_log] keep = "many"' in outcome.line("error:")
    write("[slow_log]\nkeep = 4\n")
    outcome = run("check")
    assert outcome.code == 0
    assert outcome.line("slow_log") == "slow_log has a table, but is not enabled."


def test_every_profile_is_checked(run: Run) -> None:
    """A problem of one is told, although another one, or none, is shown."""
    write(f"{SETTINGS}\n[profiles.web.slow_log]\nkeep = 9\n[profiles.batch.slow_log]\nkeep = 0\n")
    outcome = run("check")
    assert outcome.code == 1
    assert outcome.line("profile") == "profile   none (there are also web, batch)"
    assert "[profiles.batch.slow_log] keep = 0" in outcome.line("error:")


def test_a_profile_can_be_chosen(run: Run) -> None:
    """Its pipeline is shown, and only its problems are told."""
    write(f"{SETTINGS}\n[profiles.web.slow_log]\nkeep = 9\n[profiles.batch.slow_log]\nkeep = 0\n")
    outcome = run("check", "--profile", "web")
    assert outcome.code == 0
    assert outcome.line("profile") == "profile   web (there is also batch)"
    assert outcome.line("keep = 9").endswith("# line 11")
    assert run("check", "-p", "batch").code == 1
    assert "no profile 'wep'" in run("check", "-p", "wep").line("error:")


def test_a_problem_of_all_profiles_is_told_once(run: Run) -> None:
    """What the top level has wrong is wrong in every profile."""
    write('plugins = ["slow_log"]\n[slow_log]\nkeep = 0\n[profiles.a]\n[profiles.b]\n')
    assert run("check").output.count("[slow_log] keep = 0") == 1


def test_blocked_plugins_are_told(run: Run) -> None:
    """A plugin that is listed and blocked does not run; a name that nobody has is warned of."""
    write('plugins = ["slow_log"]\nblocked = ["slow_log", "old"]\n[profiles.a]\n')
    outcome = run("check")
    assert outcome.code == 0
    assert "No plugins run." in outcome.output
    assert outcome.line("slow_log") == "slow_log is listed, but blocked."
    assert "no installed plugin has the name 'old'" in outcome.line("warning:")


def test_a_broken_plugin_names_itself(run: Run, install: Installer) -> None:
    """Only where it is enabled."""
    install("bad-plugins", {"bad": "bad_module:Bad"}, {"bad_module": "1 / 0"})
    write("plugins = []")
    assert run("check").code == 0
    write('plugins = ["bad"]')
    outcome = run("check")
    assert outcome.code == 1
    error = outcome.line("error:")
    assert "plugin 'bad', bad-plugins 1.0 (bad_module:Bad), cannot be imported" in error


def test_a_plugin_without_hooks_is_a_problem(run: Run, install: Installer) -> None:
    """What wrapping a client would refuse is refused here."""
    install("lazy", {"lazy": "lazy_module:Lazy"}, {"lazy_module": "class Lazy: ..."})
    write('plugins = ["lazy"]')
    outcome = run("check")
    assert outcome.code == 1
    assert "implements no hook" in outcome.line("error:")
