"""The guard around sync and async clients, plain and of clusters, wherever a command runs."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import DataError
from tests.integration import awaiting
from tests.integration.at_places import places
from tests.integration.each_kind import each_kind, wrapped
from tests.integration.kinds import Kind, kinds
from tests.integration.servers import Servers

from redis_middleware import Place
from redis_middleware_plugins.size_guard import (
    ReadTooLarge,
    SizeGuard,
    SizeGuardSettings,
    ValueTooLarge,
)

CLIENTS = kinds(lambda kind: kind.name in ("tcp", "async tcp", "cluster", "async cluster"))
_ADD = "return redis.call('SADD', KEYS[1], unpack(ARGV))"
LIMITS: dict[str, Any] = {"max_value": 1000, "max_elements": 10, "max_key": 50}


def guard(**table: Any) -> SizeGuard:
    """A guard that rejects."""
    return SizeGuard(SizeGuardSettings.model_validate({"mode": "reject", **table}))


async def run_at(place: Place, client: Any, *args: Any) -> Any:
    """Run a command at some place, behind another one; give its reply."""
    if place is Place.SINGLE:
        return await awaiting.settle(client.execute_command(*args))
    pipe = client.pipeline(transaction=place is not Place.PIPELINE)
    if place is Place.WATCH:
        async with awaiting.entered(pipe):
            await awaiting.settle(pipe.watch("{k}watched"))
            return await awaiting.settle(pipe.execute_command(*args))
    pipe.set("{k}before", 1)
    pipe.execute_command(*args)
    return (await awaiting.settle(pipe.execute()))[1]


REFUSED: dict[str, tuple[str, tuple[Any, ...]]] = {
    "by its value": ("max_value", ("SET", "{k}s", b"x" * 1001)),
    "by its offset": ("max_value", ("SETRANGE", "{k}s", 536870911, "x")),
    "by its elements": ("max_elements", ("SADD", "{k}new", *range(11))),
    "by its key": ("max_key", ("INCR", "{k}" + "k" * 50)),
    "a remembered list": ("max_elements", ("RPUSH", "{k}list", 1)),
    "a remembered set": ("max_elements", ("SADD", "{k}set", "x")),
    "a copy": ("max_elements", ("COPY", "{k}list", "{k}small:list")),
    "a new name": ("max_elements", ("RENAME", "{k}list", "{k}small:list")),
}


@pytest.mark.parametrize("strict", [False, True], ids=["counted", "strict"])
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("kind", CLIENTS, ids=str)
def test_writes_are_refused(kind: Kind, servers: Servers, name: str, strict: bool) -> None:
    """Wherever the write runs it is refused; of a pipeline or transaction nothing is sent."""
    limit, args = REFUSED[name]
    rules = [{"keys": "{k}small:*", "max_elements": 5}]

    async def scenario() -> None:
        async with wrapped(kind, servers, [guard(**LIMITS, strict=strict, rules=rules)]) as client:
            await awaiting.settle(client.rpush("{k}list", *range(10)))
            await awaiting.settle(client.sadd("{k}set", *range(10)))
            for place in places(kind):
                with pytest.raises(ValueTooLarge) as error:
                    await run_at(place, client, *args)
                assert error.value.limit == limit
                is_queued = place in (Place.PIPELINE, Place.TRANSACTION)
                assert error.value.position == (1 if is_queued else None)
                assert not error.value.was_sent
            assert await awaiting.settle(client.exists("{k}before")) == 0
            assert await awaiting.settle(client.llen("{k}list")) == 10

    awaiting.run(scenario(), is_async=kind.is_async)


@each_kind(CLIENTS)
async def test_what_fits_goes_through(kind: Kind, servers: Servers) -> None:
    """Small writes give their usual replies at every place, without and with a look afterwards."""
    async with wrapped(kind, servers, [guard(**LIMITS)]) as client:
        for place in places(kind):
            prefix = f"{{k}}{place.value}"
            assert await run_at(place, client, "SET", f"{prefix}s", "x") in (True, b"OK")
            assert await run_at(place, client, "INCR", f"{prefix}n") == 1
            assert await run_at(place, client, "RPUSH", f"{prefix}l", 1, 2) == 2
            assert await run_at(place, client, "SADD", f"{prefix}m", 1, 2) == 2
            assert await run_at(place, client, "EXPIRE", f"{prefix}m", 100) in (True, 1)
            assert await run_at(place, client, "DEL", f"{prefix}m", f"{prefix}l") == 2
            assert await run_at(place, client, "GET", f"{prefix}s") == b"x"


@each_kind(CLIENTS)
async def test_the_first_delete_runs_anywhere(kind: Kind, servers: Servers) -> None:
    """The first delete of a client, which has the server asked how it frees keys, removes the key
    at every place; under WATCH too, where a cluster's pipeline takes no question without a key."""
    for place in places(kind):
        async with wrapped(kind, servers, [guard()]) as client:
            await awaiting.settle(client.set("{k}s", "x"))
            assert await run_at(place, client, "DEL", "{k}s") == 1
            await awaiting.settle(client.set("{k}s", "x"))
            assert await run_at(place, client, "DEL", "{k}s") == 1


@each_kind(CLIENTS)
async def test_whole_batches_are_refused(kind: Kind, servers: Servers) -> None:
    """Many small commands that are too much together are not sent."""
    async with wrapped(kind, servers, [guard(max_batch=5000)]) as client:
        for is_transaction in (False, True) if kind.has_transactions else (False,):
            pipe = client.pipeline(transaction=is_transaction)
            for number in range(20):
                pipe.set(f"{{k}}{number}", "x" * 500)
            with pytest.raises(ValueTooLarge) as error:
                await awaiting.settle(pipe.execute())
            assert error.value.limit == "max_batch"
            assert error.value.command == ("TRANSACTION" if is_transaction else "PIPELINE")
        assert await awaiting.settle(client.exists("{k}1")) == 0


@each_kind(CLIENTS)
async def test_what_redis_py_refuses_keeps_its_error(kind: Kind, servers: Servers) -> None:
    """A value of a type that redis-py does not take is its own DataError, in batches too."""
    async with wrapped(kind, servers, [guard(max_batch=10, max_value=1)]) as client:
        for value in (None, True, ["xyz"], {"xyz": 1}):
            for place in places(kind):
                with pytest.raises(DataError) as error:
                    await run_at(place, client, "SET", "{k}s", value)
                assert not isinstance(error.value, ValueTooLarge)


@each_kind(CLIENTS)
async def test_strict_mode_leaves_no_gap(kind: Kind, servers: Servers) -> None:
    """A key that another writer filled unseen is not written, and the error says what was sent."""
    async with wrapped(kind, servers, [guard(**LIMITS, strict=True, sampling=0.0)]) as client:
        for place in places(kind):
            key = f"{{k}}{place.value}"
            # The guard does not see what scripts write: this one stands for another writer.
            await awaiting.settle(client.eval(_ADD, 1, key, *range(10)))
            with pytest.raises(ValueTooLarge):
                await run_at(place, client, "SADD", key, "one more")
            assert await run_at(place, client, "SADD", key, 1) == 0


@each_kind(CLIENTS)
async def test_reads_are_refused(kind: Kind, servers: Servers) -> None:
    """The length is asked on the key's server; in a pipeline nothing is sent."""
    async with wrapped(kind, servers, [guard(reads="reject", max_read=5)]) as client:
        await awaiting.settle(client.hset("{k}h", mapping={n: n for n in range(10)}))
        for place in places(kind):
            with pytest.raises(ReadTooLarge) as error:
                await run_at(place, client, "HGETALL", "{k}h")
            assert (error.value.key, error.value.size) == (b"{k}h", 10)
        assert await awaiting.settle(client.exists("{k}before")) == 0


@each_kind(CLIENTS)
async def test_reads_are_paged(kind: Kind, servers: Servers) -> None:
    """The reply is the whole one, at every place; a transaction, of one round, is not paged."""
    whole = {b"%d" % n: b"%d" % n for n in range(2000)}
    async with wrapped(kind, servers, [guard(reads="page", max_read=5, page_size=99)]) as client:
        await awaiting.settle(client.hset("{k}h", mapping=whole))
        await awaiting.settle(client.sadd("{k}s", *range(2000)))
        await awaiting.settle(client.rpush("{k}l", *range(2000)))
        for place in [each for each in places(kind) if each is not Place.TRANSACTION]:
            assert await run_at(place, client, "HGETALL", "{k}h") == whole
            assert set(await run_at(place, client, "SMEMBERS", "{k}s")) == set(whole)
            assert await run_at(place, client, "LRANGE", "{k}l", 0, -1) == list(whole)


@each_kind(CLIENTS)
async def test_removals_become_unlink(kind: Kind, servers: Servers) -> None:
    """At every place, with the replies that the commands would have had."""
    async with wrapped(kind, servers, [guard(unlink="always")]) as client:
        for place in places(kind):
            for removal, reply in (
                (("DEL", "{k}a", "{k}b"), 1),
                (("EXPIRE", "{k}a", 0), 1),
                (("PEXPIREAT", "{k}a", 1000), 1),
                (("EXPIREAT", "{k}missing", 1000), 0),
                (("SET", "{k}a", "x", "EXAT", 1000), 1),
            ):
                await awaiting.settle(client.rpush("{k}a", 1))
                assert await run_at(place, client, *removal) == reply
                assert await awaiting.settle(client.exists("{k}a")) == (1 - reply)


@each_kind(CLIENTS)
async def test_servers_that_free_in_the_background_get_del(kind: Kind, servers: Servers) -> None:
    """With auto the server is asked once, and what it does by itself is left to it."""
    async with wrapped(kind, servers, [guard(unlink="auto")]) as client:
        await awaiting.settle(client.config_set("lazyfree-lazy-user-del", "yes"))
        for number in range(3):
            await awaiting.settle(client.delete(f"{{k}}{number}"))
        control = kind.control(servers)
        assert (control.calls("del"), control.calls("unlink")) == (3, 0)
        assert control.calls("config|get") == 1


@each_kind(CLIENTS)
async def test_keys_get_a_time_to_live_and_a_greatest_length(kind: Kind, servers: Servers) -> None:
    """What goes along is in the same round trip, and hidden from the application."""
    rules = [{"keys": "{k}*", "ttl": "100 s", "max_length": 5}]
    async with wrapped(kind, servers, [guard(rules=rules)]) as client:
        for place in places(kind):
            key = f"{{k}}{place.value}"
            assert await run_at(place, client, "RPUSH", key, *range(8)) == 8
            assert await awaiting.settle(client.llen(key)) == 5
            assert await run_at(place, client, "INCR", f"{key}n") == 1
            for each in (key, f"{key}n"):
                assert 0 < await awaiting.settle(client.ttl(each)) <= 110
