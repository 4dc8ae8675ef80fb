"""Wrapping clients: ``wrap``, the decorator ``middleware``, ``unwrap`` and ``middleware_of``."""

from __future__ import annotations

import functools
import inspect
import os
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, overload

from redis_middleware import handle
from redis_middleware.handle import Middleware
from redis_middleware.redispy.binding import binding_of
from redis_middleware.redispy.clients import check_client, install, uninstall
from redis_middleware.redispy.view import AnyClient, ClientView, keeper_of
from redis_middleware.settings import load_settings

__all__ = ["middleware", "middleware_of", "unwrap", "wrap"]

Client = TypeVar("Client", bound=AnyClient)
Decorated = TypeVar("Decorated", bound=Callable[..., Any])
SettingsSource = str | os.PathLike[str] | Mapping[str, object]
PluginSource = str | type | object


class _Wrapper:
    """Wraps clients with the same settings.

    Clients of one connection pool share one middleware when ``shares``: a function that makes a
    client for each request on a common pool keeps its plugins (their caches, their counts) from
    one request to the next.
    """

    def __init__(
        self,
        settings: SettingsSource | None,
        plugins: Sequence[PluginSource] | None,
        profile: str | None,
        *,
        shares: bool,
    ) -> None:
        self._source = settings
        self._plugins = plugins
        self._profile = profile
        self._shares = shares
        self._of_pool: weakref.WeakKeyDictionary[Any, Middleware] = weakref.WeakKeyDictionary()

    def wrap(self, client: Client, made_by: str = "") -> Client:
        check_client(client, made_by)
        known = self._shared(client) if self._shares else self._build(client)
        binding = binding_of(client)
        if binding is not None and binding.middleware is known:
            return client
        if binding is not None:
            uninstall(client)
        install(client, known)
        return client

    def _shared(self, client: Client) -> Middleware:
        """The middleware of the client's pool, made by the first who comes."""
        keeper = keeper_of(client)
        known = self._of_pool.get(keeper)
        if known is not None and not known.is_shut_down:
            return known
        with handle.building:
            known = self._of_pool.get(keeper)
            return self._build(client) if known is None or known.is_shut_down else known

    def _build(self, client: Client) -> Middleware:
        settings = load_settings(self._source, profile=self._profile)
        reload = None
        if settings.origin.path is not None:
            # Whatever the working directory is later, it is this file that is read again.
            path = settings.origin.path.absolute()
            settings = replace(settings, origin=replace(settings.origin, path=path))
            reload = functools.partial(load_settings, path, profile=self._profile)
        middleware = Middleware(ClientView(client), settings, self._plugins, reload)
        middleware.shared = self._shares
        if self._shares:
            self._of_pool[keeper_of(client)] = middleware
            weakref.finalize(keeper_of(client), middleware.shut_down)
        return middleware


def wrap(
    client: Client,
    settings: SettingsSource | None = None,
    *,
    plugins: Sequence[PluginSource] | None = None,
    profile: str | None = None,
) -> Client:
    """Run plugins around everything that a client does.

    The client stays the object it is, of the type it is. What it makes (pipelines, transactions,
    locks, scripts, subscriptions, ``client()``, ``json()`` and the like) runs the plugins too.
    Wrapping a wrapped client gives it the new plugins in place of the old ones.

    Args:
        client: a ``redis.Redis``, ``redis.asyncio.Redis``, ``redis.RedisCluster`` or
            ``redis.asyncio.RedisCluster``, or of a class derived from one; also those that
            ``Sentinel.master_for()`` and ``slave_for()`` give.
        settings: the path of a settings file, or a mapping of the same shape. Without it, in this
            order: the file that ``REDIS_MIDDLEWARE_SETTINGS`` names, ``redis-middleware.toml`` in
            the working directory or a parent of it, ``[tool.redis-middleware]`` in a
            ``pyproject.toml`` there, no settings.
        plugins: names, classes or objects to run, outermost first, in place of the settings' list.
        profile: the name of the settings' profile to use; by default the one that
            ``REDIS_MIDDLEWARE_PROFILE`` names, if any.

    Returns:
        The client.

    Raises:
        TypeError: it is not a client that can be wrapped.
        SettingsError: the settings, or a plugin they name, cannot be used; the client is as it was.
    """
    return _Wrapper(settings, plugins, profile, shares=False).wrap(client)


def unwrap(client: Client) -> Client:
    """Take the plugins off a client again: background work ends, plugins are detached.

    A client that is not wrapped stays as it is. Pipelines and subscriptions that it made before
    run no plugins any more.

    Raises:
        TypeError: it is not a client.
    """
    check_client(client)
    if binding_of(client) is not None:
        uninstall(client)
    return client


def middleware_of(client: object) -> Middleware:
    """The handle of a wrapped client, through which code reaches and changes its plugins.

    ``middleware_of(client).plugins["key_access"]`` is the plugin of that name.

    Raises:
        LookupError: the client is not wrapped.
    """
    binding = binding_of(client)
    if binding is None:
        # Only its type: it may be a URL with a password.
        raise LookupError(
            f"this {type(client).__qualname__} is not wrapped: redis_middleware.wrap(client) does "
            "that"
        )
    return binding.middleware


@overload
def middleware(function: Decorated, /) -> Decorated: ...


@overload
def middleware(
    settings: SettingsSource | None = None,
    *,
    plugins: Sequence[PluginSource] | None = None,
    profile: str | None = None,
) -> Callable[[Decorated], Decorated]: ...


def middleware(
    function: Any = None,
    /,
    *,
    settings: SettingsSource | None = None,
    plugins: Sequence[PluginSource] | None = None,
    profile: str | None = None,
) -> Any:
    """Decorate what makes clients, so that the clients it makes are wrapped.

    It goes on a function that returns a client, an ``async def`` that does, a generator or an
    async generator that yields one (as dependencies of web frameworks do), and a class derived
    from a client. Bare, ``@middleware``, or with the arguments of :func:`wrap`:
    ``@middleware("redis.toml")``, ``@middleware(plugins=["slow_log"])``.

    All clients that it makes on one connection pool share their plugins, so that a client made
    for each request keeps the plugins' state; clients on different pools share nothing.

    Raises:
        TypeError: it decorates something else, or what was made is not a client.
    """
    if callable(function):
        return _decorate(function, _Wrapper(settings, plugins, profile, shares=True))
    source = settings if function is None else function
    wrapper = _Wrapper(source, plugins, profile, shares=True)
    return functools.partial(_decorate, wrapper=wrapper)


def _decorate(function: Any, wrapper: _Wrapper) -> Any:
    if isinstance(function, type):
        return _decorate_class(function, wrapper)
    if not callable(function):
        raise TypeError(
            f"@middleware decorates what makes a client (a function, a generator, a class), not an "
            f"object of type {type(function).__qualname__}; to wrap a client that is there use "
            "wrap(client)"
        )
    name = f"{getattr(function, '__qualname__', type(function).__qualname__)}()"
    if inspect.isasyncgenfunction(function):
        decorated: Any = _around_async_generator(function, wrapper, name)
    elif inspect.isgeneratorfunction(function):
        decorated = _around_generator(function, wrapper, name)
    elif inspect.iscoroutinefunction(function):

        async def decorated(*args: Any, **kwargs: Any) -> Any:
            return wrapper.wrap(await function(*args, **kwargs), name)

    else:

        def decorated(*args: Any, **kwargs: Any) -> Any:
            return wrapper.wrap(function(*args, **kwargs), name)

    return functools.wraps(function)(decorated)


def _decorate_class(cls: type, wrapper: _Wrapper) -> type:
    original = cls.__init__  # type: ignore[misc]

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        wrapper.wrap(self)

    cls.__init__ = __init__  # type: ignore[misc]
    return cls


def _around_generator(function: Any, wrapper: _Wrapper, name: str) -> Any:
    def decorated(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = function(*args, **kwargs)
        try:
            client = next(generator)
            while True:
                try:
                    sent = yield wrapper.wrap(client, name)
                except GeneratorExit:
                    generator.close()
                    raise
                except BaseException as error:
                    client = generator.throw(error)
                else:
                    client = generator.send(sent)
        except StopIteration as stop:
            return stop.value

    return decorated


def _around_async_generator(function: Any, wrapper: _Wrapper, name: str) -> Any:
    async def decorated(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator = function(*args, **kwargs)
        try:
            client = await anext(generator)
            while True:
                try:
                    sent = yield wrapper.wrap(client, name)
                except GeneratorExit:
                    await generator.aclose()
                    raise
                except BaseException as error:
                    client = await generator.athrow(error)
                else:
                    client = await generator.asend(sent)
        except StopAsyncIteration:
            return

    return decorated
