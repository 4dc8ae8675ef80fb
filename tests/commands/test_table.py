"""The table of commands is what the generator makes of real servers."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from redis_middleware.commands import all_specs, spec_of, table

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "tools" / "generate_command_table.py"
SUPPLEMENT = tomllib.loads((ROOT / "tools" / "command_supplement.toml").read_text("utf-8"))


def generate(output: Path, *binaries: Path) -> str:
    """Run the generator for some servers and return the table it writes."""
    servers = [word for binary in binaries for word in ("--server", str(binary))]
    command = [sys.executable, str(GENERATOR), *servers, "--output", str(output)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return output.read_text("utf-8")


def sources_of(text: str) -> str:
    """Return the servers that a table says it was made from."""
    match = re.search(r"COMMAND replies of (.*)\n", text)
    assert match is not None
    return match[1]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory, server_binaries: tuple[Path, ...]) -> Path:
    """Return a table made from the servers at hand."""
    output = tmp_path_factory.mktemp("table") / "table.py"
    generate(output, *server_binaries)
    return output


@pytest.mark.server
def test_the_table_has_every_command_of_the_servers(generated: Path) -> None:
    """Each command of the servers at hand is in the table, as Valkey describes it if it has it.

    A difference in arity, flags or keys means that the table is to be made anew.
    """
    commands = runpy.run_path(str(generated))["COMMANDS"]
    assert commands.keys() <= table.COMMANDS.keys()
    if not sources_of(generated.read_text("utf-8")).startswith("Valkey"):
        return
    for name, line in commands.items():
        *columns, _, keys = line.split(" | ")
        *known_columns, _, known_keys = table.COMMANDS[name].split(" | ")
        assert (known_columns, known_keys) == (columns, keys), name


@pytest.mark.server
def test_the_same_servers_give_the_same_bytes(generated: Path, tmp_path: Path) -> None:
    """With the servers the table was made from, the generator makes it again to the byte."""
    text = generated.read_text("utf-8")
    in_repository = Path(table.__file__).read_text("utf-8")
    if sources_of(text) == sources_of(in_repository):
        assert text == in_repository


@pytest.mark.server
def test_the_generator_is_deterministic(server_binaries: tuple[Path, ...], tmp_path: Path) -> None:
    """Two runs give the same bytes."""
    first = generate(tmp_path / "first.py", server_binaries[0])
    assert generate(tmp_path / "second.py", server_binaries[0]) == first


@pytest.mark.server
def test_a_server_that_does_not_start_is_named(tmp_path: Path) -> None:
    """The generator tells which binary failed and what it said."""
    binary = tmp_path / "no-server"
    binary.write_text("#!/bin/sh\necho cannot do that\nexit 1\n")
    binary.chmod(0o755)
    with pytest.raises(subprocess.CalledProcessError) as error:
        generate(tmp_path / "table.py", binary)
    assert "no-server" in error.value.stderr.decode()
    assert "cannot do that" in error.value.stderr.decode()


def test_the_supplement_names_its_sources() -> None:
    """Everything that was written by hand says where it is from."""
    for part in (*SUPPLEMENT["part"], *SUPPLEMENT["tips"]):
        assert part["source"].strip()
        assert part["commands"]


def test_the_supplement_is_in_the_table() -> None:
    """Every command and every tip of the supplement is known."""
    for part in SUPPLEMENT["part"]:
        for name in part["commands"]:
            assert name in table.COMMANDS
    for part in SUPPLEMENT["tips"]:
        for name, tips in part["commands"].items():
            assert set(tips.split()) <= spec_of(name).tips


def test_every_line_of_the_table_can_be_read() -> None:
    """Each line gives a specification whose keys all have flags."""
    assert [spec.name for spec in all_specs()] == sorted(table.COMMANDS)
    assert all(key_spec.flags for spec in all_specs() for key_spec in spec.key_specs)
