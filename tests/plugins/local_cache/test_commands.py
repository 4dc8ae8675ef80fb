"""What each kind of command does to the cache, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ConnectionError,
    ResponseError,
)

from redis_middleware import Place
from redis_middleware.testing import FakeClock, Script, command
from redis_middleware_plugins.local_cache import LocalCache, LocalCacheSettings


def _script(clock: FakeClock | None = None, **rule: Any) -> tuple[Script, LocalCache]:
    """Plugin and server; the rule is for every key, without jitter, and by TTL alone."""
    clock = clock or FakeClock()
    rules = [{"keys": "k*", "ttl": 10, "ttl_jitter": 0, **rule}]
    settings = LocalCacheSettings.model_validate({"rules": rules, "invalidation": "ttl"})
    cache = LocalCache(settings, clock=clock, random=lambda: 0.5)
    return Script(cache, clock=clock), cache


@pytest.mark.parametrize("reply", [b"v", "text", 7, 1.5, None, [b"a", [b"b"]], {b"f": b"v"}, {1}])
def test_second_read_is_a_hit(reply: Any) -> None:
    """A reply of any kind is asked for once, and given the same again."""
    script, _ = _script()
    script.replies(reply)
    assert [script.run("GET", "k") for _ in range(3)] == [reply] * 3
    assert len(script.sent) == 1


def test_keys_without_a_rule() -> None:
    """What no rule names is asked for each time."""
    script, cache = _script()
    script.replies(b"1", b"2")
    assert [script.run("GET", "other"), script.run("GET", "other")] == [b"1", b"2"]
    assert len(cache.store) == 0


def test_replies_cannot_be_spoiled() -> None:
    """Changing any reply, the first one too, changes no later one."""
    script, _ = _script()
    script.replies([b"a", [b"b"]])
    for _ in range(3):
        reply = script.run("LRANGE", "k", 0, -1)
        assert reply == [b"a", [b"b"]]
        reply.append(b"x")
        reply[1].append(b"y")


def test_time_to_live() -> None:
    """An entry ends with its TTL."""
    clock = FakeClock()
    script, _ = _script(clock)
    script.replies(b"1", b"2")
    assert script.run("GET", "k") == b"1"
    clock.advance(9.9)
    assert script.run("GET", "k") == b"1"
    clock.advance(0.2)
    assert script.run("GET", "k") == b"2"


def test_different_arguments_are_different_reads() -> None:
    """The number 1 and the number 1.0 are equal in Python, and different to the server."""
    script, _ = _script()
    script.replies(b"one", b"one point nought", b"text")
    assert script.run("HGET", "k", 1) == b"one"
    assert script.run("HGET", "k", 1.0) == b"one point nought"
    assert script.run("HGET", "k", b"f") == b"text"
    assert script.run("HGET", "k", 1) == b"one"


def test_numbers_are_hits_too() -> None:
    """Whole numbers are found again, as what they are: 1 is neither 1.0 nor True nor "1"."""
    script, cache = _script()
    script.replies([b"a"], [b"b"], [b"c"])
    for _ in range(2):
        assert script.run("LRANGE", "k", 0, 1) == [b"a"]
        assert script.run("LRANGE", "k", 0, 1.0) == [b"b"]
        assert script.run("LRANGE", "k", "0", 1) == [b"c"]
    assert len(script.sent) == 3
    assert cache.statistics().hits == 3
    refused = command("LRANGE", "k", 0, True, client=script.client)
    script.replies([b"sent"])
    assert script.run(refused) == [b"sent"]


def test_options_count() -> None:
    """Options of redis-py that change the reply keep replies apart."""
    script, _ = _script()
    script.replies([(b"m", 1.0)], [b"m"])
    assert script.run("ZRANGE", "k", 0, -1, withscores=True) == [(b"m", 1.0)]
    assert script.run("ZRANGE", "k", 0, -1) == [b"m"]
    assert script.run("ZRANGE", "k", 0, -1, withscores=True) == [(b"m", 1.0)]


@pytest.mark.parametrize("place", [Place.TRANSACTION, Place.WATCH])
def test_never_in_transactions(place: Place) -> None:
    """Under WATCH and between MULTI and EXEC reads go to the server."""
    script, _ = _script()
    script.replies(b"old", b"new", b"newer")
    script.run("GET", "k")
    read = command("GET", "k", client=script.client, place=place)
    assert script.run(read) == b"new"
    assert script.run("GET", "k") == b"newer"


@pytest.mark.parametrize(
    "args",
    [
        ("SRANDMEMBER", "k"),
        ("TTL", "k"),
        ("OBJECT ENCODING", "k"),
        ("HSCAN", "k", 0),
        ("XRANGE", "k", "-", "+"),
        ("EXISTS", "k", "k2"),
    ],
)
def test_what_is_never_cached(args: tuple[Any, ...]) -> None:
    """Random, time-dependent, cursor and stream reads, and those of several keys, are sent."""
    script, cache = _script()
    script.replies(1, 2)
    assert [script.run(*args), script.run(*args)] == [1, 2]
    assert len(cache.store) == 0


@pytest.mark.parametrize(
    "write",
    [
        ("SET", "k", "new"),
        ("DEL", "k"),
        ("RENAME", "other", "k"),
        ("MSET", "a", 1, "k", 2),
        ("EVAL", "return 1", 1, "k"),
        ("EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", 1, "k"),
        ("FCALL", "function", 2, "other", "k"),
        ("UNKNOWN.COMMAND", "x", "k"),
        ("FLUSHALL",),
        ("BLPOP", "k", 1),
        ("SORT", "x", "STORE", "k"),
    ],
)
def test_own_writes(write: tuple[Any, ...]) -> None:
    """A write through the client drops the keys it may change, at once."""
    script, _ = _script()
    script.replies(b"old", b"OK", b"new")
    assert script.run("GET", "k") == b"old"
    script.run(*write)
    assert script.run("GET", "k") == b"new"


def test_failed_write_drops_too() -> None:
    """A write that failed may have happened all the same."""
    script, _ = _script()
    script.replies(b"old", ConnectionError("lost"), b"new")
    script.run("GET", "k")
    with pytest.raises(ConnectionError):
        script.run("SET", "k", "v")
    assert script.run("GET", "k") == b"new"


def test_pipeline() -> None:
    """In a pipeline hits answer, misses are sent together, and a write parts what is round it."""
    script, _ = _script()
    script.replies(b"known")
    script.run("GET", "k1")
    script.replies(b"second", True, b"third")
    replies = script.pipeline(("GET", "k1"), ("GET", "k2"), ("SET", "k1", "x"), ("GET", "k1"))
    assert replies == [b"known", b"second", True, b"third"]
    assert script.rounds[-1] == [("GET", "k2"), ("SET", "k1", "x"), ("GET", "k1")]


@pytest.mark.parametrize("kept", [True, False])
def test_a_get_behind_an_mget_keeps_its_place_in_a_pipeline(kept: bool) -> None:
    """Nil of MGET is no answer to GET: sent again only then, it would be read behind the write
    that follows it. What both read alike is kept."""
    script, _ = _script()
    value = b"old" if kept else None
    script.replies([value, b"other"], value, True, b"new")
    replies = script.pipeline(("MGET", "k", "o"), ("GET", "k"), ("SET", "k", "new"), ("GET", "k"))
    assert replies == [[value, b"other"], value, True, b"new"]
    assert len(script.rounds) == 1
    script.replies([value, b"other"], value)
    assert script.pipeline(("MGET", "k2", "o"), ("GET", "k2")) == [[value, b"other"], value]
    sent = len(script.sent)
    if not kept:
        script.replies(None)
    assert script.run("GET", "k2") == value
    assert len(script.sent) == sent + (not kept)


def test_mget_asks_for_the_rest() -> None:
    """MGET shares entries with GET, and sends only what is missing."""
    script, _ = _script()
    script.replies(b"1", [b"2", None])
    script.run("GET", "k1")
    assert script.run("MGET", "k2", "k1", "k3", keys=["k2", "k1", "k3"]) == [b"2", b"1", None]
    assert script.sent[-1] == ("MGET", "k2", "k3")
    assert script.run("MGET", "k1", "k2", "k3") == [b"1", b"2", None]
    assert script.run("GET", "k2") == b"2"
    assert len(script.sent) == 2


def test_nil_of_mget_is_not_that_of_get() -> None:
    """MGET says nil for a key of another type, for which GET fails."""
    script, _ = _script()
    script.replies([None], ResponseError("WRONGTYPE"))
    script.run("MGET", "k")
    with pytest.raises(ResponseError):
        script.run("GET", "k")


def test_nil_of_get_is_that_of_mget() -> None:
    """What GET has found to be nil is nil among the replies of MGET."""
    script, _ = _script()
    script.replies(None, [b"2"])
    script.run("GET", "k1")
    assert script.run("MGET", "k1", "k2") == [None, b"2"]


def test_mget_of_one_key() -> None:
    """The nil that MGET keeps is not the reply of an MGET of that key alone, which is a list."""
    script, _ = _script()
    script.replies([None])
    assert [script.run("MGET", "k"), script.run("MGET", "k")] == [[None], [None]]
    assert len(script.sent) == 1


@pytest.mark.parametrize(
    "args",
    [
        ("GET", "other"),
        ("GET", b"other"),
        ("GET", 7),
        ("GET", "\ud800"),
        ("GET", "k\ud800"),
        ("GET", object()),
        ("GET",),
        ("HGET", "other", 1),
        ("MGET", "other", "another"),
        ("MGET", "k", object()),
        ("SET", "other", "v"),
        ("MSET", "a", 1, "b", 2),
        ("EVAL", "return 1", 1, "other"),
        ("SELECT", 0),
    ],
)
def test_nothing_to_do(args: tuple[Any, ...]) -> None:
    """A command whose keys no rule names, or that redis-py refuses, gets no flow at all."""
    script, cache = _script()
    assert cache.redis_command(command(*args, client=script.client)) is None


def test_size_by_rule() -> None:
    """How much memory entries take is told by rule, and given back when they go."""
    script, cache = _script()
    script.answers(lambda sent: b"v" * 1000)
    script.run("GET", "k1")
    script.run("GET", "k2")
    counts = cache.statistics().rules["k*"]
    assert 2000 < counts.bytes == cache.statistics().bytes
    metrics = {metric.name: list(metric.readings) for metric in cache.metrics()}
    assert metrics["local_cache.size"] == [(counts.bytes, {"rule": "k*"})]
    assert metrics["local_cache.hit_ratio"] == [(0.0, {"rule": "k*"})]
    assert metrics["local_cache.is_off"] == [(0, {})]
    cache.invalidate("k1")
    assert 1000 < counts.bytes < 2000
    cache.clear()
    assert counts.bytes == cache.statistics().bytes == 0


def test_nil_can_be_left_out() -> None:
    """Without cache_nil, nil is asked for each time."""
    script, _ = _script(cache_nil=False)
    script.replies(None, None)
    assert [script.run("GET", "k"), script.run("GET", "k")] == [None, None]
    assert len(script.sent) == 2


def test_largest_value() -> None:
    """Replies over max_value are not kept, and counted."""
    script, cache = _script(max_value=3)
    script.replies(b"1234", b"1234")
    script.run("GET", "k")
    script.run("GET", "k")
    assert cache.statistics().rules["k*"].refused == 2


def test_values_that_cannot_be_copied() -> None:
    """What a response callback made and nobody can copy is handed out, and not kept."""

    class Stubborn:
        def __deepcopy__(self, memo: object) -> object:
            raise TypeError("not to be copied")

    script, cache = _script()
    first, second = Stubborn(), Stubborn()
    script.replies(first, second)
    assert script.run("GET", "k") is first
    assert script.run("GET", "k") is second
    assert len(cache.store) == 0


def test_stale_if_error() -> None:
    """After its end an entry stands in for a server that is not reached, for a bounded time."""
    clock = FakeClock()
    script, cache = _script(clock, stale_if_error=60)
    script.replies(b"last", ConnectionError("down"), ConnectionError("down"))
    script.run("GET", "k")
    clock.advance(30)
    read = command("GET", "k", client=script.client)
    assert script.run(read) == b"last"
    assert read.notes["redis_middleware.cache"] == "stale"
    assert cache.statistics().rules["k*"].served_on_error == 1
    clock.advance(60)
    with pytest.raises(ConnectionError):
        script.run("GET", "k")


@pytest.mark.parametrize(
    "error", [ResponseError("WRONGTYPE"), AuthenticationError("WRONGPASS"), AuthorizationError()]
)
def test_errors_of_the_server_are_not_hidden(error: Exception) -> None:
    """An error reply is no reason to serve what has ended; nor is a user who was locked out."""
    clock = FakeClock()
    script, _ = _script(clock, stale_if_error=60)
    script.replies(b"last", error)
    script.run("GET", "k")
    clock.advance(30)
    with pytest.raises(type(error)):
        script.run("GET", "k")


def test_application_changes_the_connection() -> None:
    """After SELECT of another database the cache is off and says so; of its own one it is not."""
    script, cache = _script()
    script.replies(b"v", True, True, b"1", b"2")
    script.run("GET", "k")
    script.run("SELECT", 0)
    assert cache.state == "on"
    script.run("SELECT", 3)
    assert cache.state == "off"
    assert "SELECT" in cache.statistics().reason
    assert [script.run("GET", "k"), script.run("GET", "k")] == [b"1", b"2"]


@pytest.mark.parametrize(
    ("args", "state"),
    [
        (("AUTH", "password"), "off"),
        (("HELLO", 3), "off"),
        (("HELLO",), "on"),
        (("RESET",), "off"),
        (("CLIENT TRACKING", "ON"), "on"),
        (("CLIENT", "TRACKING", "ON"), "on"),
    ],
)
def test_application_changes_a_connection(args: tuple[Any, ...], state: str) -> None:
    """What makes one of the pool's connections another than the rest turns the cache off."""
    script, cache = _script()
    script.replies(b"v", b"OK", b"new")
    script.run("GET", "k")
    script.run(*args)
    assert cache.state == state
    assert script.run("GET", "k") == (b"v" if state == "on" else b"new")


def test_from_code() -> None:
    """invalidate and clear drop entries and say how many."""
    script, cache = _script()
    script.answers(lambda sent: b"v")
    for key in ("k1", "k2", "k3"):
        script.run("GET", key)
    assert cache.invalidate("k1") == 1
    assert cache.invalidate(b"k1") == 0
    assert cache.clear() == 2


@pytest.mark.parametrize("eviction", ["lru", "lfu", "ttl"])
def test_bounds(eviction: str) -> None:
    """Neither the number of entries nor their size goes over the bounds, by any policy."""
    rules = [{"keys": "*"}]
    table = {"rules": rules, "invalidation": "ttl", "eviction": eviction, "max_entries": 5}
    cache = LocalCache(LocalCacheSettings.model_validate(table))
    script = Script(cache).answers(lambda sent: b"v")
    for number in range(20):
        script.run("GET", f"k{number}")
        script.run("GET", "k0")
    assert len(cache.store) == 5
    assert cache.statistics().rules["*"].evicted >= 15
    table |= {"max_entries": 100, "max_bytes": 2000}
    cache.reconfigure(LocalCacheSettings.model_validate(table))
    for number in range(20):
        script.run("GET", f"k{number}")
    assert 1 <= len(cache.store) <= 6
    assert cache.statistics().bytes <= 2000


@pytest.mark.parametrize("eviction", ["lru", "lfu"])
def test_what_is_used_stays(eviction: str) -> None:
    """A key that is read all the time outlives those that are read once."""
    table = {"rules": [{"keys": "*"}], "invalidation": "ttl", "eviction": eviction}
    cache = LocalCache(LocalCacheSettings.model_validate(table | {"max_entries": 5}))
    script = Script(cache).answers(lambda sent: b"v")
    for number in range(30):
        script.run("GET", "hot")
        script.run("GET", "hot")
        script.run("GET", f"k{number}")
    assert sum(args == ("GET", "hot") for args in script.sent) <= 2


def test_changed_rules_keep_what_stays_valid() -> None:
    """A change of the rules keeps the entries that the new ones allow too, and the counts."""
    script, cache = _script()
    script.answers(lambda sent: b"v")
    script.run("GET", "k1")
    script.run("GET", "kept")
    rules = [{"keys": "kept", "ttl": 10, "ttl_jitter": 0}]
    changed = {"rules": rules, "invalidation": "ttl"}
    cache.reconfigure(LocalCacheSettings.model_validate(changed))
    sent = len(script.sent)
    script.run("GET", "kept")
    assert len(script.sent) == sent
    script.run("GET", "k1")
    assert len(script.sent) == sent + 1
    assert cache.statistics().rules["k*"].misses == 2


def test_overlapping_rules_are_remarked() -> None:
    """The first rule that matches counts, and what it takes from later ones can be read."""
    rules = [{"keys": "config:*", "ttl": 1}, {"keys": "config:a"}, {"keys": "user:*"}]
    settings = LocalCacheSettings.model_validate({"rules": rules})
    (remark,) = LocalCache(settings).remarks()
    assert "config:a" in remark
    assert "never used" in remark


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"rules": [{"keys": "a", "ttl": 0}]}, "ttl"),
        ({"rules": [{"keys": "a", "ttl": -1}]}, "ttl"),
        ({"rules": [{"keys": "a", "max_value": 0}]}, "max_value"),
        ({"rules": [{"keys": "a", "max_value": 9999}], "max_bytes": 2000}, "max_bytes"),
        ({"max_bytes": 10}, "max_bytes"),
        ({"rules": [{"keys": "a", "ttl": 5, "refresh_ahead": 5}]}, "refresh_ahead"),
        ({"rules": [{"keys": "a", "tll": 5}]}, "tll"),
    ],
)
def test_bad_settings(table: dict[str, Any], problem: str) -> None:
    """Settings that cannot be meant are refused, and the message names them."""
    with pytest.raises(ValueError, match=problem):
        LocalCacheSettings.model_validate(table)
