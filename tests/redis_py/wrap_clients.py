"""A pytest plugin, ``-p wrap_clients``: every client that a test makes runs plugins.

They pass everything on, or are those of a settings file.

Clients are wrapped where code outside of redis-py makes them: by calling one of the four classes,
``from_url()``, ``from_pool()``, or a Sentinel's ``master_for()`` and ``slave_for()``. What redis-py
makes for itself, a cluster's client of each node or the client that ``client()`` gives, is left to
the middleware, as it is in any application.
"""

from __future__ import annotations

import functools
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from redis_middleware import Batch, Command, Connection, Flow, Message, hookimpl, wrap

_CLASSES: tuple[type, ...] = (
    redis.Redis,
    redis.asyncio.Redis,
    redis.RedisCluster,
    redis.asyncio.RedisCluster,
)
_SENTINELS: tuple[type, ...] = (redis.sentinel.Sentinel, redis.asyncio.sentinel.Sentinel)


_seen: Counter[str] = Counter()
_settings: dict[str, Any] = {}
_plugins: list[object] = []


class Inner:
    """Wants every command, implements every hook around something, and passes everything on."""

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Pass the command on, and its reply back."""
        return (yield command)

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow:
        """Pass the pipeline on, and its replies back."""
        return (yield batch)

    @hookimpl
    def redis_connect(self, connection: Connection) -> Flow:
        """Let the connection be made."""
        return (yield connection)

    @hookimpl
    def redis_message(self, message: Message) -> Flow:
        """Let the message be delivered."""
        return (yield message)


class Outer:
    """The same, and counts: a pipeline of several plugins takes other paths than one."""

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Count the command and pass it on."""
        _seen["commands"] += 1
        return (yield command)

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow:
        """Count the pipeline and pass it on."""
        _seen["batches"] += 1
        return (yield batch)

    @hookimpl
    def redis_connect(self, connection: Connection) -> Flow:
        """Count the connection and let it be made."""
        _seen["connections"] += 1
        return (yield connection)

    @hookimpl
    def redis_message(self, message: Message) -> Flow:
        """Count the message and let it be delivered."""
        _seen["messages"] += 1
        return (yield message)


class Copying:
    """Passes copies on: what a plugin yields need not be the object that it was given."""

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Pass a copy of the command on, and its reply back."""
        return (yield command.replace())

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow:
        """Pass a copy of the pipeline on, and its replies back."""
        return (yield batch.replace(batch.commands))

    @hookimpl
    def redis_connect(self, connection: Connection) -> Flow:
        """Let the connection be made."""
        return (yield connection)

    @hookimpl
    def redis_message(self, message: Message) -> Flow:
        """Let a copy of the message be delivered."""
        return (yield message.replace(message.data))


def _is_internal(frame: FrameType) -> bool:
    """Whether redis-py, or the middleware in its place, makes a client for itself."""
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return package in ("redis", "redis_middleware")


def _wrap(client: Any) -> Any:
    return wrap(client, _settings, plugins=_plugins)


def _wrap_what_is_made(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def make(*args: Any, **kwargs: Any) -> Any:
        client = function(*args, **kwargs)
        return client if _is_internal(sys._getframe(1)) else _wrap(client)

    return make


def _wrap_instances(cls: Any) -> None:
    original = cls.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if not _is_internal(sys._getframe(1)):
            _wrap(self)

    cls.__init__ = __init__
    for name in ("from_url", "from_pool"):
        if name in vars(cls):
            setattr(cls, name, classmethod(_wrap_what_is_made(vars(cls)[name].__func__)))


def _wrap_everything() -> None:
    for cls in _CLASSES:
        _wrap_instances(cls)
    makers: list[tuple[Any, tuple[str, ...]]] = [
        *((sentinel, ("master_for", "slave_for")) for sentinel in _SENTINELS),
        (redis, ("from_url",)),
        (redis.asyncio, ("from_url",)),
    ]
    for holder, names in makers:
        for name in names:
            setattr(holder, name, _wrap_what_is_made(getattr(holder, name)))


def _record_spans_and_metrics() -> None:
    """Give ``otel`` something to do: without providers it makes no spans."""
    trace.set_tracer_provider(TracerProvider())
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of this plugin."""
    parser.addoption("--copies", action="store_true", help="one of the plugins passes copies on")
    parser.addoption("--settings", type=Path, help="run the plugins of this settings file")


def pytest_configure(config: pytest.Config) -> None:
    """Wrap every client from now on."""
    path = config.getoption("settings")
    if path is None:
        _plugins[:] = [Outer, Copying if config.getoption("copies") else Inner]
    else:
        _settings.update(tomllib.loads(path.read_text()))
        _plugins[:] = [Outer, *_settings["plugins"]]
        _record_spans_and_metrics()
    _wrap_everything()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write down how much the outer plugin passed on."""
    with session.config.getoption("outcomes").with_suffix(".seen").open("a") as file:
        file.write(json.dumps(_seen) + "\n")
