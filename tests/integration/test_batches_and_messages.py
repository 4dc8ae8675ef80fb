"""Plugins that intervene around whole batches and around messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.integration import awaiting
from tests.integration.at_places import Refused
from tests.integration.each_kind import each_kind, numbered_commands_work, only_one, wrapped
from tests.integration.kinds import WRITING, Kind
from tests.integration.servers import Servers

from redis_middleware import NIL, Batch, Flow, Message, Place, hookimpl


class OwnBatch:
    """A plugin with the given flow around batches."""

    name = "own_batch"

    def __init__(self, flow: Callable[[Batch], Flow]) -> None:
        self._flow = flow

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow:
        """Hand over to the flow."""
        return (yield from self._flow(batch))


@each_kind()
async def test_batches(kind: Kind, servers: Servers) -> None:
    """Around a whole batch: answer it, refuse it, change its commands or its replies, repeat it."""

    def intervene(batch: Batch) -> Flow:
        key = batch.commands[0].keys[0]
        if key == b"{k}answer":
            return ["answered"] * len(batch)
        if key == b"{k}refuse":
            raise Refused("on purpose")
        if key == b"{k}replace":
            return (yield batch.replace([batch.commands[0].replace(("INCRBY", "{k}1", 1))]))
        replies = yield batch
        if key == b"{k}again" and batch.place is Place.PIPELINE:
            replies = yield batch
        return [reply if isinstance(reply, Exception) else ("seen", reply) for reply in replies]

    transactions = [False, True] if kind.has_transactions else [False]
    control = kind.control(servers)
    async with wrapped(kind, servers, [OwnBatch(intervene)], **only_one(kind)) as client:

        async def execute(key: str, transaction: bool) -> Any:
            pipe = client.pipeline(transaction=transaction)
            pipe.incr(key)
            return await awaiting.settle(pipe.execute())

        for transaction in transactions:
            control.clear()
            assert await execute("{k}answer", transaction) == ["answered"]
            with pytest.raises(Refused):
                await execute("{k}refuse", transaction)
            assert "incrby" not in control.command_counts()
            assert await execute("{k}replace", transaction) == [1]
            assert await execute("{k}plain", transaction) == [("seen", 1)]
            expected = 1 if transaction else 2
            assert await execute("{k}again", transaction) == [("seen", expected)]
        await numbered_commands_work(client, 20)


class OwnMessages:
    """Drops, changes and passes on messages."""

    name = "own_messages"

    @hookimpl
    def redis_message(self, message: Message) -> Flow:
        """By their payload."""
        if b"drop" in message.client.encode(message.data):
            return NIL
        if b"change" in message.client.encode(message.data):
            return (yield message.replace("changed"))
        return (yield message)


@each_kind([kind for kind in WRITING if kind.has("pubsub")])
async def test_messages(kind: Kind, servers: Servers) -> None:
    """Messages that are dropped or changed before handlers or the application get them."""
    handled: list[Any] = []
    async with (
        wrapped(kind, servers, [OwnMessages()]) as client,
        awaiting.entered(client.pubsub(ignore_subscribe_messages=True)) as pubsub,
    ):
        await awaiting.settle(pubsub.subscribe("{c}one"))
        await awaiting.settle(pubsub.subscribe(**{"{c}two": handled.append}))
        for channel in ("{c}one", "{c}two"):
            for payload in ("drop", "change", "plain"):
                await awaiting.settle(client.publish(channel, payload))
        received: list[Any] = []

        async def poll() -> bool:
            message = await awaiting.settle(pubsub.get_message(timeout=0.05))
            received.extend([message] if message else [])
            return len(received) == 2 and len(handled) == 2

        await awaiting.until(poll, is_async=kind.is_async)
    plain = "plain" if kind.decodes else b"plain"
    assert [message["data"] for message in received] == ["changed", plain]
    assert [message["data"] for message in handled] == ["changed", plain]
