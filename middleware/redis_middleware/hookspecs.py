"""The hooks a plugin can implement, declared with pluggy.

The four hooks around something are *flows*, generator functions: what a flow yields is sent on to
the next plugin and at last to redis-py, what it returns is the reply that the plugin outside of it
(and at last the application) gets. The order of plugins is the order of the settings' list,
outermost first; pluggy's ``tryfirst`` and ``trylast`` are honoured.

A hook that is a plain function instead may return a generator of its own, or ``None`` where it has
nothing to do around what it was called with: no generator is made then, which is most of what a
plugin costs. That of ``redis_command`` may also answer without the server, at a third of what a
flow costs that does: by returning an :class:`~redis_middleware.flow.Answer`.

What a plugin may have besides its hooks, all of it optional:

==========================  ====================================================================
``name``                    its name, where it is given in code; else its class's in snake_case
``Settings``                a pydantic model: the plugin is made with an instance of it
``observes = True``         it only observes: its bugs never reach the application
``wants(spec)``             whether ``redis_command`` is asked about commands of a specification
``wants_queued(spec)``      the same for commands queued in pipelines and transactions
``reconfigure(settings)``   takes changed settings while it runs; without it, it is made anew
``metrics()``               what it counts: see :mod:`redis_middleware.readings`
``remarks()``               sentences of ``redis-middleware check`` on what its settings allow and
                            may not mean
``after_fork()``            called in a process that was forked off, before background work starts
==========================  ====================================================================

Plugins tell each other what they did with notes: see :mod:`redis_middleware.notes`.

For every flow:

- It may raise. An exception raised on purpose passes unchanged: any exception class that is not
  one of Python's built-in ones, and ``OSError`` with its subclasses. A built-in exception such as
  ``TypeError`` or ``KeyError`` that starts in the plugin is a bug: the application gets a
  :class:`~redis_middleware.errors.PluginError` that names plugin, hook and command, chained to the
  original. A plugin that says ``observes = True`` never breaks anything: its bugs are counted and
  logged, and the command goes on without it.
- Failures of what it yielded (errors as replies, lost connections, time-outs, cancellation,
  ``KeyboardInterrupt``) are raised at its ``yield``. Interrupts (exceptions that are not
  ``Exception``) can be seen, not swallowed. Its ``finally`` blocks always run.
- It must return something: ``None`` is taken as a reply only where it was resumed with ``None``.
  To answer nil of its own accord it returns :data:`~redis_middleware.flow.NIL`. An exception that
  it returns, such as one of a fan-out's replies, is raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from redis_middleware.flow import Answer, Flow

if TYPE_CHECKING:
    from redis_middleware.command import Batch, Command, Message
    from redis_middleware.handle import Middleware
    from redis_middleware.redispy.view import Connection

__all__ = ["PROJECT_NAME", "hookimpl", "hookspec", "may_yield"]

PROJECT_NAME = "redis_middleware"
"""pluggy's project name and the entry-point group of plugins."""

_MAY_YIELD = {
    "redis_batch": "a Batch, Sleep or Call",
    "redis_connect": "the connection, once it stands a Command made by connection.command(), "
    "Sleep or Call",
    "redis_message": "a Message, Sleep or Call",
}

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


def may_yield(hook: str) -> str:
    """Return in words what a flow may yield, as the specifications below say in full.

    Args:
        hook: the hook's name; background work may yield what ``redis_command`` may.
    """
    return _MAY_YIELD.get(hook, "a Command, a list of Commands, Sleep, Call or Once")


@hookspec
def redis_command(command: Command) -> Flow | Answer | None:
    """Around every command: single, in a pipeline, in a transaction, under WATCH.

    Args:
        command: the command on its way; to be treated as immutable.

    Yields:
        ``command`` or another :class:`~redis_middleware.command.Command`: sent on; resumed with
            its reply, or its failure is raised at the ``yield``.
        A list of commands: they go out together; resumed with the list of their replies, in
            order, each failure in it as an exception. Inside a transaction they expand in place.
        :class:`~redis_middleware.flow.Sleep`, :class:`~redis_middleware.flow.Call`,
        :class:`~redis_middleware.flow.Once`.

    It may yield as often as it likes (a retry is another ``yield``). In a pipeline every flow's
    first commands go out in one round trip, every second one in another, and so on. Inside a
    transaction there is one round: a command yielded after it is an error.

    Returns:
        The reply, a Python value as redis-py gives it to the application.

    Raises:
        Raising before the first command is yielded refuses the command; in a pipeline or a
        transaction nothing at all is sent then. Raising later makes the exception the command's
        outcome.

    Which commands: all, or those for which the plugin's ``wants(spec)`` is true. For commands that
    are queued in pipelines and transactions ``wants_queued(spec)`` is asked instead, where the
    plugin has it: one that looks at batches as a whole costs nothing on each of their commands.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def redis_batch(batch: Batch) -> Flow | None:
    """Around a whole pipeline or transaction, outside of its commands' flows.

    Args:
        batch: the commands that the application queued.

    Yields:
        ``batch`` or another :class:`~redis_middleware.command.Batch`: executed (once more);
            resumed with the list of replies, a command's own failure in it as an exception. What
            fails as a whole (a lost connection, a watched key that changed, a command refused by
            a plugin) is raised. A transaction that watches keys can be sent once only: yielded
            again after that it fails with a ``WatchError``.
        :class:`~redis_middleware.flow.Sleep`, :class:`~redis_middleware.flow.Call`.

    Returns:
        The list of replies: one for each command that the application queued, in order.

    Raises:
        Raising before it yields refuses the whole batch: nothing is sent.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def redis_connect(connection: Connection) -> Flow | None:
    """Around the making of a connection: socket, TLS, and redis-py's handshake.

    Args:
        connection: the connection about to be made.

    Yields:
        ``connection``: it is made; resumed with it, or the failure is raised. Yielding it again
            after a failure tries again.
        A :class:`~redis_middleware.command.Command` made by ``connection.command(...)``, once it
            stands: sent on this connection, past every plugin; resumed with the reply as the
            server gave it.
        :class:`~redis_middleware.flow.Sleep`, :class:`~redis_middleware.flow.Call`.

    Returns:
        ``connection``. A flow that raises after the connection stood closes it.

    A pool that several wrapped clients share runs the hooks of all of them.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def redis_message(message: Message) -> Flow | None:
    """Around the delivery of a message that a subscription received.

    Args:
        message: the published message, of a channel, a pattern or a shard channel.

    Yields:
        ``message`` or another :class:`~redis_middleware.command.Message`: delivered. Resumed with
            what the application will get from ``get_message()`` or ``listen()``, or with ``None``
            where a handler of the application's took it.
        :class:`~redis_middleware.flow.Sleep`, :class:`~redis_middleware.flow.Call`.

    Returns:
        What the application gets. Returning :data:`~redis_middleware.flow.NIL` without a ``yield``
        drops the message.

    Raises:
        What it raises reaches whoever asked for messages, ``get_message()`` or ``listen()``.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def redis_attach(middleware: Middleware) -> None:
    """Called when the plugin becomes part of a wrapped client; not a flow.

    This is where a plugin keeps the handle, looks for other plugins, and starts background work
    with ``middleware.run_in_background(flow_function)``.

    Args:
        middleware: the wrapped client's handle.

    Raises:
        What it raises, ``wrap`` raises: as it is when raised on purpose, else as a
        :class:`~redis_middleware.errors.PluginError`.
    """
    raise AssertionError("a hook specification is never called")


@hookspec
def redis_detach() -> None:
    """Called when the plugin is taken out: by ``unwrap``, by a change of the settings or of the
    pipeline, when the wrapped client is garbage, or at interpreter exit; not a flow.

    Background work of the plugin has been told to stop by then. What it raises is logged.
    """
    raise AssertionError("a hook specification is never called")
