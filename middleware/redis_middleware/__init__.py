"""redis-middleware: a pipeline of plugins around the redis-py client an application already has."""

from redis_middleware._version import __version__
from redis_middleware.command import Batch, Command, Message, Place
from redis_middleware.errors import (
    MiddlewareError,
    MissingExtraError,
    PluginError,
    PluginLoadError,
    PluginNotFoundError,
    SettingsError,
)
from redis_middleware.flow import NIL, Answer, Call, Flow, Once, Sleep
from redis_middleware.handle import Middleware
from redis_middleware.hookspecs import hookimpl
from redis_middleware.redispy.view import ClientView, Connection, ServerAddress
from redis_middleware.wrapping import middleware, middleware_of, unwrap, wrap

__all__ = [
    "NIL",
    "Answer",
    "Batch",
    "Call",
    "ClientView",
    "Command",
    "Connection",
    "Flow",
    "Message",
    "Middleware",
    "MiddlewareError",
    "MissingExtraError",
    "Once",
    "Place",
    "PluginError",
    "PluginLoadError",
    "PluginNotFoundError",
    "ServerAddress",
    "SettingsError",
    "Sleep",
    "__version__",
    "hookimpl",
    "middleware",
    "middleware_of",
    "unwrap",
    "wrap",
]
