"""``redis-middleware explain``: a command's keys and slot, and the plugins that see it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.discovery.distributions import Installer

from redis_middleware.commands import key_slot

FILE = Path("redis-middleware.toml")
SOURCE = """
from redis_middleware import hookimpl

class Reads:
    def wants(self, spec):
        return spec.is_read

    @hookimpl(tryfirst=True)
    def redis_command(self, command):
        return (yield command)

class Messages:
    @hookimpl
    def redis_message(self, message):
        return (yield message)
"""


def test_a_command_and_its_key(run: Run) -> None:
    """What it is, and of the key its slot and what happens to it."""
    outcome = run("explain", "SET", "user:1", "Ann")
    assert outcome.code == 0
    assert outcome.line("SET") == "SET  group string, writes"
    assert outcome.line("flags") == "flags       denyoom, write"
    assert outcome.line("arguments") == "arguments   at least 2"
    assert outcome.line("key ").startswith(f"key         user:1  slot {key_slot(b'user:1')}, ")


def test_movable_keys_are_found(run: Run) -> None:
    """Of EVAL just the keys, and a warning where they are of several slots."""
    outcome = run("explain", "eval", "return 1", "2", "{a}x", "b", "argument")
    assert f"{{a}}x  slot {key_slot(b'a')}, " in outcome.output
    assert f"b  slot {key_slot(b'b')}, " in outcome.output
    assert "argument  slot" not in outcome.output
    assert "the keys are in 2 slots: a cluster refuses that" in outcome.output


@pytest.mark.parametrize(
    ("settings", "command", "told"),
    [
        ("", "MGET a b c a", "slot_routing sends it in 3 parts, slot by slot, which is not atomic"),
        ("", "SUNION a b", "slot_routing refuses that: a server runs it on the keys of one slot"),
        ('split = "reads"', "TOUCH a b", "slot_routing sends it in 2 parts"),
        ('split = "reads"', "DEL a b", 'slot_routing refuses that: split = "reads" does not let'),
    ],
)
def test_what_becomes_of_keys_of_several_slots(
    run: Run, settings: str, command: str, told: str
) -> None:
    """A cluster refuses them; slot_routing splits what can be split, as its settings let it."""
    FILE.write_text(f'plugins = ["slow_log", "slot_routing"]\n[slot_routing]\n{settings}')
    outcome = run("explain", *command.split())
    assert f" slots: {told}" in outcome.output
    assert "a cluster refuses that" not in outcome.output
    FILE.write_text('plugins = ["slow_log", "slot_routing"]\nblocked = ["slot_routing"]')
    assert " slots: a cluster refuses that" in run("explain", *command.split()).output


@pytest.mark.parametrize("arguments", [("config get", "x"), ("CONFIG", "GET", "x")])
def test_a_name_of_two_words(run: Run, arguments: tuple[str, ...]) -> None:
    """In one argument or in two."""
    outcome = run("explain", *arguments)
    assert outcome.line("CONFIG GET") == "CONFIG GET  group server, administers"
    assert outcome.line("keys") == "keys        none"


def test_arguments_may_look_like_options(run: Run) -> None:
    """What follows the command is the command's."""
    outcome = run("explain", "LRANGE", "--file", "-1", "-f")
    assert outcome.line("key ").startswith("key         --file  slot")
    assert "refuse" not in outcome.output


def test_a_wrong_number_of_arguments_is_told(run: Run) -> None:
    """The server would refuse the command, which is worth knowing."""
    assert "1 are given: the server would refuse it" in run("explain", "SET", "k").output
    assert "2 are given: the server would refuse it" in run("explain", "GET", "k", "k").output
    assert "refuse" not in run("explain", "SET", "k", "v", "EX", "10").output


def test_an_unknown_command_is_told(run: Run) -> None:
    """The nearest name is suggested; nothing is said of keys."""
    outcome = run("explain", "GETT", "k")
    assert outcome.code == 0
    assert "not in the table of commands; did you mean 'GET'?" in outcome.output
    assert "slot" not in outcome.output


@pytest.mark.parametrize(
    ("name", "meant"),
    [("NOSUCH", None), ("TOPK.QUERY", None), ("LRAGNE", "LRANGE"), ("HGETAL", "HGETALL")],
)
def test_only_names_that_are_near_are_suggested(run: Run, name: str, meant: str | None) -> None:
    """One that shares letters by chance is no typing error; it may be a module's command."""
    output = run("explain", name).output
    assert (f"did you mean {meant!r}?" in output) == (meant is not None)
    assert ("did you mean" in output) == (meant is not None)


def test_the_plugins_that_see_it_are_in_order(run: Run, install: Installer) -> None:
    """The order is the one that runs: tryfirst is outermost, who does not want it is named."""
    offers = {"reads": "seeing_module:Reads", "messages": "seeing_module:Messages"}
    install("seeing", offers, {"seeing_module": SOURCE})
    FILE.write_text('plugins = ["slow_log", "reads", "messages"]')
    lines = run("explain", "GET", "k").output.splitlines()
    at = lines.index("plugins that see GET, outermost first")
    assert lines[at + 1 :] == [
        "  1. reads  redis_command",
        "  2. slow_log  redis_command",
        "around a pipeline or transaction with it",
        "  1. slow_log  redis_batch",
        "plugins that do not: messages",
    ]
    output = run("explain", "SET", "k", "v").output
    assert "plugins that see SET, outermost first\n  1. slow_log" in output
    assert output.endswith("plugins that do not: reads, messages\n")


def test_a_command_that_no_plugin_sees(run: Run) -> None:
    """Without settings nothing does."""
    assert "no plugin sees GET\n" in run("explain", "GET", "k").output


def test_file_and_profile_are_chosen_before_the_command(run: Run) -> None:
    """They are options of explain, not of the command."""
    FILE.write_text('[profiles.p]\nplugins = ["slow_log"]')
    assert "no plugin sees GET" in run("explain", "--file", FILE, "GET", "k").output
    output = run("explain", "--file", FILE, "--profile", "p", "GET", "k").output
    assert "1. slow_log  redis_command" in output


def test_wrong_settings_end_it_with_an_error(run: Run) -> None:
    """What can be said without settings is said first."""
    FILE.write_text("plugins = 3")
    outcome = run("explain", "GET", "k")
    assert outcome.code == 1
    assert outcome.line("GET")
    assert "plugins" in outcome.line("error:")


def test_keys_of_any_bytes(run_process: Run) -> None:
    """A key that is no UTF-8 is hashed as it is and shown escaped."""
    key = b"\xff\xfe".decode("utf-8", "surrogateescape")
    assert (
        f"\\xff\\xfe  slot {key_slot(bytes([255, 254]))}"
        in run_process("explain", "GET", key).output
    )
