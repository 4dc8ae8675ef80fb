"""``redis_message`` around what a subscription receives, ``redis_connect`` around connections."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from tests.flows.making import Journal, pass_on, plugin

from redis_middleware import NIL, Call, Connection, Flow, Message, Once, PluginError, Sleep
from redis_middleware.testing import Script, client_view


def on_message(function: Any) -> Script:
    """A script with one plugin for messages."""
    return Script(plugin(function, hook="redis_message"))


def on_connect(function: Any) -> Script:
    """A script with one plugin for connections."""
    return Script(plugin(function, hook="redis_connect"))


def test_observing_a_message() -> None:
    """The flow gets the message, and what the application will get."""
    seen: list[Any] = []

    def look(message: Message) -> Flow:
        seen.append((message.type, message.pattern, message.channel, message.data))
        delivered = yield message
        seen.append(delivered)
        return delivered

    expected = {"type": "pmessage", "pattern": b"n*", "channel": b"news", "data": b"hello"}
    assert on_message(look).deliver(b"news", b"hello", pattern=b"n*") == expected
    assert seen == [("pmessage", b"n*", b"news", b"hello"), expected]


def test_changing_a_message() -> None:
    """Another payload is delivered."""

    def decompress(message: Message) -> Flow:
        return (yield message.replace(message.data.upper()))

    script = on_message(decompress)
    assert script.deliver(b"news", b"hello")["data"] == b"HELLO"
    assert script.delivered[0].channel == b"news"


def test_dropping_a_message() -> None:
    """NIL without a yield: nothing is delivered."""

    def drop(message: Message) -> Flow:
        return NIL
        yield

    script = on_message(drop)
    assert script.deliver(b"news", b"hello") is None
    assert script.delivered == []


def test_refusing_a_message() -> None:
    """What a flow raises reaches whoever asked for messages."""

    def refuse(message: Message) -> Flow:
        raise RedisConnectionError("not for us")
        yield

    with pytest.raises(RedisConnectionError):
        on_message(refuse).deliver(b"news", b"hello")


async def test_messages_of_an_async_client() -> None:
    """With a call to elsewhere and a wait."""

    async def fetch() -> bytes:
        return b"the real payload"

    def claim(message: Message) -> Flow:
        yield Sleep(0.1)
        return (yield message.replace((yield Call(lambda: None, fetch))))

    script = on_message(claim)
    assert (await script.deliver_async(b"news", b"ticket"))["data"] == b"the real payload"


@pytest.mark.parametrize("nonsense", ["text", [], Once("k", None)])  # type: ignore[arg-type]
def test_message_flows_send_no_commands(nonsense: Any) -> None:
    """They yield messages, Sleep and Call."""

    def broken(message: Message) -> Flow:
        return (yield nonsense)

    problem = r"hook redis_message, <Message message on b'news'>: .*; it may yield a Message, Sleep"
    with pytest.raises(PluginError, match=problem):
        on_message(broken).deliver(b"news", b"hello")


def test_without_plugins() -> None:
    """Messages are delivered and connections made as they are."""
    script = Script(plugin(pass_on))
    assert script.deliver(b"news", b"hello")["data"] == b"hello"
    assert script.connect().address == ("server.test", 6379)


def test_commands_on_a_new_connection() -> None:
    """Sent once it stands, past every plugin; replies come back."""
    journal = Journal()
    got: list[Any] = []

    def greet(connection: Connection) -> Flow:
        yield connection
        got.append((yield connection.command("CLIENT", "NO-EVICT", "ON")))
        got.append((yield connection.command("CLIENT ID")))
        return connection

    script = Script(journal.watcher("command"), plugin(greet, hook="redis_connect"))
    connection = script.replies(b"OK", 7).connect()
    assert isinstance(connection, Connection)
    script.assert_sent(("CLIENT", "NO-EVICT", "ON"), ("CLIENT ID",))
    assert got == [b"OK", 7]
    assert journal.notes == []


def test_trying_to_connect_again() -> None:
    """A failure is raised at the yield; yielding the connection again tries again."""

    def patient(connection: Connection) -> Flow:
        for _ in range(3):
            try:
                return (yield connection)
            except RedisConnectionError:
                yield Sleep(1)
        return (yield connection)

    script = on_connect(patient)
    script.fails_to_connect(RedisConnectionError("refused"), RedisConnectionError("refused"))
    script.connect()
    assert script.connections == 3
    assert script.slept == [1, 1]


def test_an_error_reply_to_a_command_on_the_connection() -> None:
    """It is raised at the yield; a flow that lets it pass fails the connection."""

    def authenticate(connection: Connection) -> Flow:
        yield connection
        yield connection.command("AUTH", "secret")
        return connection

    script = on_connect(authenticate).replies(AuthenticationError("WRONGPASS"))
    with pytest.raises(AuthenticationError):
        script.connect()


def test_refusing_to_connect() -> None:
    """Raising before the yield: no connection is tried."""

    def refuse(connection: Connection) -> Flow:
        raise RedisConnectionError(f"not to {connection.address}")
        yield

    script = on_connect(refuse)
    with pytest.raises(RedisConnectionError, match=r"not to server\.test:6379"):
        script.connect()
    assert script.connections == 0


@pytest.mark.parametrize("is_async", [False, True])
async def test_connections_of_both_kinds(is_async: bool) -> None:
    """The flow and the stand-in connection are the same for async clients."""

    def pass_connection(connection: Connection) -> Flow:
        assert connection.client.is_async is is_async
        return (yield connection)

    script = Script(
        plugin(pass_connection, hook="redis_connect"), client=client_view(is_async=is_async)
    )
    connection = await script.connect_async() if is_async else script.connect()
    assert connection.address == ("server.test", 6379)


def test_nonsense_of_a_connect_flow() -> None:
    """The error names plugin, hook and connection."""

    def broken(connection: Connection) -> Flow:
        return (yield [connection])

    problem = "hook redis_connect, <Connection to server.*; it may yield the connection, once it"
    with pytest.raises(PluginError, match=problem):
        on_connect(broken).connect()


def test_a_command_before_the_connection_stands() -> None:
    """There is nothing to send it on yet."""

    def hasty(connection: Connection) -> Flow:
        yield connection.command("PING")
        return (yield connection)

    with pytest.raises(PluginError, match=r"plugin 'hasty', hook redis_connect.* it yielded <Comm"):
        on_connect(hasty).connect()


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_connection_that_is_never_made(is_async: bool) -> None:
    """A flow that returns without yielding it has a bug; redis-py would fail on it later."""

    def forgetful(connection: Connection) -> Flow:
        return connection
        yield

    script = on_connect(forgetful)
    with pytest.raises(PluginError, match=r"'forgetful', hook redis_connect.* never made"):
        await script.connect_async() if is_async else script.connect()
