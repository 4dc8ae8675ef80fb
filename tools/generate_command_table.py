#!/usr/bin/env python3
"""Generate ``redis_middleware/commands/table.py`` from what real servers answer to COMMAND.

::

    python tools/generate_command_table.py \\
        --server /path/to/valkey-server --server /path/to/redis-server

starts each server on a unix socket in a temporary directory, once as a server and once as a
sentinel, and asks it COMMAND, COMMAND DOCS and INFO. The same servers and the same supplement
give the same bytes.

What counts when sources differ: of the servers, the one named first; a later one adds the
commands that the earlier ones do not have, and its tips other than those about a cluster's
request and response. Then comes ``tools/command_supplement.toml``, written by hand, for what none
of them has: module commands, the commands of newer and of older versions.

One thing is put right: a module that registers a command in the old way has no means of telling
what happens to its keys, and the server then assumes the worst of it. Where the command is
``readonly``, its keys are ``RO access`` here.

The table is a module that holds one string, one command a line, so that differences can be read.
Importing it takes 0.4 ms, the dictionary of its lines included, and 1.5 ms where there is no
``.pyc``, as in containers that write no bytecode. As a dictionary of tuples it took 0.3 and 9 ms,
since Python has to compile each value; JSON took 0.7 ms and TOML 9 ms, both besides the import
of their parser. A line is taken apart when its command is asked for the first time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

ROOT = Path(__file__).resolve().parent.parent
SUPPLEMENT = ROOT / "tools" / "command_supplement.toml"
TABLE = ROOT / "middleware" / "redis_middleware" / "commands" / "table.py"

START_TIMEOUT = 10.0
"""Seconds a server has for its start."""

ASSUMED_OF_MODULES = {"RW", "access", "update"}
"""The key flags of a module command that was registered without any."""

HEADER = '''\
# ruff: noqa: E501 - one command a line, so that differences can be read
"""The commands of Redis and Valkey. Generated: do not change by hand.

Made by tools/generate_command_table.py from the COMMAND replies of {sources}
and from tools/command_supplement.toml.
"""

from __future__ import annotations

from typing import Final

__all__ = ["COMMANDS"]

# name | arity | flags | ACL categories | group | tips | key specifications; - for nothing
_TABLE = """\
{rows}"""

COMMANDS: Final[dict[str, str]] = dict(row.split(" | ", 1) for row in _TABLE.splitlines())
"""The commands by name, in order: the rest of each line, as text.

``key_specs`` tells the notation of the key specifications.
"""
'''


@dataclass(frozen=True)
class Command:
    """One line of the table."""

    arity: int
    flags: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    group: str = ""
    tips: frozenset[str] = frozenset()
    keys: str = ""

    def line(self, name: str) -> str:
        """Return the command as a line of the table."""
        columns = [
            name,
            str(self.arity),
            _sorted_words(self.flags),
            _sorted_words(self.categories),
            self.group,
            _sorted_words(self.tips),
            self.keys,
        ]
        return " | ".join(column or "-" for column in columns) + "\n"


@dataclass(frozen=True)
class Source:
    """What one server told: its name with its version, and its commands by name."""

    name: str
    commands: Mapping[str, Command] = field(repr=False)


def _sorted_words(words: Iterable[str]) -> str:
    return " ".join(sorted(words))


@contextmanager
def running_server(binary: Path, *, sentinel: bool) -> Iterator[Callable[..., Any]]:
    """Run a server, or a sentinel, and give a function that sends it a command.

    The function takes the command's words and returns the reply as it is in RESP3, bytes decoded.

    Raises:
        RuntimeError: the server does not start; the message has its output.
    """
    with tempfile.TemporaryDirectory(prefix="commands-") as directory:
        config, socket = Path(directory, "server.conf"), Path(directory, "server.sock")
        config.write_text(f'port 0\nunixsocket "{socket}"\ndir "{directory}"\n')
        command = [str(binary), str(config), *(["--sentinel"] if sentinel else ["--save", ""])]
        client = redis.Redis(
            unix_socket_path=str(socket),
            protocol=3,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
        )
        client.response_callbacks.clear()
        with (
            Path(directory, "output").open("w+") as output,
            subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process,
            client,
        ):
            try:
                _wait_until_ready(client.execute_command, process, Path(output.name))
                yield client.execute_command
            finally:
                process.terminate()


def _wait_until_ready(
    ask: Callable[..., Any], process: subprocess.Popen[bytes], output: Path
) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            ask("PING")
            return
        except redis.RedisError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                message = f"{process.args!r} does not start: {output.read_text().strip()}"
                raise RuntimeError(message) from error
            time.sleep(0.02)


def read_server(binary: Path) -> Source:
    """Start a server and learn all of its commands, those of its sentinel included."""
    with running_server(binary, sentinel=False) as ask:
        name = _name_and_version(ask("INFO", "server"))
        commands = _read_commands(ask)
    with running_server(binary, sentinel=True) as ask:
        sentinel = _read_commands(ask)
    return Source(name, {**sentinel, **commands})


def _name_and_version(info: str) -> str:
    lines = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    if "valkey_version" in lines:
        return f"Valkey {lines['valkey_version']}"
    return f"Redis {lines['redis_version']}"


def _read_commands(ask: Callable[..., Any]) -> dict[str, Command]:
    groups: dict[str, str] = {}
    _read_groups(ask("COMMAND", "DOCS"), groups)
    commands: dict[str, Command] = {}
    _read_replies(ask("COMMAND"), groups, commands)
    return commands


def _name(reply_name: str) -> str:
    return reply_name.upper().replace("|", " ")


def _read_groups(docs: dict[str, Any], groups: dict[str, str]) -> None:
    for name, entry in docs.items():
        groups[_name(name)] = entry.get("group", "")
        _read_groups(entry.get("subcommands", {}), groups)


def _read_replies(
    replies: list[Any], groups: Mapping[str, str], commands: dict[str, Command]
) -> None:
    for name, arity, flags, _, _, _, categories, tips, specs, subcommands in replies:
        commands[_name(name)] = Command(
            arity=arity,
            flags=frozenset(flags),
            categories=frozenset(category.removeprefix("@") for category in categories),
            group=groups.get(_name(name), ""),
            tips=frozenset(tips),
            keys="; ".join(_key_spec(spec, {"readonly", "module"} <= {*flags}) for spec in specs),
        )
        _read_replies(subcommands, groups, commands)


def _key_spec(spec: dict[str, Any], of_reading_module: bool) -> str:
    flags = set(spec["flags"])
    if of_reading_module and flags == ASSUMED_OF_MODULES:
        flags = {"RO", "access"}
    return f"{_key_place(spec['begin_search'], spec['find_keys'])}: {_sorted_words(flags)}"


def _key_place(begin_search: dict[str, Any], find_keys: dict[str, Any]) -> str:
    begin, keys = begin_search["spec"], find_keys["spec"]
    match begin_search["type"], find_keys["type"]:
        case "index", _:
            place = str(begin["index"])
        case "keyword", _:
            place = f"{begin['keyword']} {begin['startfrom']}"
        case "unknown", _:
            return "unknown"
    match find_keys["type"]:
        case "range":
            numbers = f"{keys['lastkey']} {keys['keystep']} {keys['limit']}"
            one_key = numbers == "0 1 0" and begin_search["type"] == "index"
            return place if one_key else f"{place} range {numbers}"
        case "keynum":
            return f"{place} keynum {keys['keynumidx']} {keys['firstkey']} {keys['keystep']}"
        case _:
            return "unknown"


def read_supplement(path: Path) -> tuple[dict[str, Command], dict[str, frozenset[str]]]:
    """Read the commands that are written by hand, and the tips to add to known ones."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    commands = {
        name: Command(
            arity=entry["arity"],
            flags=frozenset(entry.get("flags", "").split()),
            categories=frozenset(entry.get("categories", "").split()),
            group=part["group"],
            tips=frozenset(entry.get("tips", "").split()),
            keys=entry.get("keys", ""),
        )
        for part in document["part"]
        for name, entry in part["commands"].items()
    }
    tips = {
        name: frozenset(words.split())
        for part in document["tips"]
        for name, words in part["commands"].items()
    }
    return commands, tips


def merge(
    sources: Iterable[Source],
    supplement: Mapping[str, Command],
    more_tips: Mapping[str, frozenset[str]],
) -> dict[str, Command]:
    """Put what all sources tell together."""
    merged: dict[str, Command] = {}
    for source in sources:
        for name, command in source.commands.items():
            known = merged.setdefault(name, command)
            new_tips = {tip for tip in command.tips if "_policy:" not in tip}
            merged[name] = replace(known, tips=known.tips | new_tips)
    for name, command in supplement.items():
        merged.setdefault(name, command)
    for name in more_tips.keys() & merged.keys():
        merged[name] = replace(merged[name], tips=merged[name].tips | more_tips[name])
    return merged


def render(sources: Iterable[Source], commands: Mapping[str, Command]) -> str:
    """Return the text of the table."""
    names = " and ".join(source.name for source in sources)
    rows = "".join(command.line(name) for name, command in sorted(commands.items()))
    return HEADER.format(sources=names, rows=rows)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Generate the table of commands.")
    parser.add_argument(
        "--server",
        type=Path,
        action="append",
        required=True,
        help="a server's binary; give it again for further servers, the most trusted first",
    )
    parser.add_argument("--supplement", type=Path, default=SUPPLEMENT)
    parser.add_argument("--output", type=Path, default=TABLE)
    options = parser.parse_args(arguments)
    sources = [read_server(binary) for binary in options.server]
    commands = merge(sources, *read_supplement(options.supplement))
    options.output.write_text(render(sources, commands), encoding="utf-8")
    print(f"{options.output}: {len(commands)} commands", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
