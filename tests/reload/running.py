"""A program that runs while its settings change, and the plugins that it has.

Each plugin adds a tag to the reply of ECHO: what ``echo()`` gives shows the pipeline, innermost
plugin first.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import redis
import redis.asyncio

from redis_middleware import Middleware, middleware_of, unwrap, wrap

PLUGINS_MODULE = '''
"""Plugins that tag replies, and note what happens to them."""

from pydantic import BaseModel

from redis_middleware import Sleep, hookimpl

events = []


class Settings(BaseModel):
    tag: str = "-"
    refuse: bool = False


class Tagging:
    Settings = Settings

    def __init__(self, settings):
        self.tag = settings.tag
        if settings.refuse:
            raise RuntimeError("cannot be made")

    def wants(self, spec):
        return spec.name == "ECHO"

    @hookimpl
    def redis_command(self, command):
        return (yield command) + self.tag.encode()

    @hookimpl
    def redis_attach(self, middleware):
        events.append(f"{self.tag} attached")
        if self.tag == "unattachable":
            raise RuntimeError("cannot be attached")

    @hookimpl
    def redis_detach(self):
        events.append(f"{self.tag} detached")


class Replaced(Tagging):
    """Without reconfigure: changed settings make a new one."""


class Reconfigured(Tagging):
    def reconfigure(self, settings):
        events.append(f"{self.tag} becomes {settings.tag}")
        if settings.tag == "refused":
            raise ValueError("refused")
        self.tag = settings.tag


class Another(Reconfigured):
    """Another plugin with settings of its own."""


class Working(Replaced):
    """Has work in the background."""

    @hookimpl
    def redis_attach(self, middleware):
        middleware.run_in_background(self.work)

    def work(self):
        events.append(f"{self.tag} works")
        try:
            while True:
                yield Sleep(0.01)
                events.append(f"{self.tag} turns")
        finally:
            events.append(f"{self.tag} ends")
'''

PLUGINS = {
    "replaced": "tagging_plugins:Replaced",
    "reconfigured": "tagging_plugins:Reconfigured",
    "another": "tagging_plugins:Another",
    "working": "tagging_plugins:Working",
}


def events() -> list[str]:
    """What happened to the plugins."""
    import importlib

    noted: list[str] = importlib.import_module("tagging_plugins").events
    return noted


class SettingsFile:
    """A settings file that is written again and again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("")

    def write(self, text: str) -> None:
        """Write it in place. Two versions never have the same time, however fast they come."""
        self.path.write_text(text)
        self._move_on()

    def use(self, **tables: Mapping[str, str]) -> None:
        """Write plugins in order, each with its table."""
        lines = [f"plugins = {list(tables)}"]
        for name, table in tables.items():
            lines.append(f"[{name}]")
            lines += [f'{key} = "{value}"' for key, value in table.items()]
        self.write("\n".join(lines))

    def replace(self, text: str) -> None:
        """Replace it as editors do: another file takes its name."""
        other = self.path.with_suffix(".new")
        other.write_text(text)
        os.replace(other, self.path)
        self._move_on()

    def _move_on(self) -> None:
        status = os.stat(self.path)
        self._time = max(status.st_mtime_ns, getattr(self, "_time", 0) + 1_000_000)
        os.utime(self.path, ns=(self._time, self._time))


class Running:
    """A program with a sync client."""

    def __init__(self, port: int) -> None:
        self.client: Any = self._make(port)

    def _make(self, port: int) -> Any:
        return redis.Redis(port=port)

    def _do(self, call: Callable[[], Any]) -> Any:
        return call()

    def start(self, settings: Any, **options: Any) -> None:
        """Wrap the client."""
        wrap(self.client, settings, **options)

    @property
    def middleware(self) -> Middleware:
        """The client's handle."""
        return middleware_of(self.client)

    def echo(self) -> str:
        """The tags of all plugins in the order in which they got the reply."""
        # The file is looked at once in a while.
        time.sleep(0.002)
        return cast(bytes, self._do(lambda: self.client.echo("x"))).decode().removeprefix("x")

    def echo_in_pipeline(self) -> str:
        """The same for a command in a pipeline."""
        time.sleep(0.002)
        pipe = self.client.pipeline()
        pipe.echo("x")
        return cast(bytes, self._do(pipe.execute)[0]).decode().removeprefix("x")

    def close(self) -> None:
        """End the program."""
        unwrap(self.client)
        self.client.close()


class AsyncRunning(Running):
    """A program with an async client and an event loop."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        super().__init__(port)

    def _make(self, port: int) -> Any:
        return redis.asyncio.Redis(port=port)

    def _do(self, call: Callable[[], Any]) -> Any:
        async def inside() -> Any:
            return await call()

        return self._loop.run_until_complete(inside())

    def close(self) -> None:
        """End the program and its loop."""
        unwrap(self.client)
        self._do(self.client.aclose)
        self._loop.close()
