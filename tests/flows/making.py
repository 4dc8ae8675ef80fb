"""Plugins made of functions, for tests that are about one flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis_middleware import Flow, hookimpl
from redis_middleware.commands import CommandSpec

FlowFunction = Callable[[Any], Flow]


class _Plugin:
    def __init__(
        self, name: str, function: FlowFunction, wants: Callable[[CommandSpec], bool] | None
    ) -> None:
        self.name = name
        self.function = function
        if wants is not None:
            self.wants = wants


class _CommandPlugin(_Plugin):
    @hookimpl
    def redis_command(self, command: Any) -> Flow:
        return self.function(command)


class _BatchPlugin(_Plugin):
    @hookimpl
    def redis_batch(self, batch: Any) -> Flow:
        return self.function(batch)


class _MessagePlugin(_Plugin):
    @hookimpl
    def redis_message(self, message: Any) -> Flow:
        return self.function(message)


class _ConnectPlugin(_Plugin):
    @hookimpl
    def redis_connect(self, connection: Any) -> Flow:
        return self.function(connection)


_KINDS: dict[str, type[_Plugin]] = {
    "redis_command": _CommandPlugin,
    "redis_batch": _BatchPlugin,
    "redis_message": _MessagePlugin,
    "redis_connect": _ConnectPlugin,
}


def plugin(
    function: FlowFunction,
    *,
    hook: str = "redis_command",
    name: str = "",
    wants: Callable[[CommandSpec], bool] | None = None,
    observes: bool = False,
) -> object:
    """A plugin whose one hook is the function, named like it."""
    made = _KINDS[hook](name or function.__name__, function, wants)
    if observes:
        made.observes = True  # type: ignore[attr-defined]
    return made


def observer(function: FlowFunction, *, hook: str = "redis_command", name: str = "") -> object:
    """The same with ``observes = True``."""
    return plugin(function, hook=hook, name=name, observes=True)


def pass_on(item: Any) -> Flow:
    """The simplest flow: what it gets goes on, and the reply goes back."""
    return (yield item)


class Journal:
    """Notes in the order in which flows made them."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def watcher(self, name: str, **options: Any) -> object:
        """A plugin that passes on, and notes how each of its flows starts and ends."""

        def watch(item: Any) -> Flow:
            self.notes.append(f"{name} starts")
            try:
                reply = yield item
            except BaseException as error:
                self.notes.append(f"{name} gets {type(error).__name__}")
                raise
            else:
                self.notes.append(f"{name} gets {reply!r}")
                return reply
            finally:
                self.notes.append(f"{name} ends")

        return plugin(watch, name=name, **options)
