"""Commands that a plugin sends somewhere else: to a node, or to another client."""

from __future__ import annotations

from typing import Any

from tests.integration import awaiting
from tests.integration.at_places import Own, as_number
from tests.integration.each_kind import each_kind, wrapped
from tests.integration.kinds import WRITING, Kind
from tests.integration.pass_through import PassThrough
from tests.integration.servers import Servers

from redis_middleware import Command, Flow, wrap

PLAIN = [kind for kind in WRITING if not kind.is_cluster and kind.deployment == "standalone"]
CLUSTERS = [kind for kind in WRITING if kind.is_cluster]


@each_kind(PLAIN)
async def test_another_client(kind: Kind, servers: Servers) -> None:
    """A command goes to another client, past that one's plugins; lists may be mixed."""
    elsewhere = PassThrough()
    other = wrap(kind.make(servers, db=1), {}, plugins=[elsewhere])

    def redirect(command: Command) -> Flow:
        there = command.replace(target=other)
        if command.keys == (b"{k}list",):
            replies = yield [
                command.replace(("GET", "{k}1")),
                there.replace(("GET", "{k}1")),
                there.replace(("GET", "{k}1")),
            ]
            return [as_number(reply) for reply in replies]
        return (yield there)

    async with wrapped(kind, servers, [Own(redirect)]) as client:
        await awaiting.settle(client.set("{k}1", 1))
        await awaiting.settle(other.set("{k}1", 2))
        assert as_number(await awaiting.settle(client.get("{k}1"))) == 2
        assert await awaiting.settle(client.get("{k}list")) == [1, 2, 2]
        assert elsewhere.names == ["SET"]
    await awaiting.settle(other.aclose() if kind.is_async else other.close())


@each_kind(CLUSTERS)
async def test_node(kind: Kind, servers: Servers) -> None:
    """A command goes to the node that the plugin chose, single and in a pipeline."""
    asked: list[Any] = []

    def redirect(command: Command) -> Flow:
        client: Any = command.client.client
        node = client.get_primaries()[len(asked) % 3]
        asked.append(node)
        return (yield command.replace(("ECHO", str(node.port)), target=node))

    control = kind.control(servers)
    async with wrapped(kind, servers, [Own(redirect)]) as client:
        for _ in range(3):
            reply = await awaiting.settle(client.get("key"))
            assert as_number(reply) == asked[-1].port
        pipe = client.pipeline(transaction=False)
        pipe.get("a").get("b").get("c")
        replies = await awaiting.settle(pipe.execute())
        assert [as_number(reply) for reply in replies] == [node.port for node in asked[3:]]
        calls = [node.info("commandstats")["cmdstat_echo"]["calls"] for node in control.nodes]
        assert calls == [2, 2, 2]
