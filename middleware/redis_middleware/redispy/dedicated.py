"""Connections of one's own: outside of every pool, for what listens to a server.

Made with the settings of the wrapped client (address, TLS, credentials, time-outs). What they do
are steps, which flows yield as a ``Call``: ``yield call_of(connection.open())``.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import time
from collections.abc import Sequence
from typing import Any, Final

from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from redis_middleware.redispy.connection_settings import connection_settings, settings_at
from redis_middleware.redispy.steps import Steps
from redis_middleware.redispy.view import ClientView, ServerAddress, address

__all__ = [
    "DedicatedConnection",
    "connects_to_any_replica",
    "known_nodes",
    "reads_from_replicas",
    "receive",
    "receive_async",
]

_READ_SIZE: Final = 65536


class DedicatedConnection:
    """One connection to one server, with no pool around it.

    Args:
        view: the client whose settings it is made with.
        to: the server; ``None`` for where the client itself would connect (a Sentinel's primary,
            a unix socket).
        protocol: the version of RESP; by default that of the client's settings, and 3 where they
            name none.
        within: seconds that connecting may take, and each reply waited for, at most and without
            another try; by default it is as in the client's settings.

    Attributes:
        resp3: whether the server's pushes are told from replies (RESP3); once it is open.
        address: where it is connected, once it is open.
    """

    def __init__(
        self,
        view: ClientView,
        to: ServerAddress | None = None,
        protocol: int | None = None,
        *,
        within: float | None = None,
    ) -> None:
        self._raw: Any = _make(view, to, protocol, within)
        self._early: list[Any] = []
        self._reading: asyncio.Task[list[Any]] | None = None
        self.resp3 = False
        self.address: ServerAddress | None = to

    def open(self) -> Steps:
        """Connect, once."""
        raw = self._raw
        yield raw.connect()
        self.resp3 = (
            str(raw.get_protocol() if hasattr(raw, "get_protocol") else raw.protocol) == "3"
        )
        parser = raw._parser
        if hasattr(parser, "set_invalidation_push_handler"):
            handler = _given_back_async if self._is_async else _given_back
            parser.set_invalidation_push_handler(handler)
        host = getattr(raw, "host", None)
        if host:
            self.address = address(host, raw.port)

    @property
    def _is_async(self) -> bool:
        return asyncio.iscoroutinefunction(type(self._raw).connect)

    def call(self, *args: Any) -> Steps:
        """Send a command and wait for its reply; pushes meanwhile are kept for ``receive``.

        Returns:
            The reply, text as bytes.

        Raises:
            RedisError: the server's error, or a lost connection.
        """
        yield self._raw.send_command(*args, check_health=False)
        while True:
            reply = yield self._raw.read_response(
                disable_decoding=True, push_request=True, disconnect_on_error=False
            )
            if not _is_push(reply):
                return reply
            self._early.append(reply)

    def send(self, *args: Any) -> Steps:
        """Send a command; its reply is among what ``receive`` gives."""
        yield self._raw.send_command(*args, check_health=False)

    def has_pending(self) -> bool:
        """Whether something came that ``receive`` has not given yet."""
        if self._early or (self._reading is not None and self._reading.done()):
            return True
        sock = self._socket()
        if sock is None or sock.fileno() < 0:
            return True
        poller = select.poll()
        poller.register(sock, select.POLLIN)
        return bool(poller.poll(0))

    def _socket(self) -> Any:
        if not self._is_async:
            return self._raw._sock
        writer = getattr(self._raw, "_writer", None)
        return None if writer is None else writer.get_extra_info("socket")

    def close(self) -> None:
        """Close it at once, also from within a flow that was interrupted."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        if not self._is_async:
            self._raw.disconnect()
            return
        writer = getattr(self._raw, "_writer", None)
        if writer is not None:
            writer.transport.abort()
            # Else redis-py would warn of a connection that nobody closed.
            self._raw._writer = self._raw._reader = None

    def _take(self) -> list[Any]:
        """Everything that is there to be read."""
        taken, self._early = self._early, []
        reader = getattr(self._raw._parser, "_reader", None)
        if reader is not None and type(self._raw._sock) is socket.socket:
            return taken + self._take_at_once(reader, has_more=not taken)
        while self._raw.can_read(timeout=0):
            taken.append(
                self._raw.read_response(
                    disable_decoding=True, push_request=True, disconnect_on_error=False
                )
            )
        return taken

    def _take_at_once(self, reader: Any, *, has_more: bool) -> list[Any]:
        """The same by a single call of the system, for hiredis without TLS.

        Each call gives the GIL away, and a thread that is busy keeps it for 5 ms; redis-py makes
        nine of them for a message.
        """
        taken = _messages_in(reader)
        if taken or not has_more:
            return taken
        try:
            data = os.read(self._raw._sock.fileno(), _READ_SIZE)
        except BlockingIOError:
            # The rest of a message that has come in part is still on its way.
            return []
        if not data:
            raise ConnectionError(f"{self.address} closed the connection")
        reader.feed(data)
        return _messages_in(reader)

    def _has_buffered(self) -> bool:
        """Whether something was received that nobody took, of which the socket does not tell."""
        if self._early:
            return True
        reader = getattr(self._raw._parser, "_reader", None)
        if reader is not None and reader.has_data():
            return True
        sock = self._raw._sock
        return bool(hasattr(sock, "pending") and sock.pending())

    async def _read_some(self) -> list[Any]:
        """Wait for a message; with it come those that are there already."""
        messages = [await self._read_one()]
        try:
            while self._has_received():
                messages.append(await self._read_one())
        except (RedisError, OSError) as error:
            messages.append(error)
        return messages

    def _has_received(self) -> bool:
        """Whether more came on an async connection; asking redis-py 7 would take a part."""
        reader, stream = getattr(self._raw._parser, "_reader", None), self._raw._reader
        return (reader is not None and reader.has_data()) or bool(stream and stream._buffer)

    async def _read_one(self) -> Any:
        # An infinite time-out: silence is no failure here.
        return await self._raw.read_response(
            disable_decoding=True,
            timeout=float("inf"),
            push_request=True,
            disconnect_on_error=False,
        )

    def __repr__(self) -> str:
        return f"<DedicatedConnection to {self.address}>"


Outcome = tuple[DedicatedConnection, Any]
"""A connection and what came on it: a reply, a push, or the exception that ended it."""


def receive(connections: Sequence[DedicatedConnection], seconds: float) -> list[Outcome]:
    """Wait until something comes on one of the connections, at most for so many seconds.

    Returns:
        What came, in order for each connection; empty where nothing did. An error reply of the
        server is given as its exception, as the loss of a connection is.
    """
    if not connections:
        time.sleep(seconds)
        return []
    waiting = [connection for connection in connections if connection._has_buffered()]
    if not waiting:
        poller = select.poll()
        by_descriptor = {}
        for connection in connections:
            sock = connection._raw._sock
            if sock is None:
                return [(connection, ConnectionError("the connection was closed"))]
            by_descriptor[sock.fileno()] = connection
            poller.register(sock, select.POLLIN)
        waiting = [by_descriptor[descriptor] for descriptor, _ in poller.poll(seconds * 1000)]
    outcomes: list[Outcome] = []
    for connection in waiting:
        try:
            outcomes += [(connection, message) for message in connection._take()]
        except (RedisError, OSError) as error:
            outcomes.append((connection, error))
    return outcomes


async def receive_async(
    connections: Sequence[DedicatedConnection], seconds: float
) -> list[Outcome]:
    """Wait until something comes on one of the connections, for async clients."""
    if not connections:
        await asyncio.sleep(seconds)
        return []
    early: list[Outcome] = []
    for connection in connections:
        early += [(connection, message) for message in connection._early]
        connection._early = []
        if connection._reading is None:
            connection._reading = asyncio.ensure_future(connection._read_some())
    if early:
        return early
    await asyncio.wait(
        [connection._reading for connection in connections if connection._reading is not None],
        timeout=seconds,
        return_when=asyncio.FIRST_COMPLETED,
    )
    return [
        (connection, message)
        for connection in connections
        if connection._reading is not None and connection._reading.done()
        for message in _messages(connection)
    ]


def _messages(connection: DedicatedConnection) -> list[Any]:
    task, connection._reading = connection._reading, None
    assert task is not None
    error = task.exception()
    return [error] if error is not None else task.result()


def known_nodes(view: ClientView) -> list[ServerAddress]:
    """The nodes of a cluster that its client knows now, primaries first.

    Those that a plugin routes to, where one does.
    """
    if view.routing is not None and not view.is_cluster:
        return view.routing.nodes
    pool = view.pool
    nodes = [] if pool is None else list(pool.nodes_cache.values())
    nodes.sort(key=lambda node: node.server_type != "primary")
    return [address(node.host, node.port) for node in nodes]


def reads_from_replicas(view: ClientView) -> bool:
    """Whether reads of a cluster go to replicas."""
    if view.routing is not None and view.routing.reads_from_replicas:
        return True
    client = view.client
    return bool(
        getattr(client, "read_from_replicas", False)
        or getattr(client, "load_balancing_strategy", None)
    )


def connects_to_any_replica(view: ClientView) -> bool:
    """Whether each connection of a client may go to another replica, which Sentinel names."""
    return not getattr(view.pool, "is_master", True)


def _messages_in(reader: Any) -> list[Any]:
    messages = []
    while (message := reader.gets(False)) is not NOT_ENOUGH_DATA:
        messages.append(message)
    return messages


def _given_back(message: Any) -> Any:
    return message


async def _given_back_async(message: Any) -> Any:
    return message


def _is_push(reply: Any) -> bool:
    if not isinstance(reply, list) or not reply:
        return False
    return reply[0] in (b"invalidate", b"message", "invalidate", "message")


def _make(
    view: ClientView, to: ServerAddress | None, protocol: int | None, within: float | None
) -> Any:
    settings = connection_settings(view, to)
    if to is not None:
        settings = settings_at(view, settings, to)
    connection_class, kwargs = settings
    kwargs["protocol"] = protocol or kwargs.get("protocol") or 3
    if within is not None:
        for name in ("socket_timeout", "socket_connect_timeout"):
            kwargs[name] = min(within, kwargs.get(name) or within)
        kwargs["retry"] = (AsyncRetry if view.is_async else Retry)(NoBackoff(), 0)
    return connection_class(**kwargs)
