"""Keys that grow: sizes told by replies, running counts, strict mode, pipelines, transactions."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.exceptions import ResponseError
from tests.plugins.forking import works_in_a_child
from tests.plugins.size_guard.guarded import calls, found, guard_of, guarded

from redis_middleware import Command, Flow, hookimpl, wrap
from redis_middleware.embedded import Cluster, Server
from redis_middleware.testing import Script
from redis_middleware_plugins.size_guard import SizeGuard, SizeGuardSettings, ValueTooLarge

GROW: dict[str, Callable[[Any, int], Any]] = {
    "lpush": lambda client, n: client.lpush("k", n),
    "rpush": lambda client, n: client.rpush("k", n),
    "sadd": lambda client, n: client.sadd("k", n),
    "hset": lambda client, n: client.hset("k", n, n),
    "hsetnx": lambda client, n: client.hsetnx("k", n, n),
    "hincrby": lambda client, n: client.hincrby("k", n, 1),
    "hincrbyfloat": lambda client, n: client.hincrbyfloat("k", n, 1.5),
    "zadd": lambda client, n: client.zadd("k", {n: n}),
    "zadd incr": lambda client, n: client.zadd("k", {n: n}, incr=True),
    "zincrby": lambda client, n: client.zincrby("k", 2.5, n),
    "geoadd": lambda client, n: client.geoadd("k", (n % 80, n % 80, f"m{n}")),
    "xadd": lambda client, n: client.xadd("k", {"f": n}, id=f"1-{n + 1}"),
    "append": lambda client, n: client.append("k", "x"),
}
LIMIT = {"max_elements": 10, "max_value": 100, "max_element": 1000}


def _size(client: Any) -> int:
    """The size of the key ``k``, whatever its type."""
    kind = client.type("k")
    lengths = {"list": "llen", "set": "scard", "hash": "hlen", "zset": "zcard", "stream": "xlen"}
    return int(getattr(client, lengths.get(kind, "strlen"))("k"))


@pytest.mark.parametrize("strict", [False, True], ids=["counted", "strict"])
@pytest.mark.parametrize("name", GROW)
def test_a_key_grows_up_to_its_limit_and_no_further(
    clean_standalone: Server, name: str, strict: bool
) -> None:
    """One element after the other goes in, with the usual replies, until the limit refuses."""
    table = {**LIMIT, "max_value": 10 if name == "append" else 10**6}
    with (
        guarded(clean_standalone, **table, strict=strict) as client,
        clean_standalone.connect() as bare,
    ):
        replies = [GROW[name](client, number) for number in range(10)]
        with pytest.raises(ValueTooLarge):
            GROW[name](client, 10)
        assert _size(bare) == 10
        bare.delete("k")
        usual = [GROW[name](bare, number) for number in range(10)]
    assert list(map(_plain, replies)) == list(map(_plain, usual))


def _plain(reply: Any) -> Any:
    return reply.decode() if isinstance(reply, bytes) else reply


@pytest.mark.parametrize("strict", [False, True], ids=["counted", "strict"])
def test_what_does_not_grow_is_not_refused_at_the_limit(
    clean_standalone: Server, strict: bool
) -> None:
    """At the limit, elements that are there already can still be written."""
    with guarded(clean_standalone, **LIMIT, strict=strict) as client:
        client.hset("h", mapping={f"f{n}": n for n in range(10)})
        client.zadd("z", {f"f{n}": n for n in range(10)})
        client.sadd("s", *range(10))
        assert client.hset("h", mapping={"f1": "new", "f2": "new"}) == 0
        assert client.zadd("z", {"f1": 100}, xx=True, ch=True) == 1
        assert client.zincrby("z", 1, "f1") == 101.0
        assert client.sadd("s", 1, 2) == 0
        for refused in (
            lambda: client.hset("h", "another", 1),
            lambda: client.zadd("z", {"another": 1}),
            lambda: client.sadd("s", "another"),
        ):
            with pytest.raises(ValueTooLarge):
                refused()


def _count_up_to(client: Any, end: int) -> None:
    for number in range(0, end, 10):
        client.pfadd("k", *range(number, number + 10))


@pytest.mark.parametrize("strict", [False, True], ids=["counted", "strict"])
def test_a_hyperloglog_is_counted_where_it_can_reach_its_limit(
    clean_standalone: Server, strict: bool
) -> None:
    """PFADD is asked for STRLEN near the limit, and refused above it."""
    with guarded(clean_standalone, max_value=2000, strict=strict, sampling=0.0) as client:
        with pytest.raises(ValueTooLarge) as error:
            _count_up_to(client, 5000)
        assert error.value.limit == "max_value"
        assert 1990 <= client.strlen("k") <= 2500
    with guarded(clean_standalone, max_value="12 KiB", sampling=0.0) as client:
        client.config_resetstat()
        client.pfadd("other", *range(1000))
        assert "strlen" not in calls(clean_standalone)


def test_what_others_trimmed_can_be_written_again(clean_standalone: Server) -> None:
    """Before it refuses for what it remembers, the guard asks the server."""
    with guarded(clean_standalone, **LIMIT) as client, clean_standalone.connect() as bare:
        client.rpush("k", *range(10))
        assert guard_of(client).known_size(b"k") == 10
        bare.ltrim("k", 0, 4)
        assert client.rpush("k", 1) == 6
        assert found(client, "max_elements", "reject") == 0


def test_a_key_that_was_big_before_is_found_by_sampling(clean_standalone: Server) -> None:
    """A key over its limit that the guard never saw grow is refused after one sample."""
    with clean_standalone.connect() as bare:
        bare.hset("old", mapping={str(n): n for n in range(100)})
    rolls = iter([0.5, 0.5, 0.0])
    guard = SizeGuard(
        SizeGuardSettings.model_validate({"mode": "reject", "max_elements": 50, "sampling": 0.1}),
        random=lambda: next(rolls),
    )
    with wrap(redis.Redis(port=clean_standalone.port), {}, plugins=[guard]) as client:
        for number in range(3):
            assert client.hset("old", f"new-{number}", 1) == 1
        assert guard.known_size(b"old") == 103
        with pytest.raises(ValueTooLarge) as error:
            client.hset("old", "one more", 1)
    assert error.value.size == 104


def test_sampling_is_rare_far_from_the_limit_and_certain_near_it(
    clean_standalone: Server,
) -> None:
    """Of 100 additions to a set, HLEN and the like are asked for the last tenth at least, and
    hardly ever before half of the limit."""
    with guarded(clean_standalone, max_elements=100, sampling=0.0) as client:
        client.config_resetstat()
        for number in range(50):
            client.sadd("k", number)
        assert calls(clean_standalone).get("scard", 0) == 0
        for number in range(50, 90):
            client.sadd("k", number)
        before = calls(clean_standalone).get("scard", 0)
        for number in range(90, 100):
            client.sadd("k", number)
        assert calls(clean_standalone)["scard"] == before + 10


def test_memory_is_bounded(clean_standalone: Server) -> None:
    """No more keys are remembered than the settings allow, the latest ones."""
    with guarded(clean_standalone, tracked_keys=10, sampling=0.0) as client:
        for number in range(50):
            client.hset(f"h{number}", "f", 1)
        guard = guard_of(client)
        known = [n for n in range(50) if guard.known_size(f"h{n}".encode()) is not None]
    assert known == list(range(40, 50))


STORES: dict[str, tuple[Any, ...]] = {
    "SUNIONSTORE": ("SUNIONSTORE", "{k}d", "{k}s"),
    "SINTERSTORE": ("SINTERSTORE", "{k}d", "{k}s", "{k}s"),
    "SDIFFSTORE": ("SDIFFSTORE", "{k}d", "{k}s"),
    "ZUNIONSTORE": ("ZUNIONSTORE", "{k}d", 1, "{k}z"),
    "ZRANGESTORE": ("ZRANGESTORE", "{k}d", "{k}z", 0, -1),
    "SORT": ("SORT", "{k}s", "STORE", "{k}d"),
    "BITOP": ("BITOP", "NOT", "{k}d", "{k}b"),
    "GEOSEARCHSTORE": (
        *("GEOSEARCHSTORE", "{k}d", "{k}g", "FROMLONLAT", 0, 0),
        *("BYRADIUS", 20000, "km"),
    ),
    "GEORADIUS": ("GEORADIUS", "{k}g", 0, 0, 20000, "km", "STORE", "{k}d"),
}


@pytest.mark.parametrize("name", STORES)
def test_results_that_are_stored_are_measured_by_the_reply(
    clean_standalone: Server, name: str
) -> None:
    """A stored result over its limit is reported, remembered, and cannot be added to."""
    with clean_standalone.connect() as bare:
        bare.sadd("{k}s", *range(20))
        bare.zadd("{k}z", {str(n): n for n in range(20)})
        bare.geoadd("{k}g", [value for n in range(20) for value in (n, n, f"m{n}")])
        bare.set("{k}b", "x" * 20)
    with guarded(clean_standalone, max_elements=10, max_value=10) as client:
        assert client.execute_command(*STORES[name]) == 20
        assert found(client, "max_value" if name == "BITOP" else "max_elements", "warn") == 1
        more = {"SORT": ("RPUSH", "{k}d", 1), "BITOP": ("APPEND", "{k}d", "x")}
        sets = ("SADD", "{k}d", "x") if name[0] == "S" else ("ZADD", "{k}d", 1, "x")
        with pytest.raises(ValueTooLarge):
            client.execute_command(*more.get(name, sets))


@pytest.mark.parametrize("name", ["COPY", "RENAME", "RENAMENX"])
def test_copies_and_renames_are_judged_by_their_source(clean_standalone: Server, name: str) -> None:
    """What is too large for the new name's rule does not get there."""
    rules = [{"keys": "small:*", "max_elements": 5}]
    with guarded(clean_standalone, rules=rules) as client:
        client.rpush("source", *range(10))
        with pytest.raises(ValueTooLarge) as error:
            client.execute_command(name, "source", "small:copy")
        assert (error.value.key, error.value.size) == (b"small:copy", 10)
        assert client.exists("source") == 1
        assert client.execute_command(name, "source", "other") in (1, True)


def test_lists_and_sets_that_elements_are_moved_into_are_counted(clean_standalone: Server) -> None:
    """LMOVE, RPOPLPUSH and SMOVE count for the key that they add to."""
    with guarded(clean_standalone, max_elements=10, sampling=0.0) as client:
        client.rpush("from", *range(10))
        client.sadd("members", *range(10))
        client.rpush("to", *range(9))
        client.sadd("others", *"abcdefghi")
        client.lmove("from", "to")
        client.smove("members", "others", 1)
        with pytest.raises(ValueTooLarge):
            client.rpoplpush("from", "to")
        with pytest.raises(ValueTooLarge):
            client.smove("members", "others", 2)


@pytest.mark.parametrize("transaction", [False, True], ids=["pipeline", "transaction"])
def test_a_refused_command_stops_the_whole_pipeline(
    clean_standalone: Server, transaction: bool
) -> None:
    """Nothing is sent, and the error names the position; also for a size that was remembered."""
    with guarded(clean_standalone, **LIMIT) as client:
        client.rpush("full", *range(10))
        for refused in (lambda pipe: pipe.set("k", "x" * 101), lambda pipe: pipe.rpush("full", 1)):
            pipe = client.pipeline(transaction=transaction)
            pipe.set("first", 1).set("second", 2)
            refused(pipe)
            with pytest.raises(ValueTooLarge) as error:
                pipe.execute()
            assert error.value.position == 2
            assert not error.value.was_sent
            assert "command 3 of its pipeline, and nothing was sent" in str(error.value)
            assert client.exists("first", "second") == 0
        pipe = client.pipeline(transaction=transaction)
        pipe.rpush("list", 1, 2).hset("hash", "f", 1).sadd("set", 1)
        assert pipe.execute() == [2, 1, 1]


def test_a_batch_has_a_limit_of_its_own(clean_standalone: Server) -> None:
    """Many small commands that are too much together are refused together."""
    with guarded(clean_standalone, max_batch=10_000) as client:
        for transaction in (False, True):
            pipe = client.pipeline(transaction=transaction)
            for number in range(20):
                pipe.set(f"k{number}", "x" * 500)
            with pytest.raises(ValueTooLarge) as error:
                pipe.execute()
            assert error.value.limit == "max_batch"
            assert error.value.size > 10_000
        assert client.dbsize() == 0


def test_strict_mode_leaves_no_gap(clean_standalone: Server) -> None:
    """Another writer that fills the key unseen is noticed: the script asks where it writes."""
    with (
        guarded(clean_standalone, **LIMIT, strict=True, sampling=0.0) as client,
        clean_standalone.connect() as bare,
    ):
        bare.sadd("k", *range(10))
        with pytest.raises(ValueTooLarge):
            client.sadd("k", "x")
        bare.rpush("l", *range(9))
        pipe = client.pipeline(transaction=False)
        pipe.set("before", 1)
        # What a script writes the guard does not see: it stands for another writer here.
        pipe.eval("return redis.call('RPUSH', KEYS[1], 1)", 1, "l")
        pipe.rpush("l", 2)
        with pytest.raises(ValueTooLarge) as error:
            pipe.execute()
        assert error.value.position == 2
        assert error.value.was_sent
        assert bare.llen("l") == 10


@pytest.mark.parametrize("strict", [False, True], ids=["counted", "strict"])
def test_the_wrong_type_is_the_servers_error(clean_standalone: Server, strict: bool) -> None:
    """WRONGTYPE comes through as it is, also where the size is asked along."""
    with guarded(clean_standalone, **LIMIT, strict=strict, sampling=1.0) as client:
        client.set("k", "x")
        with pytest.raises(ResponseError, match="WRONGTYPE Operation against a key"):
            client.hset("k", "f", 1)


async def test_the_same_for_async_clients(clean_standalone: Server) -> None:
    """Refusals, remembered sizes, sampling and pipelines are those of sync clients."""
    settings = {"size_guard": {"mode": "reject", **LIMIT, "sampling": 1.0}}
    client = wrap(redis.asyncio.Redis(port=clean_standalone.port), settings, plugins=[SizeGuard])
    async with client:
        with pytest.raises(ValueTooLarge):
            await client.set("k", "x" * 101)
        assert await client.hset("h", mapping={str(n): n for n in range(10)}) == 10
        with pytest.raises(ValueTooLarge):
            await client.hset("h", "more", 1)
        for transaction in (False, True):
            pipe = client.pipeline(transaction=transaction)
            pipe.set("first", 1)
            pipe.hset("h", "more", 1)
            with pytest.raises(ValueTooLarge) as error:
                await pipe.execute()
            assert error.value.position == 1
        assert await client.exists("first") == 0


@pytest.mark.parametrize("strict", [False, True], ids=["counted", "strict"])
def test_the_same_on_a_cluster(clean_cluster: Cluster, strict: bool) -> None:
    """Each key is asked about on its own node, in pipelines over several nodes too."""
    settings = {"size_guard": {"mode": "reject", **LIMIT, "strict": strict}}
    client = wrap(redis.RedisCluster.from_url(clean_cluster.url), settings, plugins=[SizeGuard])
    with client:
        for number in range(5):
            assert client.sadd(f"s{number}", *range(10)) == 10
            with pytest.raises(ValueTooLarge):
                client.sadd(f"s{number}", "x")
        pipe = client.pipeline()
        pipe.set("a", 1).set("b", 2).sadd("s1", "x")
        with pytest.raises(ValueTooLarge) as error:
            pipe.execute()
        assert error.value.position == 2
        assert client.exists("a", "b") == 0
        client.rpush("list", *range(10))
        with pytest.raises(ValueTooLarge):
            client.rpush("list", 1)


async def test_the_same_on_a_cluster_with_an_async_client(clean_cluster: Cluster) -> None:
    """The async cluster client is guarded like the others."""
    settings = {"size_guard": {"mode": "reject", **LIMIT}}
    client = wrap(
        redis.asyncio.RedisCluster.from_url(clean_cluster.url), settings, plugins=[SizeGuard]
    )
    async with client:
        assert await client.sadd("s", *range(10)) == 10
        with pytest.raises(ValueTooLarge):
            await client.sadd("s", "x")
        pipe = client.pipeline()
        pipe.set("a", 1)
        pipe.sadd("s", "x")
        with pytest.raises(ValueTooLarge):
            await pipe.execute()
        assert await client.exists("a") == 0


@pytest.mark.parametrize("transaction", [False, True], ids=["pipeline", "transaction"])
def test_the_commands_of_a_pipeline_count_together(
    clean_standalone: Server, transaction: bool
) -> None:
    """Pushes that each fit, and together do not, are refused before anything is sent."""
    with guarded(clean_standalone, **LIMIT) as client:
        client.rpush("k", *range(7))
        pipe = client.pipeline(transaction=transaction)
        for number in range(5):
            pipe.rpush("k", number)
        with pytest.raises(ValueTooLarge) as error:
            pipe.execute()
        assert (error.value.position, error.value.size) == (3, 11)
        assert client.llen("k") == 7
        pipe = client.pipeline(transaction=transaction)
        assert pipe.rpush("k", 1).rpush("k", 2).execute() == [8, 9]


def test_a_write_that_made_nothing_and_was_sampled() -> None:
    """Its nil comes through, also where the length was asked for in the same round trip."""
    guard = SizeGuard(SizeGuardSettings(), random=lambda: 0.0)
    for _ in range(3):
        script = Script(guard).answers(lambda command: None if command.name == "XADD" else 0)
        assert script.run("XADD", "missing", "NOMKSTREAM", "*", "a", "2") is None


def test_a_forked_process_has_nothing_of_what_others_were_about_to_write(
    clean_standalone: Server,
) -> None:
    """The parent's thread that is adding to a key adds nothing in the child, which counts anew."""
    is_adding, has_forked = threading.Event(), threading.Event()
    parent = os.getpid()

    class Hold:
        @hookimpl
        def redis_command(self, command: Command) -> Flow:
            if os.getpid() == parent and command.name == "RPUSH":
                is_adding.set()
                assert has_forked.wait(10)
            return (yield command)

    settings = {"size_guard": {"mode": "reject", "max_elements": 3}}
    client = wrap(redis.Redis(port=clean_standalone.port), settings, plugins=[SizeGuard, Hold])

    def add(*values: int) -> None:
        pipeline = client.pipeline(transaction=False)
        pipeline.rpush("k", *values)
        pipeline.execute()

    def add_in_the_child() -> None:
        assert not guard_of(client).counts
        add(1, 2)

    with pytest.raises(ValueTooLarge):
        add(1, 2, 3, 4)
    adding = threading.Thread(target=add, args=(1, 2))
    adding.start()
    assert is_adding.wait(10)
    works = works_in_a_child(add_in_the_child)
    has_forked.set()
    adding.join()
    assert works
    client.close()
