"""Plugins that intervene: answer, refuse, rewrite, change, retry and fan out, at every place."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.asyncio
from tests.integration import awaiting
from tests.integration.at_places import Own, Refused, as_number, get_at, places
from tests.integration.each_kind import each_kind, only_one, wrapped
from tests.integration.kinds import Kind
from tests.integration.pass_through import PassThrough
from tests.integration.servers import Servers

from redis_middleware import NIL, Command, Flow, Place, wrap
from redis_middleware.embedded import Server


@each_kind()
async def test_answered(kind: Kind, servers: Servers) -> None:
    """A flow that returns at once answers: its command is not sent, the others are."""

    def answer(command: Command) -> Flow:
        return NIL if command.keys == (b"{k}nil",) else b"42"
        yield

    outer, inner = PassThrough("outer"), PassThrough("inner")
    control = kind.control(servers)
    async with wrapped(kind, servers, [outer, Own(answer), inner]) as client:
        for place in places(kind):
            assert as_number(await get_at(place, client, "{k}1")) == 42
            assert await get_at(place, client, "{k}nil") is None
        assert control.command_counts().get("get", 0) == 0
    assert outer.names.count("GET") == 2 * len(places(kind))
    assert "GET" not in inner.names


@each_kind()
async def test_refused(kind: Kind, servers: Servers) -> None:
    """A flow that raises at once refuses: the exception arrives, and nothing at all is sent."""

    def refuse(command: Command) -> Flow:
        raise Refused("on purpose")
        yield

    around = PassThrough()
    control = kind.control(servers)
    async with wrapped(kind, servers, [around, Own(refuse)], **only_one(kind)) as client:
        for place in places(kind):
            with pytest.raises(Refused, match="on purpose"):
                await get_at(place, client, "{k}1")
        counts = control.command_counts()
        assert "get" not in counts
        assert "set" not in counts
        assert around.failures.count(Refused) >= len(places(kind))
        await _works(client, kind)


async def _works(client: Any, kind: Kind) -> None:
    """The client works, with a plugin that has its way with GET only."""
    for number in range(20):
        await awaiting.settle(client.hset("{k}hash", f"f{number}", number))
        reply = await awaiting.settle(client.hget("{k}hash", f"f{number}"))
        assert int(reply) == number


@each_kind()
async def test_rewritten(kind: Kind, servers: Servers) -> None:
    """A flow may send another command, of another name too; the inner plugins get that."""

    def rewrite(command: Command) -> Flow:
        if command.keys == (b"{k}length",):
            return (yield command.replace(("STRLEN", "{k}1")))
        return (yield command.replace(("GET", "{k}1")))

    inner = PassThrough()
    async with wrapped(kind, servers, [Own(rewrite), inner]) as client:
        await awaiting.settle(client.set("{k}1", 123))
        inner.commands.clear()
        for place in places(kind):
            assert as_number(await get_at(place, client, "{k}other")) == 123
            assert await get_at(place, client, "{k}length") == 3
            names = [command.name for command in inner.commands if command.keys == (b"{k}1",)]
            assert names == ["GET", "STRLEN"]
            assert all(command.place is place for command in inner.commands)
            inner.commands.clear()


@each_kind()
async def test_reply_changed(kind: Kind, servers: Servers) -> None:
    """What the flow returns is the reply, whatever it is."""

    def change(command: Command) -> Flow:
        reply = yield command
        return {"reply": as_number(reply)}

    async with wrapped(kind, servers, [Own(change)]) as client:
        await awaiting.settle(client.set("{k}1", 5))
        for place in places(kind):
            assert await get_at(place, client, "{k}1") == {"reply": 5}
            assert await get_at(place, client, "{k}missing") == {"reply": None}


@each_kind()
async def test_error_replaced(kind: Kind, servers: Servers) -> None:
    """A flow may answer for a failure, or raise another one for it."""

    def replace_error(command: Command) -> Flow:
        try:
            return (yield command)
        except Exception as error:
            if command.keys == (b"{k}hash",):
                raise Refused("instead") from error
            return b"7"

    async with wrapped(kind, servers, [Own(replace_error)], **only_one(kind)) as client:
        await awaiting.settle(client.hset("{k}hash", "f", 1))
        await awaiting.settle(client.hset("{k}other", "f", 1))
        for place in places(kind):
            assert as_number(await get_at(place, client, "{k}other")) == 7
            if place in (Place.SINGLE, Place.WATCH):
                with pytest.raises(Refused, match="instead"):
                    await get_at(place, client, "{k}hash")
            else:
                assert isinstance(await get_at(place, client, "{k}hash"), Refused)
        await _works(client, kind)


@each_kind()
async def test_retried(kind: Kind, servers: Servers) -> None:
    """A flow may send again; in a transaction, which is over then, that is an error."""

    def again(command: Command) -> Flow:
        first = yield command
        if command.place is Place.TRANSACTION:
            return first
        second = yield command.replace(("GET", "{k}2"))
        return int(first) + int(second)

    control = kind.control(servers)
    around = PassThrough()
    async with wrapped(kind, servers, [around, Own(again)]) as client:
        await awaiting.settle(client.set("{k}1", 1))
        await awaiting.settle(client.set("{k}2", 2))
        for place in places(kind):
            expected = 1 if place is Place.TRANSACTION else 3
            assert as_number(await get_at(place, client, "{k}1")) == expected
        if not kind.is_fake:
            sends = [1 if place is Place.TRANSACTION else 2 for place in places(kind)]
            assert control.command_counts()["get"] == sum(sends)
    assert around.names.count("GET") == len(places(kind))


@each_kind()
async def test_fanned_out(kind: Kind, servers: Servers) -> None:
    """A flow may send several commands together, failing ones among them, at every place."""

    def fan_out(command: Command) -> Flow:
        replies = yield [
            command.replace(("GET", "{k}1")),
            command.replace(("LPUSH", "{k}1", 1)),
            command.replace(("INCRBY", "{k}2", 1)),
            command,
        ]
        first, failure, count, own = replies
        assert isinstance(failure, Exception)
        assert "WRONGTYPE" in str(failure)
        return [as_number(first), count, as_number(own)]

    inner = PassThrough()
    async with wrapped(kind, servers, [Own(fan_out), inner]) as client:
        await awaiting.settle(client.set("{k}1", 10))
        inner.commands.clear()
        for count, place in enumerate(places(kind), 1):
            assert await get_at(place, client, "{k}2") == [10, count, count]
            names = [command.name for command in inner.commands]
            assert [name for name in names if name not in ("SET", "WATCH", "UNWATCH")] == [
                "GET",
                "LPUSH",
                "INCRBY",
                "GET",
            ]
            inner.commands.clear()
        await numbered_commands_work_without_get(client)


async def numbered_commands_work_without_get(client: Any) -> None:
    """The client works, with a plugin that has its way with GET only."""
    for number in range(20):
        reply = await awaiting.settle(client.set("{k}3", number, get=True))
        assert as_number(reply) == (None if number == 0 else number - 1)


@each_kind()
async def test_fanned_out_to_several_slots(kind: Kind, servers: Servers) -> None:
    """Outside of transactions the commands may be of several slots, or none at all."""

    def fan_out(command: Command) -> Flow:
        if command.keys == (b"none",):
            return (yield [])
        replies = yield [command.replace(("GET", f"key-{number}")) for number in range(20)]
        return [as_number(reply) for reply in replies]

    async with wrapped(kind, servers, [Own(fan_out)]) as client:
        for number in range(20):
            await awaiting.settle(client.set(f"key-{number}", number))
        for place in (Place.SINGLE, Place.PIPELINE):
            assert await get_at(place, client, "all") == list(range(20))
            assert await get_at(place, client, "none") == []


@each_kind()
async def test_pipeline_of_several_rounds(kind: Kind, servers: Servers) -> None:
    """Each flow of a pipeline takes as many rounds as it likes; replies stay where they belong."""

    def count_down(command: Command) -> Flow:
        reply = yield command
        for _ in range(int(reply) % 4):
            reply = yield command.replace(("INCRBY", command.args[1], 10))
        return int(reply)

    async with wrapped(kind, servers, [Own(count_down)]) as client:
        for number in range(30):
            await awaiting.settle(client.set(f"key-{number}", number))
        pipe = client.pipeline(transaction=False)
        for number in range(30):
            pipe.get(f"key-{number}")
        replies = await awaiting.settle(pipe.execute())
        assert replies == [number + 10 * (number % 4) for number in range(30)]


@each_kind()
async def test_everything_is_an_ordinary_command_afterwards(kind: Kind, servers: Servers) -> None:
    """After interventions of all sorts the pool is clean."""

    def sometimes(command: Command) -> Flow:
        last = command.keys[0][-1:]
        if last == b"1":
            raise Refused("on purpose")
        reply = yield command
        if last == b"2":
            raise Refused("later")
        return reply

    async with wrapped(kind, servers, [Own(sometimes)], **only_one(kind)) as client:
        for place in places(kind):
            for key in ("{k}1", "{k}2"):
                try:
                    assert isinstance(await get_at(place, client, key), Refused)
                except Refused:
                    continue
        for number in range(100):
            key = f"numbered-{number}-"
            await awaiting.settle(client.set(key, number))
            assert int(await awaiting.settle(client.get(key))) == number


@pytest.mark.parametrize("module", [redis, redis.asyncio])
async def test_errors_name_the_applications_commands(clean_standalone: Server, module: Any) -> None:
    """What a plugin sends along is not counted, in an aborted transaction and in replies."""

    def fan_out(command: Command) -> Flow:
        if command.name != "SADD":
            return (yield command)
        return (yield [command, command.replace(("SCARD", command.args[1]))])[0]

    client = wrap(module.Redis(port=clean_standalone.port), {}, plugins=[Own(fan_out)])
    async with awaiting.entered(client):
        for transaction in (True, False):
            pipe = client.pipeline(transaction=transaction)
            pipe.sadd("s", 1)
            pipe.execute_command("HSET", "h", "field")
            with pytest.raises(redis.ResponseError, match=r"^Command # 2 \(HSET h field\)"):
                await awaiting.settle(pipe.execute())
