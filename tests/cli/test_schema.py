"""``redis-middleware schema``: the JSON schema of the settings file."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run


def test_it_describes_the_settings_of_the_installed_plugins(run: Run) -> None:
    """The output is nothing but JSON; the built-in plugin's table is in it."""
    outcome = run("schema")
    schema = json.loads(outcome.output)
    assert outcome.code == 0
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "slow_log" in schema["properties"]
    assert "threshold" in schema["$defs"]["slow_log"]["properties"]


def test_it_can_be_written_to_a_file(run: Run) -> None:
    """The same text as is printed."""
    path = Path("redis-middleware.schema.json")
    assert run("schema", "--output", path).output == ""
    assert path.read_text() == run("schema").output
