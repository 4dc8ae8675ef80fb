"""Publishing and subscribing: channels, patterns, shard channels, handlers, threads, loss."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from tests.integration import awaiting
from tests.integration.contract import Run, contract
from tests.integration.kinds import ESSENTIAL, WRITING, kinds

# Subscriptions and redis-py's client-side cache do not go together.
EVERY = kinds(lambda kind: kind.deployment not in ("fake", "redis") and kind.has("pubsub"))
PUBLISHING = [kind for kind in EVERY if kind in WRITING]


async def receive(run: Run, pubsub: Any, **options: Any) -> Any:
    """The next message, whatever it is; pauses between polls do not count."""
    return await run.until(lambda: pubsub.get_message(timeout=0.05, **options))


async def take(run: Run, pubsub: Any, count: int) -> None:
    """Take down so many messages."""
    for _ in range(count):
        run.note(await receive(run, pubsub))


@contract(EVERY, counts=False)
async def test_channels_and_patterns(run: Run) -> None:
    """Confirmations and messages of channels and patterns, in order, until unsubscribed."""
    async with awaiting.entered(run.client.pubsub()) as pubsub:
        await awaiting.settle(pubsub.subscribe("{c}one", "{c}two"))
        await awaiting.settle(pubsub.psubscribe("{c}o*"))
        await take(run, pubsub, 3)
        run.note(pubsub.subscribed)
        await run.record(run.client.publish, "{c}one", "to both")
        await run.record(run.client.publish, "{c}two", b"\x00\xff" if not run.kind.decodes else "x")
        await run.record(run.client.publish, "{c}three", "to nobody")
        await take(run, pubsub, 3)
        await awaiting.settle(pubsub.unsubscribe("{c}one"))
        await awaiting.settle(pubsub.punsubscribe())
        await take(run, pubsub, 2)
        await run.record(run.client.publish, "{c}one", "to nobody")
        await run.record(pubsub.ping)
        await take(run, pubsub, 1)
    await run.record(run.client.get, "{c}key")


@contract(PUBLISHING, counts=False)
async def test_handlers(run: Run) -> None:
    """A handler takes its channel's messages; what the application gets is nothing then."""
    handled: list[Any] = []
    pubsub = run.client.pubsub(ignore_subscribe_messages=True)
    await awaiting.settle(pubsub.subscribe(**{"{c}one": handled.append}))
    await awaiting.settle(pubsub.psubscribe(**{"{c}p*": handled.append}))
    await awaiting.settle(pubsub.subscribe("{c}two"))
    await run.pause(0.02)
    for channel in ("{c}one", "{c}pattern", "{c}two"):
        await run.record(run.client.publish, channel, "news")
    run.note(await receive(run, pubsub))
    run.note(handled)
    await awaiting.settle(pubsub.aclose() if run.kind.is_async else pubsub.close())
    run.note(pubsub.subscribed)


@contract([kind for kind in PUBLISHING if kind in ESSENTIAL], counts=False)
async def test_failing_handler(run: Run) -> None:
    """What a handler raises comes out of ``get_message``, and the subscription goes on."""

    def fail(message: Any) -> None:
        raise LookupError("from the handler")

    async with awaiting.entered(run.client.pubsub(ignore_subscribe_messages=True)) as pubsub:
        await awaiting.settle(pubsub.subscribe(**{"{c}one": fail}))
        await awaiting.settle(pubsub.subscribe("{c}two"))
        await run.pause(0.02)
        await run.record(run.client.publish, "{c}one", "news")
        await run.record(run.client.publish, "{c}two", "news")
        await run.record(lambda: receive(run, pubsub))
        run.note(await receive(run, pubsub))


@contract(PUBLISHING, counts=False)
async def test_listening(run: Run) -> None:
    """``listen()`` gives what comes until nothing is subscribed to any more."""
    async with awaiting.entered(run.client.pubsub()) as pubsub:
        await awaiting.settle(pubsub.subscribe("{c}one"))
        await run.record(run.client.publish, "{c}one", "news")
        await run.record(run.client.publish, "{c}one", "stop")
        messages = pubsub.listen()
        for _ in range(3):
            message = await (anext(messages) if run.kind.is_async else _next(messages))
            run.note(message)
        await awaiting.settle(pubsub.unsubscribe())
        await run.collect(messages)
    run.note(await awaiting.settle(_refused(run.client.pubsub())))


async def _next(iterator: Any) -> Any:
    return next(iterator)


async def _refused(pubsub: Any) -> Any:
    try:
        return await awaiting.settle(pubsub.get_message())
    except RuntimeError as error:
        return error


@contract([kind for kind in PUBLISHING if not kind.is_async], counts=False)
async def test_thread(run: Run) -> None:
    """``run_in_thread`` hands messages to handlers, and to its handler of exceptions."""
    handled: list[Any] = []
    failures: list[BaseException] = []

    def handle(message: Any) -> None:
        handled.append(message)
        if len(handled) == 2:
            raise LookupError("from the handler")

    pubsub = run.client.pubsub()
    pubsub.subscribe(**{"{c}one": handle})
    thread = pubsub.run_in_thread(
        sleep_time=0.01, exception_handler=lambda error, *_: failures.append(error)
    )
    await run.until(lambda: run.client.publish("{c}one", "news"))
    await run.record(run.client.publish, "{c}one", "news")
    await run.record(run.client.publish, "{c}one", "news")
    await run.until(lambda: len(handled) == 3 and failures)
    thread.stop()
    thread.join(5)
    run.note(handled)
    run.note(failures)
    async with awaiting.entered(run.client.pubsub()) as unhandled:
        await run.record(unhandled.subscribe, "{c}one")
        await run.record(unhandled.run_in_thread)


@contract([kind for kind in PUBLISHING if kind.is_async and not kind.is_cluster], counts=False)
async def test_task(run: Run) -> None:
    """``run()`` hands messages to handlers, also to coroutines, until it is cancelled."""
    handled: list[Any] = []
    failures: list[BaseException] = []

    def handle(message: Any) -> None:
        handled.append(message)
        if len(handled) == 2:
            raise LookupError("from the handler")

    async def handle_async(message: Any) -> None:
        handled.append(message)

    def take(error: BaseException, _: Any) -> None:
        failures.append(error)

    pubsub = run.client.pubsub()
    await pubsub.subscribe(**{"{c}one": handle, "{c}two": handle_async})
    task = asyncio.create_task(pubsub.run(exception_handler=take, poll_timeout=0.01))
    for channel in ("{c}one", "{c}one", "{c}two"):
        await run.until(functools.partial(run.client.publish, channel, "news"))
    await run.until(lambda: len(handled) == 3 and failures)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await pubsub.aclose()
    run.note(handled)
    run.note(failures)


@contract(PUBLISHING, counts=False)
async def test_resubscribing(run: Run) -> None:
    """A subscription whose connection was lost subscribes again by itself."""
    pubsub = run.client.pubsub()
    await awaiting.settle(pubsub.subscribe("{c}one"))
    await awaiting.settle(pubsub.psubscribe("{c}p*"))
    await take(run, pubsub, 2)
    run.control.kill_connections(run.name)
    for _ in range(2):
        # Clients that do not try again by themselves say that the connection is lost, once.
        if isinstance(await run.record(receive, run, pubsub), Exception):
            await run.record(receive, run, pubsub)
    await run.record(run.client.publish, "{c}one", "news")
    await run.record(run.client.publish, "{c}pattern", "news")
    await take(run, pubsub, 2)
    await awaiting.settle(pubsub.aclose() if run.kind.is_async else pubsub.close())


@contract([kind for kind in EVERY if kind.is_cluster], counts=False)
async def test_shard_channels(run: Run) -> None:
    """Shard channels of a cluster, on several nodes at once."""
    pubsub = run.client.pubsub()
    channels = [f"shard-{number}" for number in range(6)]
    for channel in channels:
        await awaiting.settle(pubsub.ssubscribe(channel))
    received: list[Any] = []
    for channel in channels:
        await run.record(run.client.spublish, channel, f"news of {channel}")
    while len(received) < 2 * len(channels):
        received.append(await run.until(lambda: pubsub.get_sharded_message(timeout=0.01)))
    run.note(sorted(repr(message) for message in received))
    await awaiting.settle(pubsub.sunsubscribe(channels[0]))
    run.note(await run.until(lambda: pubsub.get_sharded_message(timeout=0.01)))
    await awaiting.settle(pubsub.aclose() if run.kind.is_async else pubsub.close())


@contract([kind for kind in PUBLISHING if not kind.is_cluster], counts=False)
async def test_shard_channels_of_one_server(run: Run) -> None:
    """Shard channels of a server that is no cluster."""
    async with awaiting.entered(run.client.pubsub()) as pubsub:
        if not hasattr(pubsub, "ssubscribe"):
            return
        await awaiting.settle(pubsub.ssubscribe("shard"))
        await run.record(run.client.execute_command, "SPUBLISH", "shard", "news")
        await take(run, pubsub, 2)


@contract(
    [kind for kind in ESSENTIAL if kind.has("keyspace_notifications")],
    counts=False,
)
async def test_keyspace_notifications(run: Run) -> None:
    """Notifications of changes to keys, by redis-py's own layer over subscriptions."""
    for node in run.control.nodes:
        node.config_set("notify-keyspace-events", "KEA")
    notifications = run.client.keyspace_notifications()
    await awaiting.settle(notifications.subscribe_keyspace("n*"))
    await run.pause(0.02)
    await run.record(run.client.set, "n1", 1)
    await run.record(run.client.set, "other", 1)
    await run.record(run.client.delete, "n1")
    for _ in range(2):
        notification = await run.until(lambda: notifications.get_message(timeout=0.05))
        run.note(repr(notification))
    await awaiting.settle(notifications.aclose() if run.kind.is_async else notifications.close())
    for node in run.control.nodes:
        node.config_set("notify-keyspace-events", "")
