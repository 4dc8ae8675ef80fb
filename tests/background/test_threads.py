"""Background work beside sync clients: in daemon threads."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from tests.background.working import Worker, eventually, workers

from redis_middleware import (
    Call,
    Flow,
    Middleware,
    MiddlewareError,
    PluginError,
    Sleep,
    hookimpl,
    middleware,
    middleware_of,
    unwrap,
    wrap,
)
from redis_middleware.background import Background
from redis_middleware.embedded import Server


class PassThrough:
    """A plugin that asks for no work."""

    @hookimpl
    def redis_command(self, command: Any) -> Flow:
        """Pass on."""
        return (yield command)


@pytest.fixture
def client(clean_standalone: Server) -> Iterator[redis.Redis]:
    """Return a client that is not wrapped yet."""
    client = redis.Redis(port=clean_standalone.port)
    yield client
    unwrap(client)
    client.close()


def test_it_runs_in_a_daemon_thread_that_says_whose_it_is(client: redis.Redis) -> None:
    """From ``wrap`` on, without any command of the application's; what it sends arrives."""
    worker = Worker()
    wrap(client, plugins=[worker])
    assert worker.runs
    [thread] = workers()
    assert thread.name == "redis-middleware:worker:work"
    assert thread.daemon
    assert int(client.get("turns:worker") or 0) >= 2


def test_nothing_runs_where_no_plugin_asks(client: redis.Redis) -> None:
    """No thread is started, by wrapping or by commands."""
    before = threading.enumerate()
    wrap(client, plugins=[PassThrough])
    client.ping()
    pipe = client.pipeline()
    pipe.get("k")
    pipe.execute()
    assert threading.enumerate() == before


def test_what_it_sends_passes_every_plugin_by(client: redis.Redis) -> None:
    """Also a list of commands, whose replies come together."""
    got: list[Any] = []

    class Look:
        @hookimpl
        def redis_command(self, command: Any) -> Flow:
            got.append(command.name)
            return (yield command)

    def work(worker: Worker) -> Flow:
        view = worker.middleware.client
        got.append((yield view.command("ECHO", "one")))
        got.append((yield [view.command("ECHO", "two"), view.command("NO-SUCH-COMMAND")]))

    worker = Worker(work)
    wrap(client, plugins=[Look, worker])
    assert eventually(lambda: worker.ends)
    assert got[0] == b"one"
    assert got[1][0] == b"two"
    assert isinstance(got[1][1], redis.ResponseError)
    assert len(got) == 2


def test_a_flow_that_returns_has_ended(client: redis.Redis) -> None:
    """It is not started again, by a reconnection or after close."""

    def work(worker: Worker) -> Flow:
        yield Sleep(0)

    worker = Worker(work)
    wrap(client, plugins=[worker])
    assert eventually(lambda: worker.ends)
    client.close()
    client.ping()
    assert worker.starts == 1
    assert eventually(lambda: not workers())


def test_close_ends_it_and_use_starts_it_again(client: redis.Redis) -> None:
    """When ``close()`` returns the thread is gone and its finally blocks have run."""
    worker = Worker()
    wrap(client, plugins=[worker])
    assert worker.runs
    client.close()
    assert not workers()
    assert worker.starts == worker.ends == 1
    client.ping()
    assert worker.runs
    assert worker.starts == 2


def test_a_context_manager_ends_it(clean_standalone: Server) -> None:
    """``with`` closes the client."""
    worker = Worker()
    with wrap(redis.Redis(port=clean_standalone.port), plugins=[worker]):
        assert worker.runs
    assert not workers()


def test_unwrapping_ends_it(client: redis.Redis) -> None:
    """For good: use of the client does not bring it back."""
    worker = Worker()
    wrap(client, plugins=[worker])
    assert worker.runs
    unwrap(client)
    assert not workers()
    client.connection_pool.disconnect()
    client.ping()
    assert not workers()


def test_dropping_the_client_ends_it(clean_standalone: Server) -> None:
    """The thread does not keep the client: when the application drops it, the work ends."""
    worker = Worker()
    client = wrap(redis.Redis(port=clean_standalone.port), plugins=[worker])
    assert worker.runs
    del client
    gc.collect()
    assert eventually(lambda: not workers())
    assert worker.ends == 1


def test_removing_the_plugin_ends_its_work_only(client: redis.Redis) -> None:
    """Work of other plugins goes on."""
    one, other = Worker(name="one"), Worker(name="other")
    wrap(client, plugins=[one, other])
    assert one.runs
    assert other.runs
    middleware_of(client).remove("one")
    assert one.ends == 1
    assert [thread.name for thread in workers()] == ["redis-middleware:other:work"]
    assert other.runs
    middleware_of(client).add(one)
    assert one.runs


def test_work_of_the_applications_own(client: redis.Redis) -> None:
    """Code may ask for work through the handle; it ends when the client is unwrapped."""
    turns: list[int] = []

    def count() -> Flow:
        while True:
            turns.append(1)
            yield Sleep(0.01)

    wrap(client, plugins=[])
    middleware_of(client).run_in_background(count)
    assert eventually(lambda: len(turns) > 3)
    assert [thread.name for thread in workers()] == ["redis-middleware:application:count"]
    unwrap(client)
    assert not workers()


def test_work_asked_for_later_is_the_plugins(client: redis.Redis) -> None:
    """A method of a plugin's, asked for after attaching, is its work: removal ends it."""
    worker = Worker()
    wrap(client, plugins=[PassThrough, worker])
    middleware_of(client).run_in_background(worker.turn_around, "more")
    assert "redis-middleware:worker:more" in [thread.name for thread in workers()]
    middleware_of(client).remove("worker")
    assert not workers()


def test_a_flow_that_fails_is_logged_and_started_again(
    client: redis.Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a growing delay, with the plugin's name; it is never given up."""
    monkeypatch.setattr(Background, "longest_delay", 0.04)

    def work(worker: Worker) -> Flow:
        yield worker.middleware.client.command("PING")
        raise KeyError("missing")

    worker = Worker(work)
    wrap(client, plugins=[worker])
    assert eventually(lambda: worker.starts >= 5)
    unwrap(client)
    messages = [record.getMessage() for record in caplog.records]
    expected = "plugin 'worker', background work 'work' failed and starts anew in {} s"
    for message, delay in zip(messages, ("0.01", "0.02", "0.04", "0.04"), strict=False):
        assert message.startswith(expected.format(delay))
        assert "KeyError: 'missing'" in message
    assert caplog.records[0].exc_info is not None
    assert isinstance(caplog.records[0].exc_info[1], PluginError)


def test_a_flow_that_failed_after_a_long_time_starts_again_soon(
    client: redis.Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delay grows only while failures follow each other."""
    monkeypatch.setattr(Background, "longest_delay", 0.05)

    def work(worker: Worker) -> Flow:
        yield Sleep(0.1 if worker.starts == 3 else 0)
        raise redis.ConnectionError("lost")

    worker = Worker(work)
    wrap(client, plugins=[worker])
    assert eventually(lambda: worker.starts >= 4)
    unwrap(client)
    delays = [record.getMessage().partition("anew in ")[2][:5] for record in caplog.records]
    assert delays[:3] == ["0.01 ", "0.02 ", "0.01 "]


def test_a_lost_server_is_a_failure_like_any(client: redis.Redis) -> None:
    """The work goes on when the server's connection is cut."""
    worker = Worker()
    wrap(client, plugins=[worker])
    assert worker.runs
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert worker.runs


def test_work_that_only_calls_is_ended_too(client: redis.Redis) -> None:
    """It is told between two calls."""

    def work(worker: Worker) -> Flow:
        while True:
            yield Call(lambda: time.sleep(0.01))
            worker.turns += 1

    worker = Worker(work)
    wrap(client, plugins=[worker])
    assert worker.runs
    client.close()
    assert not workers()
    assert worker.ended_by == ["Stopped"]


def test_a_call_that_blocks_does_not_hold_close_up(
    client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """``close()`` waits a little, says so, and goes on; the thread ends with its call."""
    release = threading.Event()

    def work(worker: Worker) -> Flow:
        worker.turns += 1
        yield Call(release.wait)
        worker.turns += 1
        yield Sleep(0)

    one, other = Worker(work, "one"), Worker(work, "other")
    wrap(client, plugins=[one, other])
    assert eventually(lambda: one.turns and other.turns)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        client.close()
    assert time.monotonic() - began < 5
    assert "redis-middleware:one:work is still busy" in caplog.text
    release.set()
    assert eventually(lambda: not workers())
    assert (one.turns, one.ended_by) == (1, ["Stopped"])


def test_a_send_that_blocks_is_not_brought_back_by_its_own_reconnection(
    client: redis.Redis, clean_standalone: Server
) -> None:
    """Closing cuts its connection, redis-py sends again on another: no second thread starts."""

    def work(worker: Worker) -> Flow:
        worker.turns += 1
        yield worker.middleware.client.command("BLPOP", "queue", 0)
        worker.turns += 1

    worker = Worker(work)
    wrap(client, plugins=[worker])
    observer = redis.Redis(port=clean_standalone.port)
    assert eventually(lambda: observer.info("clients")["blocked_clients"] == 1)
    client.close()
    time.sleep(0.05)
    assert len(workers()) <= 1
    assert worker.starts == 1
    observer.rpush("queue", "x", "y")
    assert eventually(lambda: not workers())
    observer.close()


def test_closing_one_of_several_clients_of_a_pool(clean_standalone: Server) -> None:
    """Their plugins are shared: the work goes on for the others, and ends with the pool."""
    worker = Worker()
    pool = redis.ConnectionPool(port=clean_standalone.port)

    @middleware(plugins=[worker])
    def make_client(pool: redis.ConnectionPool) -> redis.Redis:
        return redis.Redis(connection_pool=pool)

    one, other = make_client(pool), make_client(pool)
    assert worker.runs
    one.close()
    assert worker.runs
    del one
    gc.collect()
    assert worker.runs
    assert other.ping()
    del other, pool, make_client
    gc.collect()
    assert eventually(lambda: not workers())


def test_work_of_a_plugin_that_cannot_be_attached(client: redis.Redis) -> None:
    """What it asked for before it failed does not go on."""

    class Broken(Worker):
        @hookimpl
        def redis_attach(self, middleware: Middleware) -> None:
            super().redis_attach(middleware)
            raise redis.ConnectionError("no such bucket")

    with pytest.raises(redis.ConnectionError, match="no such bucket"):
        wrap(client, plugins=[Broken()])
    assert not workers()


def test_a_background_flow_that_yields_nonsense(
    client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Its error names plugin and work."""

    def work(worker: Worker) -> Flow:
        yield None

    worker = Worker(work)
    wrap(client, plugins=[worker])
    assert eventually(lambda: worker.starts > 1)
    unwrap(client)
    assert "plugin 'worker', hook background work 'work'" in caplog.text
    assert "it yielded None" in caplog.text


def test_work_that_is_over_is_not_kept(client: redis.Redis) -> None:
    """A plugin may ask for short work again and again: what ended does not pile up."""

    def nothing_more() -> Flow:
        yield from ()

    wrap(client, plugins=[PassThrough])
    handle = middleware_of(client)
    for _ in range(50):
        handle.run_in_background(nothing_more)
        assert eventually(lambda: not workers())
    assert len(handle.background) == 1


def test_a_client_of_one_connection_leaves_the_work_alone(client: redis.Redis) -> None:
    """What ``client()`` gives may be closed or dropped: the one that it came from goes on."""
    worker = Worker()
    wrap(client, plugins=[worker])
    with client.client() as of_one_connection:
        of_one_connection.ping()
    assert worker.runs
    of_one_connection = client.client()
    of_one_connection.ping()
    del of_one_connection
    gc.collect()
    assert worker.runs
    assert worker.starts == 1


def test_work_starts_again_although_no_connection_is_made(clean_standalone: Server) -> None:
    """A client that was given its pool closes no connection: its next command brings it back."""
    worker = Worker()
    pool = redis.ConnectionPool(port=clean_standalone.port)
    client = wrap(redis.Redis(connection_pool=pool), plugins=[worker])
    assert worker.runs
    client.close()
    assert not workers()
    client.ping()
    assert worker.runs
    assert worker.starts == 2
    unwrap(client)
    pool.disconnect()


def test_work_for_a_plugin_by_any_function(client: redis.Redis) -> None:
    """A plugin that starts work while it runs says that it is its own: it ends with the plugin."""
    worker = Worker()
    wrap(client, plugins=[worker])
    handle = worker.middleware
    handle.run_in_background(lambda: worker.turn_around(), "turns", plugin=worker)
    names = sorted(thread.name for thread in workers())
    assert names == ["redis-middleware:worker:turns", "redis-middleware:worker:work"]
    handle.remove("worker")
    assert not workers()


def test_what_was_unwrapped_stays_ended(
    client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Its handle takes no plugin and no work any more, and says what to do."""
    worker = Worker()
    wrap(client, plugins=[worker])
    unwrap(client)
    with pytest.raises(MiddlewareError, match=r"unwrapped, or is gone; wrap\(client\) gives"):
        worker.middleware.add(Worker(name="another"))
    with pytest.raises(MiddlewareError, match="unwrapped"):
        worker.middleware.reload()
    worker.middleware.recompile()
    worker.middleware.run_in_background(worker.work)
    assert "is not run in the background" in caplog.text
    assert not workers()
    assert dict(worker.middleware.plugins) == {}


def test_work_on_a_pool_whose_clients_are_of_a_class_of_ones_own(clean_standalone: Server) -> None:
    """Between two requests nobody has a client: the work goes on without what its class needs."""

    class Tenants(redis.Redis):
        def __init__(self, *, tenant: str, **options: Any) -> None:
            super().__init__(**options)
            self.tenant = tenant

        def execute_command(self, *args: Any, **options: Any) -> Any:
            assert self.tenant
            return super().execute_command(*args, **options)

    worker = Worker()
    pool = redis.ConnectionPool(port=clean_standalone.port)

    @middleware(plugins=[worker])
    def make_client() -> redis.Redis:
        return Tenants(tenant="one", connection_pool=pool)

    make_client().ping()
    gc.collect()
    assert worker.runs
    assert worker.starts == 1
    worker.middleware.shut_down()
    pool.disconnect()


def test_work_beside_a_client_with_a_length(client: redis.Redis) -> None:
    """An application's class may be false while its database is empty: nobody asks it."""

    class Counted(redis.Redis):
        def __len__(self) -> int:
            raise AssertionError("the application did not ask")

    worker = Worker()
    counted = wrap(Counted(connection_pool=client.connection_pool), plugins=[worker])
    assert worker.runs
    assert worker.starts == 1
    unwrap(counted)
