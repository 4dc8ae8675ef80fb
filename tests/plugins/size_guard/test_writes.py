"""Writes that can be judged from their arguments."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import DataError, ResponseError
from tests.plugins.size_guard.guarded import calls, found, guarded

from redis_middleware import wrap
from redis_middleware.embedded import Server
from redis_middleware.testing import FakeClock, Script, command
from redis_middleware_plugins.size_guard import SizeGuard, SizeGuardSettings, ValueTooLarge
from redis_middleware_plugins.size_guard.writes import MEASURES

BIG = "x" * 1001

REFUSED: dict[str, tuple[str, tuple[Any, ...]]] = {
    "set": ("max_value", ("SET", "k", BIG)),
    "setnx": ("max_value", ("SETNX", "k", BIG)),
    "setex": ("max_value", ("SETEX", "k", 10, BIG)),
    "psetex": ("max_value", ("PSETEX", "k", 10, BIG)),
    "getset": ("max_value", ("GETSET", "k", BIG)),
    "mset": ("max_value", ("MSET", "a", "x", "k", BIG)),
    "msetnx": ("max_value", ("MSETNX", "a", "x", "k", BIG)),
    "msetex": ("max_value", ("MSETEX", 1, "k", BIG)),
    "append": ("max_value", ("APPEND", "k", BIG)),
    "setrange": ("max_value", ("SETRANGE", "k", 536870911, "x")),
    "setbit": ("max_value", ("SETBIT", "k", 4294967295, 1)),
    "bitfield": ("max_value", ("BITFIELD", "k", "GET", "u8", 0, "SET", "u8", "#1000", 1)),
    "bitfield incrby": ("max_value", ("BITFIELD", "k", "INCRBY", "i5", 80000, 1)),
    "restore": ("max_value", ("RESTORE", "k", 0, BIG)),
    "pfadd": ("max_value", ("PFADD", "k", BIG)),
    "eval": ("max_value", ("EVAL", "return 1", 1, "k", BIG)),
    "evalsha": ("max_value", ("EVALSHA", "0" * 40, 1, "k", BIG)),
    "fcall": ("max_value", ("FCALL", "function", 0, BIG)),
    "json": ("max_value", ("JSON.SET", "k", "$", BIG)),
    "json of several": ("max_value", ("JSON.MSET", "a", "$", "1", "k", "$", BIG)),
    "restore with options": ("max_value", ("RESTORE", "k", 0, BIG, "REPLACE")),
    "hset total": ("max_value", ("HSET", "k", "a", "x" * 90, *["b", "x" * 90] * 11)),
    "rpush element": ("max_element", ("RPUSH", "k", "x" * 101)),
    "lset element": ("max_element", ("LSET", "k", 0, "x" * 101)),
    "sadd element": ("max_element", ("SADD", "k", "x" * 101)),
    "zadd element": ("max_element", ("ZADD", "k", "NX", 1, "x" * 101)),
    "geoadd element": ("max_element", ("GEOADD", "k", 1, 2, "x" * 101)),
    "zincrby element": ("max_element", ("ZINCRBY", "k", 1, "x" * 101)),
    "linsert element": ("max_element", ("LINSERT", "k", "BEFORE", "a", "x" * 101)),
    "hset element": ("max_element", ("HSET", "k", "x" * 60, "x" * 60)),
    "hsetnx element": ("max_element", ("HSETNX", "k", "x" * 60, "x" * 60)),
    "hsetex element": ("max_element", ("HSETEX", "k", "EX", 9, "FIELDS", 1, "x" * 60, "x" * 60)),
    "hincrby element": ("max_element", ("HINCRBY", "k", "x" * 101, 1)),
    "xadd entry": ("max_element", ("XADD", "k", "MAXLEN", "~", 5, "*", "f", "x" * 101)),
    "xadd entry of a producer": (
        "max_element",
        ("XADD", "k", "NOMKSTREAM", "IDMP", "p", "i", "MAXLEN", 5, "*", "f", "x" * 101),
    ),
    "rpush elements": ("max_elements", ("RPUSH", "k", *range(11))),
    "lpush elements": ("max_elements", ("LPUSH", "k", *range(11))),
    "sadd elements": ("max_elements", ("SADD", "k", *range(11))),
    "hsetex elements": ("max_elements", ("HSETEX", "k", "FIELDS", 11, *range(22))),
    "hset elements": ("max_elements", ("HSET", "k", *range(22))),
    "zadd elements": ("max_elements", ("ZADD", "k", "CH", *range(22))),
    "geoadd elements": ("max_elements", ("GEOADD", "k", *range(33))),
    "key": ("max_key", ("SET", "k" * 51, "x")),
    "key of several": ("max_key", ("MSET", "a", 1, "k" * 51, 2)),
    "key of a number": ("max_key", ("INCRBY", "k" * 51, 1)),
    "key of a hyperloglog": ("max_key", ("PFMERGE", "k" * 51, "a")),
    "key of a result": ("max_key", ("SUNIONSTORE", "k" * 51, "a")),
    "key of sorted elements": ("max_key", ("SORT", "a", "STORE", "k" * 51)),
    "key of a moved element": ("max_key", ("LMOVE", "a", "k" * 51, "LEFT", "LEFT")),
    "key of a copy": ("max_key", ("COPY", "a", "k" * 51)),
    "new name": ("max_key", ("RENAME", "a", "k" * 51)),
    "arguments": ("max_arguments", ("MSET", *range(102))),
}
LIMITS = {
    "max_value": 1000,
    "max_element": 100,
    "max_elements": 10,
    "max_key": 50,
    "max_arguments": 101,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_too_large_is_refused_before_it_is_sent(name: str) -> None:
    """Each write is refused by the limit that it is over, and nothing goes out."""
    limit, args = REFUSED[name]
    with Script(rejecting(LIMITS)) as script, pytest.raises(ValueTooLarge) as error:
        script.run(*args)
    assert error.value.limit == limit
    assert error.value.command == args[0]
    assert error.value.size > error.value.allowed == LIMITS[limit]
    assert script.sent == []


def rejecting(table: dict[str, Any]) -> SizeGuard:
    """A guard that rejects."""
    return SizeGuard(SizeGuardSettings.model_validate({"mode": "reject", **table}))


def test_the_error_tells_everything(clean_standalone: Server, tmp_path: Any) -> None:
    """Key, command, size, limit and the limit's place in the settings file; it is of both kinds."""
    from redis_middleware import wrap

    file = tmp_path / "redis-middleware.toml"
    file.write_text(
        '[size_guard]\nmode = "reject"\n\n'
        '[[size_guard.rules]]\nkeys = "session:*"\nmax_value = "1 kB"\n'
    )
    client = wrap(redis.Redis(port=clean_standalone.port), file, plugins=[SizeGuard])
    with client, pytest.raises(ValueTooLarge) as error:
        client.set("session:1", BIG)
    assert isinstance(error.value, DataError)
    assert isinstance(error.value, ValueError)
    assert (error.value.key, error.value.command) == (b"session:1", "SET")
    assert (error.value.limit, error.value.size, error.value.allowed) == ("max_value", 1001, 1000)
    assert error.value.place == f"{file}, line 6: [[size_guard.rules]] #1 max_value"
    assert error.value.place in str(error.value)
    assert client.exists("session:1") == 0


def test_the_defaults_only_warn(clean_standalone: Server, caplog: Any) -> None:
    """Without a mode 11 MiB go through, with a warning that has the key; 1 MB without one."""
    with guarded(clean_standalone, mode="warn") as client, caplog.at_level(logging.WARNING):
        client.set("fine", b"x" * 1_000_000)
        assert caplog.messages == []
        client.set("big", b"x" * 11 * 2**20)
        assert client.strlen("big") == 11 * 2**20
    assert "b'big'" in caplog.text
    assert found(client, "max_value", "warn") == 1


def test_a_warning_comes_once_a_minute_for_each_key(caplog: Any) -> None:
    """Within a minute only the first of a key is logged; each is counted."""
    clock = FakeClock()
    guard = SizeGuard(SizeGuardSettings(max_value=10), clock=clock)
    script = Script(guard, clock=clock).replies(*[True] * 5)
    with caplog.at_level(logging.WARNING):
        script.run("SET", "a", BIG)
        script.run("SET", "a", BIG)
        script.run("SET", "b", BIG)
        assert len(caplog.messages) == 2
        clock.advance(61)
        script.run("SET", "a", BIG)
    assert len(caplog.messages) == 3
    assert sum(guard.counts.values()) == 4


def test_observe_only_counts(caplog: Any) -> None:
    """In mode observe nothing is refused and nothing logged, whatever the limits say."""
    guard = SizeGuard(SizeGuardSettings.model_validate({"mode": "observe", "max_value": 10}))
    with caplog.at_level(logging.DEBUG):
        assert Script(guard).replies(True).run("SET", "a", BIG) is True
    assert caplog.messages == []
    assert [finding.action for finding in guard.counts] == ["observe"]


@pytest.mark.parametrize(
    "value",
    [
        *(b"x", "x", "ü" * 400, memoryview(b"x" * 9), 5, 2.5),
        pytest.param(
            bytearray(b"x" * 9),
            marks=pytest.mark.skipif(
                redis.__version__ < "8", reason="redis-py 7 with hiredis refuses a bytearray"
            ),
        ),
    ],
)
def test_values_of_every_type_are_sent_as_ever(clean_standalone: Server, value: Any) -> None:
    """What redis-py takes arrives as without the guard."""
    with guarded(clean_standalone, max_value=1000) as client, clean_standalone.connect() as bare:
        for each in (client, bare):
            each.set(f"key-{each is bare}", value)
        assert bare.get("key-True") == bare.get("key-False")


@pytest.mark.parametrize(
    "value", ["ü" * 501, memoryview(b"x" * 1001), bytearray(b"x" * 1001), 10**1001]
)
def test_values_are_measured_in_bytes(clean_standalone: Server, value: Any) -> None:
    """Letters of several bytes, views and numbers count as what goes over the wire."""
    with guarded(clean_standalone, max_value=1000) as client, pytest.raises(ValueTooLarge):
        client.set("k", value)


@pytest.mark.parametrize(
    "args", [("k", None), ("k", True), ("k", ["x"]), (None, "x"), ("k", {}), ("k", [BIG])]
)
def test_what_redis_py_refuses_keeps_its_error(clean_standalone: Server, args: Any) -> None:
    """redis-py's own DataError comes through for values and keys that it does not take."""
    with guarded(clean_standalone, max_value=0, max_key=0) as client:
        with pytest.raises(DataError) as error:
            client.set(*args)
        assert not isinstance(error.value, ValueTooLarge)


@pytest.mark.parametrize(
    "args",
    [
        ("SETRANGE", "k", -1, "x"),
        ("SETRANGE", "k", "many", "x"),
        ("SETBIT", "k", -5, 1),
        ("BITFIELD", "k", "SET", "u99", 0, 1),
        ("BITFIELD", "k", "SET", "u8"),
        ("BITFIELD", "k", "SET", "u8", -1, 1),
        ("BITFIELD", "k", "SET", "u8", "#-1", 1),
        ("HSET", "k", "f"),
        ("ZADD", "k"),
        ("XADD", "k", "MAXLEN"),
        ("EVAL", "return 1", "many"),
        ("RESTORE", "k", 0),
        ("SET", 5),
        ("APPEND", 5),
        ("RPUSH", memoryview(b"k")),
        ("HSET", 5, 6),
        ("INCRBY", "k", "many"),
        ("PFMERGE",),
        ("SORT", "k", "STORE"),
    ],
)
def test_malformed_commands_get_the_servers_error(
    clean_standalone: Server, args: tuple[Any, ...]
) -> None:
    """What the server refuses is left to it: its error comes through."""
    with guarded(clean_standalone, **LIMITS) as client, pytest.raises(ResponseError):
        client.execute_command(*args)


def test_a_setrange_of_nothing_is_no_growth(clean_standalone: Server) -> None:
    """An empty value at a high offset changes nothing, and passes."""
    with guarded(clean_standalone, max_value=10) as client:
        assert client.setrange("k", 536870911, "") == 0


def _set_range(offset: int, bit: int, field: int, width: int) -> list[tuple[Any, ...]]:
    return [
        ("SETRANGE", "k", offset, "xyz"),
        ("SETBIT", "k", bit, 1),
        ("BITFIELD", "k", "SET", f"u{width}", field, 1),
        ("BITFIELD", "k", "OVERFLOW", "SAT", "INCRBY", f"i{width}", f"#{field}", 1),
        (
            *("BITFIELD", "k", "GET", "u8", 10**6, "SET", f"u{width}", field, 1),
            *("OVERFLOW", "FAIL", "INCRBY", "i8", f"#{bit % 1000}", 1, "SET", "u1", "#7", 1),
        ),
    ]


@settings(max_examples=40, deadline=None)
@given(
    offset=st.integers(0, 5000),
    bit=st.integers(0, 40000),
    field=st.integers(0, 4000),
    width=st.integers(1, 63),
)
def test_offsets_come_to_the_size_that_the_server_makes(
    standalone_server: Server, offset: int, bit: int, field: int, width: int
) -> None:
    """What is measured for SETRANGE, SETBIT and BITFIELD is what STRLEN says afterwards."""
    with standalone_server.connect() as client:
        for args in _set_range(offset, bit, field, width):
            client.delete("k")
            client.execute_command(*args)
            (write,) = MEASURES[args[0]](args)
            assert write.size == client.strlen("k")


_TEXTS = st.one_of(st.text(max_size=50), st.binary(max_size=50), st.integers(), st.floats())


@settings(max_examples=60, deadline=None)
@given(st.lists(_TEXTS, min_size=1, max_size=30), st.integers(1, 100), st.integers(1, 30))
def test_the_quick_look_and_the_close_one_agree(values: list[Any], largest: int, most: int) -> None:
    """A list of elements is refused exactly where one is too large or they are too many."""
    guard = SizeGuard(
        SizeGuardSettings.model_validate(
            {"mode": "reject", "max_element": largest, "max_elements": most, "max_value": 10**9}
        )
    )
    script = Script(guard).answers(lambda command: len(values))
    encode = script.client.encode
    too_large = len(values) > most or any(len(encode(value)) > largest for value in values)
    outcome = _outcome(lambda: script.run("RPUSH", "k", *values))
    assert isinstance(outcome, ValueTooLarge) == too_large


def _outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except ValueTooLarge as error:
        return error


def test_reading_and_shrinking_are_never_refused(clean_standalone: Server) -> None:
    """A key over every limit can be read, trimmed, expired, renamed and deleted."""
    with clean_standalone.connect() as bare:
        bare.rpush("list", *range(50))
        bare.hset("hash", mapping={str(n): n for n in range(50)})
        bare.zadd("zset", {str(n): n for n in range(50)})
        bare.set("string", BIG)
    with guarded(clean_standalone, max_value=10, max_elements=10, max_key=1) as client:
        assert client.rename("list", "moved") is True
        assert client.lpop("moved") == b"0"
        assert client.ltrim("moved", 0, 20) is True
        assert client.hdel("hash", "1") == 1
        assert client.zremrangebyrank("zset", 0, 5) == 6
        assert client.expire("hash", 100) is True
        assert client.get("string") == BIG.encode()
        assert client.delete("moved", "hash", "zset", "string") == 4


def test_a_get_costs_no_more(clean_standalone: Server) -> None:
    """The guard has no flow around GET and the like: it wants only what it guards."""
    from redis_middleware.commands import spec_of

    guard = SizeGuard(SizeGuardSettings())
    assert not any(guard.wants(spec_of(name)) for name in ("GET", "HGET", "PING", "EXISTS", "TTL"))
    assert guard.wants(spec_of("SET"))


@pytest.mark.parametrize(
    "args",
    [
        ("SET", "k", b"x"),
        ("SET", "k", "x", "EX", 10),
        ("SET", "k", "x", "PXAT", 2**50),
        ("SET", b"k", 5),
        ("SETEX", "k", 10, "x"),
        ("MSET", "a", 1, "b", 2.5),
        ("SETBIT", "k", 7, 1),
        ("INCR", "k"),
        ("PFADD", "k", "x"),
        ("LSET", "k", 0, "x"),
        ("EVAL", "return 1", 0),
        ("EXPIRE", "k", 10),
        ("EXPIREAT", "k", 2**40),
        ("GEORADIUS", "k", 1, 2, 3, "km"),
    ],
    ids=str,
)
def test_what_fits_and_needs_no_look_afterwards_has_no_flow(args: tuple[Any, ...]) -> None:
    """The hook answers that there is nothing to do around the command: no generator is made."""
    assert SizeGuard(SizeGuardSettings()).redis_command(command(*args)) is None


def test_nothing_more_is_sent_for_small_writes(clean_standalone: Server) -> None:
    """Without sampling, a small write is one command."""
    with guarded(clean_standalone, sampling=0.0) as client:
        client.config_resetstat()
        client.set("a", "x")
        client.hset("h", "f", "v")
        client.rpush("l", 1, 2, 3)
    sent = calls(clean_standalone)
    assert {
        name for name in sent if not name.startswith(("config", "info", "hello", "client"))
    } == {
        "set",
        "hset",
        "rpush",
    }


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_keys_of_any_buffer(clean_standalone: Server, kind: Callable[[bytes], Any]) -> None:
    """Keys that redis-py sends as they are, such as a bytearray, are judged like others."""
    if kind is bytearray and redis.__version__ < "8":
        pytest.skip("redis-py 7 with hiredis refuses a bytearray")
    with guarded(clean_standalone, max_elements=3, sampling=1.0) as client:
        for key, args in {
            b"l": ("RPUSH", 1, 2, 3),
            b"s": ("SADD", 1, 2, 3),
            b"h": ("HSET", "a", 1, "b", 2, "c", 3),
        }.items():
            name, *rest = args
            assert client.execute_command(name, kind(key), *rest) == 3
            pipe = client.pipeline(transaction=False)
            assert pipe.execute_command("DEL", kind(key)).execute() == [1]
            assert client.execute_command(name, kind(key), *rest) == 3
        assert client.execute_command("COPY", kind(b"l"), kind(b"copied")) is True
        with pytest.raises(ValueTooLarge):
            client.execute_command("RPUSH", kind(b"l"), 4)


def test_text_that_the_encoding_does_not_have(clean_standalone: Server) -> None:
    """What comes of it is redis-py's affair, which differs with hiredis: the same as without."""

    def outcome(client: redis.Redis, *args: Any) -> Any:
        clean_standalone.flush()
        try:
            return client.execute_command(*args)
        except Exception as error:
            return type(error)

    def connect() -> redis.Redis:
        return redis.Redis(port=clean_standalone.port, encoding="latin-1")

    with connect() as bare, wrap(connect(), {}, plugins=[SizeGuard]) as client:
        for args in (("RPUSH", "\u20ac", 1), ("HGETALL", "\u20ac"), ("RENAME", "a", "\u20ac")):
            assert outcome(client, *args) == outcome(bare, *args)
