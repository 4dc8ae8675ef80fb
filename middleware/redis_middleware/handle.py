"""The handle of a wrapped client: its plugins, its settings, its background work."""

from __future__ import annotations

import logging
import math
import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from redis_middleware.background import Background
from redis_middleware.chains import is_bug
from redis_middleware.discovery import LoadedPlugin, load_plugin, load_plugins, plugin_name
from redis_middleware.errors import MiddlewareError, PluginError, PluginNotFoundError, SettingsError
from redis_middleware.flow import Flow
from redis_middleware.once import OnceRegistry
from redis_middleware.pipeline import Pipeline
from redis_middleware.redispy.clients import install
from redis_middleware.redispy.closing import (
    close_idle_servers,
    close_servers,
    close_servers_async,
)
from redis_middleware.redispy.connections import observe_connections, observe_pool
from redis_middleware.redispy.view import AnyClient, ClientView
from redis_middleware.reloading import Reconfiguration, plugins_after
from redis_middleware.settings import Settings, Watch

if TYPE_CHECKING:
    from redis_middleware.redispy.binding import Binding

__all__ = ["Lease", "Middleware", "building"]

logger = logging.getLogger("redis_middleware")

_all: weakref.WeakSet[Middleware] = weakref.WeakSet()
building = threading.RLock()
"""Held while a middleware is made that others may be about to make as well; new after a fork."""


class Lease:
    """Held by a wrapped client and by all that it made: with the last of them its plugins end.

    A pipeline may outlive its client, and is to run the plugins all the same.
    """

    __slots__ = ("__weakref__",)


class Middleware:
    """What ``middleware_of(client)`` gives: the way from a wrapped client to its plugins.

    Attributes:
        client: facts of the client.
        pipeline: the plugins and their compiled hooks; swapped whole.
        chains: the pipeline's chains by command, at hand for the path of each command.
        settings: the settings in force.
        bugs: for each plugin how often its bugs were kept from the application, by type of
            exception: bugs of plugins with ``observes = True``, and in any plugin's ``metrics()``.
        once: where concurrent callers of this client meet.
        background: the background work.
        next_check: the reading of ``time.monotonic`` from which the settings file is looked at.
    """

    def __init__(
        self,
        client: ClientView,
        settings: Settings,
        sources: Sequence[object] | None = None,
        reload: Callable[[], Settings] | None = None,
    ) -> None:
        self.client = client
        client.make_clients_with(_stand_ins_of(weakref.ref(self)))
        self.settings = settings
        self.bugs: dict[str, Counter[str]] = {}
        self.pipeline = Pipeline()
        self.chains = self.pipeline.chains
        self.once = OnceRegistry()
        self.background = Background(self)
        self.shared = False
        self._callbacks: object = None
        self._is_resting = False
        self._lease: Callable[[], Lease | None] = lambda: None
        self._plugins: Mapping[str, Any] = MappingProxyType({})
        self._attaching: str | None = None
        # By identity: other than a WeakSet it can be looked through while others change it.
        self._bindings: weakref.WeakValueDictionary[int, Binding] = weakref.WeakValueDictionary()
        self._lock = threading.RLock()
        self._sources = sources
        self._added: dict[str, object] = {}
        self._removed: set[str] = set()
        self._reload = reload
        self._watch = Watch(settings.origin, monotonic) if reload is not None else None
        self.next_check = math.inf if self._watch is None else self._watch.next_check
        self.is_shut_down = False
        self._use(load_plugins(settings, sources))
        _all.add(self)

    @property
    def plugins(self) -> Mapping[str, Any]:
        """The plugins by name, outermost first."""
        return self._plugins

    def add(
        self, plugin: str | type | object, *, before: str | None = None, after: str | None = None
    ) -> None:
        """Add a plugin to the running pipeline, innermost unless told otherwise.

        It stays when the settings change. One that the settings block is not added, which is
        logged.

        Args:
            plugin: a name of an installed plugin, a plugin class, or a plugin object.
            before: the name of the plugin that it goes outside of; not together with ``after``.
            after: the name of the plugin that it goes right inside of.

        Raises:
            SettingsError: it cannot be loaded, or one of that name is there already.
            ValueError: both ``before`` and ``after`` are given.
            MiddlewareError: the client was unwrapped.
            PluginNotFoundError: there is no plugin named ``before`` or ``after``.
        """
        if before is not None and after is not None:
            raise ValueError(
                f"before={before!r} and after={after!r} together: a plugin has one place; give one"
            )
        with self._lock:
            self._check_is_running()
            plugins = list(self.pipeline.plugins)
            names = [loaded.name for loaded in plugins]
            name = plugin if isinstance(plugin, str) else plugin_name(plugin)
            if name in names:
                raise SettingsError(
                    f"a plugin named {name!r} is in the pipeline already: "
                    f"remove it first; the pipeline is {', '.join(names)}"
                )
            if name in self.settings.blocked:
                logger.info("plugin %r is blocked by the settings and not added", name)
                return
            loaded = load_plugin(plugin, self.settings)
            place = len(plugins)
            for neighbour, offset in ((before, 0), (after, 1)):
                if neighbour is not None:
                    place = self._index(neighbour) + offset
            self._use([*plugins[:place], loaded, *plugins[place:]])
            self._added[name] = plugin
            self._removed.discard(name)

    def remove(self, name: str) -> None:
        """Take a plugin out of the running pipeline; it stays out when the settings change.

        Raises:
            PluginNotFoundError: there is no plugin of that name in the pipeline.
        """
        with self._lock:
            index = self._index(name)
            plugins = list(self.pipeline.plugins)
            del plugins[index]
            self._use(plugins)
            self._added.pop(name, None)
            self._removed.add(name)

    def recompile(self) -> None:
        """Ask the plugins again which commands they want: called by one that wants others now."""
        with self._lock:
            if not self.is_shut_down:
                self._use(list(self.pipeline.plugins))

    def _check_is_running(self) -> None:
        if self.is_shut_down:
            raise MiddlewareError(
                "the plugins have ended: their client was unwrapped, or is gone; wrap(client) "
                "gives it plugins again, and middleware_of(client) their handle"
            )

    def _index(self, name: str) -> int:
        names = [loaded.name for loaded in self.pipeline.plugins]
        if name not in names:
            raise PluginNotFoundError(
                f"no plugin named {name!r} in the pipeline; it has "
                f"{', '.join(names) or 'no plugins'}"
            )
        return names.index(name)

    def run_in_background(
        self,
        function: Callable[[], Flow],
        name: str | None = None,
        *,
        plugin: object | None = None,
    ) -> None:
        """Run a flow beside the client: in a daemon thread, or in a task of the running loop.

        It starts at once beside a sync client (asked for in ``redis_attach``, when every plugin
        is attached), and with the next connection made in a running event loop beside an async
        one. It may yield commands and lists of commands (sent past
        every plugin), ``Sleep``, ``Call`` and ``Once``. A flow that raises is logged and started
        anew after a growing delay. All work ends when the client is closed, and starts anew when
        the client is used again, and in a process that was forked off.

        Args:
            function: makes the flow; called again when the work starts anew.
            name: what the thread or task and messages call it; by default the function's name.
            plugin: the plugin that it works for, with which it ends. By default the one that is
                being attached, else the one that the function is a method of, else none: then it
                is the application's.
        """
        with self._lock:
            if self.is_shut_down:
                logger.warning("%r has ended: %r is not run in the background", self, function)
                return
            if plugin is None:
                plugin = getattr(function, "__self__", None)
                if self._attaching is not None:
                    plugin = self._plugins[self._attaching]
            owner = next((known for known, own in self._plugins.items() if own is plugin), None)
            title = name or str(getattr(function, "__name__", "flow"))
            if owner is None:
                self.background.add("application", None, function, title)
            else:
                self.background.add(owner, plugin, function, title)
            if self._attaching is None:
                self.background.ensure()
        self._observe_connections()

    def reload(self) -> None:
        """Read the settings again and let the running client use them.

        Plugins whose settings did not change stay; others get ``reconfigure(settings)`` or, where
        they do not have that, are replaced. This happens by itself within about half a second of
        a change of the file, with the next command.

        Raises:
            SettingsError: the settings cannot be used; nothing has changed then.
            MiddlewareError: the client was unwrapped.
            Exception: what a plugin raised when it was reconfigured or attached: on purpose as it
                is, else as a ``PluginError``; the plugins have the settings from before again.
        """
        with self._lock:
            self._check_is_running()
            if self._reload is None:
                return
            settings = self._reload()
            running = self.pipeline.plugins
            plugins = plugins_after(settings, self._sources, running, self._added, self._removed)
            before, self.settings = self.settings, settings
            reconfiguration = Reconfiguration(plugins, running)
            try:
                reconfiguration.apply()
                self._use(plugins)
            except BaseException:
                self.settings = before
                reconfiguration.undo()
                raise

    def check_settings(self) -> None:
        """Reload the settings if their file has changed; looks at most every half second."""
        if monotonic() < self.next_check:
            return
        if self._is_resting:
            self._is_resting = False
            self.next_check = math.inf if self._watch is None else self._watch.next_check
            self.background.ensure()
        if self._watch is None or monotonic() < self.next_check:
            return
        # Whoever comes while another one reloads goes on with the settings in force.
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._watch.changed():
                try:
                    self.reload()
                except Exception as error:
                    logger.error("the changed settings are not used: %s", error)
                else:
                    logger.info("using the changed settings of %s", self.settings.origin.path)
            self.next_check = self._watch.next_check
        finally:
            self._lock.release()

    def _use(self, plugins: Sequence[LoadedPlugin]) -> None:
        """Swap the pipeline: attach the new plugins first, detach the old ones afterwards."""
        pipeline = Pipeline(plugins, self.bugs)
        before, known = self.pipeline, self._plugins
        self._plugins = MappingProxyType({loaded.name: loaded.plugin for loaded in plugins})
        attached: list[str] = []
        try:
            for name, plugin in self._plugins.items():
                if known.get(name) is not plugin:
                    self._attaching = name
                    attached.append(name)
                    self._attach(pipeline, name)
        except BaseException:
            for name in attached:
                self._detach(pipeline, name, self._plugins[name])
            self._plugins = known
            raise
        finally:
            self._attaching = None
        self.pipeline = pipeline
        self.chains = pipeline.chains
        for name, plugin in known.items():
            if self._plugins.get(name) is not plugin:
                self._detach(before, name, plugin)
        self.background.ensure()
        self._observe_connections()

    def _attach(self, pipeline: Pipeline, name: str) -> None:
        try:
            pipeline.call("redis_attach", name, middleware=self)
        except Exception as error:
            if not is_bug(error):
                raise
            raise PluginError(
                name, "redis_attach", "attaching", f"{type(error).__name__}: {error}"
            ) from error

    def _detach(self, pipeline: Pipeline, name: str, plugin: object) -> None:
        self.background.remove(plugin)
        try:
            pipeline.call("redis_detach", name)
        except Exception as error:
            logger.error("plugin %r, hook redis_detach: %s", name, error, exc_info=error)

    def _observe_connections(self) -> None:
        client = self.client.living_client
        if client is not None and (self.pipeline.connect is not None or len(self.background)):
            observe_connections(client, self)
            reference = weakref.ref(self)

            def observe(pool: Any) -> None:
                middleware = reference()
                if middleware is not None:
                    observe_pool(pool, middleware)

            self.client.observe_pools(observe)

    def lease(self) -> Lease | None:
        """What a client and all that it makes have to hold.

        ``None`` where the plugins are shared: they live as long as the pool.
        """
        if self.shared or self.is_shut_down:
            return None
        lease = self._lease()
        if lease is None:
            lease = Lease()
            self._lease = weakref.ref(lease)
            weakref.finalize(lease, self.shut_down)
        return lease

    def bound(self, client: AnyClient, binding: Binding) -> None:
        """A client runs these plugins from now on."""
        self._bindings[id(binding)] = binding
        self.client.follow(client)
        if self.shared:
            # Background work goes on when nobody has a client, and gets the replies that clients
            # get.
            self._callbacks = getattr(client, "response_callbacks", None)

    def unbound(self, binding: Binding) -> None:
        """A client was unwrapped; with the last one, everything ends."""
        self._bindings.pop(id(binding), None)
        if not self._bindings:
            self.shut_down()

    def closing(self, binding: Binding) -> None:
        """A client is being closed: background work ends, unless others of its pool go on."""
        if self._rests_with(binding):
            self.background.stop()
            close_servers(self.client)

    async def closing_async(self, binding: Binding) -> None:
        """The same for an async client, whose tasks are waited for."""
        if self._rests_with(binding):
            await self.background.stop_async()
            await close_servers_async(self.client)

    def _rests_with(self, binding: Binding) -> bool:
        """Whether background work ends when this client is closed, until one is used again."""
        if not binding.owns_pool:
            living = [reference() for reference in self._bindings.valuerefs()]
            if self.shared or any([other not in (binding, None) for other in living]):
                return False
        self._is_resting = len(self.background) > 0
        if self._is_resting:
            self.next_check = -math.inf
        return True

    def shut_down(self) -> None:
        """End everything: background work, then each plugin's part in the client."""
        # Reentrant: whoever reloads may be the one that finds the last client to be garbage.
        with self._lock:
            if self.is_shut_down:
                return
            self.is_shut_down = True
            self.next_check = math.inf
            before, known = self.pipeline, self._plugins
            self.pipeline = Pipeline()
            self.chains = self.pipeline.chains
            self._plugins = MappingProxyType({})
            self.background.remove(None)
            for name, plugin in known.items():
                self._detach(before, name, plugin)
            close_idle_servers(self.client)

    def __repr__(self) -> str:
        return f"<Middleware with {', '.join(self._plugins) or 'no plugins'}>"


def _stand_ins_of(reference: Callable[[], Middleware | None]) -> Callable[[], AnyClient | None]:
    def make() -> AnyClient | None:
        middleware = reference()
        if middleware is None or middleware.is_shut_down:
            return None
        client = middleware.client.stand_in()
        if client is not None:
            install(client, middleware, ends_with_it=False)
        return client

    return make


def _after_fork() -> None:
    global building
    building = threading.RLock()
    for middleware in list(_all):
        middleware._lock = threading.RLock()
        middleware.once.forget()
        for name, plugin in middleware.plugins.items():
            after_fork = getattr(plugin, "after_fork", None)
            if after_fork is not None:
                try:
                    after_fork()
                except Exception as error:
                    logger.error("plugin %r, after_fork: %s", name, error, exc_info=error)
    # Only then: one client's background work may touch what other clients' plugins have too.
    for middleware in list(_all):
        middleware.background.after_fork()


os.register_at_fork(after_in_child=_after_fork)
