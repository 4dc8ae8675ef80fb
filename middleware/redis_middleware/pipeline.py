"""The plugins of a client in order, and their hooks compiled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from redis_middleware import hookspecs
from redis_middleware.chains import Chain, Chains, Hook
from redis_middleware.command import Batch, Message
from redis_middleware.discovery.declarations import hook_problem
from redis_middleware.discovery.naming import name_and_origin
from redis_middleware.errors import PluginLoadError
from redis_middleware.redispy.view import Connection

if TYPE_CHECKING:
    from redis_middleware.discovery import LoadedPlugin

__all__ = ["Pipeline"]


class Pipeline:
    """A pipeline of plugins; immutable, to be swapped whole.

    Attributes:
        plugins: the plugins, outermost first as the settings' list has them.
        chains: the chains of ``redis_command`` by command.
        queued_chains: the same for commands queued in pipelines and transactions, with those
            plugins whose ``wants_queued(spec)`` is true where they have that method.
        batch: the chain of ``redis_batch``; ``None`` where no plugin has that hook.
        connect: the chain of ``redis_connect``, likewise.
        message: the chain of ``redis_message``, likewise.
        is_idle: whether no plugin has a hook around commands or batches.
    """

    __slots__ = (
        "_manager",
        "batch",
        "chains",
        "connect",
        "is_idle",
        "message",
        "plugins",
        "queued_chains",
    )

    def __init__(
        self, plugins: Sequence[LoadedPlugin] = (), bugs: dict[str, Counter[str]] | None = None
    ) -> None:
        self.plugins = tuple(plugins)
        self._manager = _register(self.plugins)
        counters = {} if bugs is None else bugs
        hooks = {
            name: self._hooks(name, counters)
            for name in ("redis_command", "redis_batch", "redis_connect", "redis_message")
        }
        self.chains = self.queued_chains = Chains(hooks["redis_command"])
        if any(hasattr(loaded.plugin, "wants_queued") for loaded in self.plugins):
            self.queued_chains = Chains(self._hooks("redis_command", counters, "wants_queued"))
        self.batch = Chain(hooks["redis_batch"], Batch) if hooks["redis_batch"] else None
        self.connect = Chain(hooks["redis_connect"], Connection) if hooks["redis_connect"] else None
        self.message = Chain(hooks["redis_message"], Message) if hooks["redis_message"] else None
        self.is_idle = not hooks["redis_command"] and not hooks["redis_batch"]

    def _hooks(self, name: str, bugs: dict[str, Counter[str]], wants: str = "wants") -> list[Hook]:
        hooks: list[Hook] = []
        for implementation in self._implementations(name):
            plugin = implementation.plugin
            wanted = getattr(plugin, wants, None) or getattr(plugin, "wants", None)
            hooks.append(
                Hook(
                    implementation.plugin_name,
                    name,
                    _of_one_argument(implementation),
                    len(hooks),
                    observes=bool(getattr(plugin, "observes", False)),
                    wants=wanted if name == "redis_command" else None,
                    bugs=bugs.setdefault(implementation.plugin_name, Counter()),
                )
            )
        return hooks

    def _implementations(self, name: str) -> Iterator[Any]:
        # pluggy calls the last one first.
        implementations: list[Any] = getattr(self._manager.hook, name).get_hookimpls()
        return iter(implementations[::-1])

    def call(self, name: str, plugin: str, **arguments: Any) -> None:
        """Call a hook that is not a flow, of one plugin."""
        for implementation in self._implementations(name):
            if implementation.plugin_name == plugin:
                implementation.function(
                    *[arguments[argument] for argument in implementation.argnames]
                )


def _register(plugins: Sequence[LoadedPlugin]) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT_NAME)
    manager.add_hookspecs(hookspecs)
    for loaded in reversed(plugins):
        known_as = name_and_origin(loaded.name, loaded.origin)
        if problem := hook_problem(loaded.plugin):
            raise PluginLoadError(f"{known_as}: {problem}")
        try:
            manager.register(loaded.plugin, loaded.name)
            manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginLoadError(f"{known_as}, cannot be registered: {error}") from error
    return manager


def _of_one_argument(implementation: Any) -> Any:
    """The hook's function; pluggy allows hooks to leave out arguments that they do not use."""
    if implementation.argnames:
        return implementation.function
    return lambda _: implementation.function()
