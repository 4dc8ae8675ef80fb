"""Keys are found where real servers say they are."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import ResponseError
from tests.commands.invocations import INVOCATIONS

from redis_middleware.commands import CommandSpec, all_specs, find_keys, key_positions, spec_of
from redis_middleware.commands.arguments import word_of
from redis_middleware.embedded import Server

pytestmark = pytest.mark.server

ASSUMED_OF_MODULES = {"RW", "access", "update"}

OPTIONS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("SET k v", ("GET", "NX", "EX 10", "KEEPTTL"), ""),
    ("SORT k", ("BY w_*", "LIMIT 0 5", "GET #", "GET g_*", "DESC", "ALPHA", "STORE d"), ""),
    ("BITFIELD k", ("GET u8 0", "SET u8 0 1", "INCRBY u8 0 1", "OVERFLOW SAT", "GET u4 8"), ""),
    ("GEORADIUS k 1 2 3 km", ("WITHCOORD", "COUNT 5 ANY", "ASC", "STORE d"), ""),
    ("GEORADIUSBYMEMBER k m 3 km", ("WITHDIST", "COUNT 5", "DESC", "STOREDIST d"), ""),
    ("MIGRATE host 1 '' 0 9", ("COPY", "REPLACE", "AUTH secret"), "KEYS a b c"),
    ("MIGRATE host 1 k 0 9", ("COPY", "REPLACE", "AUTH2 keys keys"), ""),
    ("XREAD", ("COUNT 5", "BLOCK 0"), "STREAMS a b 0 0"),
    ("XREADGROUP", ("GROUP g c", "COUNT 5", "BLOCK 0", "NOACK"), "STREAMS a b > >"),
    ("ZUNIONSTORE d 2 a b", ("WEIGHTS 1 2", "AGGREGATE MAX"), ""),
    ("SINTERCARD 2 a b", ("LIMIT 3",), ""),
)
"""Commands whose options come in any order: what comes before them, the options, what follows."""


@st.composite
def with_options(draw: st.DrawFn) -> tuple[object, ...]:
    """Draw an invocation with some options in some order, each word in some case and type."""
    before, options, after = draw(st.sampled_from(OPTIONS))
    chosen = draw(st.lists(st.sampled_from(options), unique=True))
    words = shlex.split(" ".join((before, *chosen, after)))
    forms: st.SearchStrategy[Callable[[str], object]] = st.sampled_from(
        [str, str.lower, str.title, str.encode]
    )
    name, *rest = words
    return (name, *(draw(forms)(word) if word.isupper() else word for word in rest))


def spec_of_invocation(arguments: tuple[object, ...]) -> CommandSpec:
    """Return the specification of a command given as wire arguments."""
    subcommand = spec_of(" ".join(map(word_of, arguments[:2])))
    return subcommand if subcommand.known else spec_of(word_of(arguments[0]))


def wire(argument: object) -> bytes:
    """Return an argument as redis-py sends it."""
    encoded = redis.Connection().encoder.encode(argument)
    return bytes(encoded)


def commands_of(client: redis.Redis) -> set[str]:
    """Ask a server for all its commands."""
    names: set[bytes] = set()
    for name, *_, subcommands in client.execute_command("COMMAND"):
        names.update(part[0] for part in (*subcommands, (name,)))
    return {name.decode().upper().replace("|", " ") for name in names}


def keys_by_server(
    client: redis.Redis, arguments: tuple[object, ...]
) -> list[tuple[bytes, frozenset[str]]] | None:
    """Ask a server for the keys of a command with their flags; None if it refuses the command."""
    try:
        reply = client.execute_command("COMMAND GETKEYSANDFLAGS", *arguments)
    except ResponseError as error:
        return [] if "no key arguments" in str(error) else None
    keys = [key for key, _ in reply]
    assert keys == (client.execute_command("COMMAND GETKEYS", *arguments) if keys else [])
    return [(key, frozenset(flag.decode() for flag in flags)) for key, flags in reply]


def test_every_invocation_has_the_keys_the_server_finds(client: redis.Redis) -> None:
    """Of each invocation, positions are those of COMMAND GETKEYS, in the same order."""
    known = commands_of(client)
    asked = 0
    for arguments in INVOCATIONS:
        spec = spec_of_invocation(arguments)
        if spec.name not in known:
            continue
        expected = keys_by_server(client, arguments)
        assert expected is not None, f"the server refuses {arguments}"
        positions = key_positions(spec, arguments)
        found = [wire(arguments[position]) for position in positions]
        assert found == [key for key, _ in expected], arguments
        asked += 1
    assert asked >= 300


def test_every_key_has_the_flags_the_server_gives_it(client: redis.Redis, server: Server) -> None:
    """What happens to each key is what COMMAND GETKEYSANDFLAGS says, on Valkey to the letter.

    The table's flags are Valkey's where both have a command; Redis may say "update" for "insert".
    """
    known = commands_of(client)
    for arguments in INVOCATIONS:
        spec = spec_of_invocation(arguments)
        if spec.name not in known:
            continue
        uses = find_keys(spec, arguments)
        expected = [flags for _, flags in keys_by_server(client, arguments) or []]
        if spec.is_read and "module" in spec.flags:
            # The module told the server nothing about its keys; a readonly command only reads.
            assert expected == [ASSUMED_OF_MODULES], arguments
            expected = [frozenset({"RO", "access"})]
        if server.name == "valkey":
            assert [use.flags for use in uses] == expected, arguments
        assert [(use.reads, use.writes) for use in uses] == [
            (bool(flags & {"RO", "access"}), bool(flags & {"RW", "OW", "RM"})) for flags in expected
        ], arguments


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(arguments=with_options())
def test_options_in_any_order_and_case_give_the_same_keys(
    client: redis.Redis, arguments: tuple[object, ...]
) -> None:
    """Keys among options are found as the server finds them, however the options stand."""
    expected = keys_by_server(client, arguments)
    if expected is not None:
        uses = find_keys(spec_of_invocation(arguments), arguments)
        assert [(wire(arguments[use.position]), use.flags) for use in uses] == expected


def test_every_command_with_keys_is_among_the_invocations(client: redis.Redis) -> None:
    """No command of the server that has keys is left out of the comparison."""
    compared = {spec_of_invocation(arguments).name for arguments in INVOCATIONS}
    with_keys = {spec.name for spec in all_specs() if spec.key_specs}
    assert commands_of(client) & with_keys <= compared


def test_malformed_invocations_give_no_more_than_the_arguments_show(client: redis.Redis) -> None:
    """Where the server refuses to tell keys, those that can be told are found, and none beyond."""
    refused: dict[tuple[object, ...], tuple[int, ...]] = {
        ("GET",): (),
        ("MGET",): (),
        ("BLPOP", "a"): (),
        ("RENAME", "a"): (1,),
        ("BITOP", "AND", "destination"): (2,),
        ("PFMERGE", "destination"): (1,),
        ("EVAL", "script", "two", "a"): (),
        ("EVAL", "script", 3, "a", "b"): (),
        ("EVAL", "script", -1, "a", "b"): (),
        ("EVAL", "script"): (),
        ("ZUNIONSTORE", "destination", "two", "a", "b"): (1,),
        ("ZUNIONSTORE", "destination", 3, "a", "b"): (1,),
        ("LMPOP", 0, "a", "LEFT"): (),
        ("XREAD", "COUNT", 1): (),
        ("XREAD", "STREAMS"): (),
        ("MIGRATE", "host"): (),
        ("MIGRATE", "host", 1, "k", 0, 10, "KEYS", "a"): (),
    }
    for arguments, positions in refused.items():
        assert not keys_by_server(client, arguments), arguments
        assert key_positions(spec_of_invocation(arguments), arguments) == positions, arguments


@pytest.mark.parametrize(
    "count",
    [
        *(2, "2", b"2", bytearray(b"2"), memoryview(b"2")),
        *("02", " 2", "2_0", "+2", "-2", 2.0, "two", "9" * 5000),
    ],
    ids=lambda count: (
        f"{type(count).__name__}-{bytes(count) if isinstance(count, memoryview) else count!r}"[:24]
    ),
)
def test_a_number_of_keys_is_one_that_the_server_takes(client: redis.Redis, count: object) -> None:
    """A script gets its keys exactly where the server takes the count of them as a number."""
    arguments = ("EVAL", "return #KEYS", count, "a", "b")
    found = len(key_positions(spec_of("EVAL"), arguments))
    try:
        assert found == client.execute_command(*arguments)
    except ResponseError:
        assert found == 0
