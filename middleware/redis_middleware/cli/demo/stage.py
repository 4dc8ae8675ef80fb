"""What the scenes have in common: the cluster, the client, its settings file, the load."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, Protocol

import redis
from rich.console import RenderableType

from redis_middleware import middleware_of, wrap
from redis_middleware.cli.demo.load import Load
from redis_middleware.cli.demo.meter import Meter, Reading
from redis_middleware.cli.demo.shop import Shop
from redis_middleware.embedded import Cluster, Server

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["Play", "Scene", "SceneFailed", "Stage", "Tell", "address_of"]

_SETTINGS: Final = Path(__file__).with_name("redis-middleware.toml")
_POLL_EVERY: Final = 0.02

Tell = Callable[[RenderableType], None]
"""Shows something to the audience, below what was told before."""

Play = Generator[float, None, str]
"""Yields for how many seconds the load goes on before the next thing happens; returns in a line
what was measured."""


class SceneFailed(Exception):
    """A scene did not come out as it is told."""


class Scene(Protocol):
    """A part of the story.

    Attributes:
        name: what it is called in a word.
        title: what happens in it.
    """

    name: str
    title: str

    def play(self, stage: Stage, tell: Tell) -> Play:
        """Play the scene.

        Raises:
            SceneFailed: it did not come out as it is told.
        """
        ...


def address_of(server: Server) -> str:
    """Host and port of a server."""
    return f"{server.host}:{server.port}"


class Stage:
    """The cluster, a wrapped plain client, and the load.

    Args:
        servers: the cluster; its first server is the only one that the client is told of.
        directory: where the settings file goes.
        threads: how many threads make the load.
        pace: by how much pauses are longer than usual.

    Attributes:
        servers: the cluster.
        client: the plain client, wrapped.
        settings: the path of its settings file.
        shop: makes the requests.
        load: sends them.
        meter: measures them.
        before: what was measured after the key went viral, before the cache took it over.
        after: what was measured after that.
        traced: the spans of the request that is traced.
    """

    def __init__(self, servers: Cluster, directory: Path, threads: int, pace: float) -> None:
        self.servers = servers
        self.settings = directory / _SETTINGS.name
        self.settings.write_text(_SETTINGS.read_text(encoding="utf-8"), encoding="utf-8")
        self.client = wrap(redis.Redis.from_url(servers.url, socket_timeout=5), self.settings)
        self.shop = Shop(self.client)
        self.load = Load(self.shop, threads, Random())
        self.meter = Meter(self.load, servers.primaries, time.perf_counter)
        self.before: Reading | None = None
        self.after: Reading | None = None
        self.traced: tuple[ReadableSpan, ...] = ()
        self._pace = pace

    def close(self) -> None:
        """End the load, and close every connection."""
        with ExitStack() as stack:
            stack.callback(self.client.close)
            stack.callback(self.meter.close)
            stack.callback(self.load.stop)

    def pause(self, seconds: float) -> float:
        """So many seconds, at the pace of the story."""
        return seconds * self._pace

    @property
    def plugins(self) -> Mapping[str, Any]:
        """The client's plugins, by name."""
        return middleware_of(self.client).plugins

    def wait_until(
        self, condition: Callable[[], bool], what: str, within: float
    ) -> Generator[float, None, None]:
        """Go on until something is so.

        Args:
            condition: whether it is so.
            what: what is waited for, in words.
            within: how many seconds it may take.

        Raises:
            SceneFailed: it is not so in time.
        """
        deadline = time.perf_counter() + within
        while not condition():
            if time.perf_counter() > deadline:
                raise SceneFailed(f"{what}: not within {within:g} s")
            yield _POLL_EVERY

    def change_settings(self, text: str) -> None:
        """Add to the settings file, at once, as an editor does."""
        changed = self.settings.with_suffix(".changed")
        before = self.settings.read_text(encoding="utf-8")
        changed.write_text(before + text, encoding="utf-8")
        os.replace(changed, self.settings)
