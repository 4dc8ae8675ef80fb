"""The plugin itself: which hook records what."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context, get_current
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider
from redis.exceptions import DataError

from redis_middleware import (
    Batch,
    ClientView,
    Command,
    Connection,
    Flow,
    Message,
    Middleware,
    hookimpl,
)
from redis_middleware.background import is_background_work
from redis_middleware.commands import CommandSpec, spec_of
from redis_middleware.redispy.pools import observe_waits
from redis_middleware_plugins.otel.client_facts import ClientFacts, Template
from redis_middleware_plugins.otel.connecting import Connecting
from redis_middleware_plugins.otel.filters import Filters, Sampling
from redis_middleware_plugins.otel.hooks import Hook, hook_named
from redis_middleware_plugins.otel.messages import Delivery
from redis_middleware_plugins.otel.operation import Operation
from redis_middleware_plugins.otel.query_text import masked_text, name_of, text_with_keys
from redis_middleware_plugins.otel.recorder import (
    Recorder,
    present_meter_provider,
    present_tracer_provider,
)
from redis_middleware_plugins.otel.rivals import CONTRIB, Rivals
from redis_middleware_plugins.otel.scope import Scope, is_suppressed
from redis_middleware_plugins.otel.sdk import Memory, set_up
from redis_middleware_plugins.otel.settings import OtelSettings
from redis_middleware_plugins.slow_log.key_display import key_display

__all__ = ["Otel"]

# Asking the API for the global providers costs as much as the rest of a command that nobody
# traces: they are looked for this often, in seconds, and with each new connection.
_LOOK_EVERY = 0.05


class Otel:
    """Spans and metrics of what a client does, by OpenTelemetry's stable conventions.

    Args:
        settings: the table ``[otel]``.
        tracer_provider: makes the spans; by default the application's global provider.
        meter_provider: makes the metrics; likewise.
        request_hook: called with the span and the command (or batch) before it is sent, in place
            of the one that the settings name.
        reply_hook: called with span, command and its reply, or the exception, afterwards.
        clock: seconds from any fixed point.
        random: gives a number from 0 to 1, for sampling.
        random_bytes: gives so many random bytes, for hashes of keys without a secret of their own.
    """

    Settings = OtelSettings
    observes = True

    def __init__(
        self,
        settings: OtelSettings | None = None,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        request_hook: Callable[..., object] | None = None,
        reply_hook: Callable[..., object] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        random: Callable[[], float] = random.random,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._own_hooks = (request_hook, reply_hook)
        self._clock = clock
        self._random = random
        self._secret = random_bytes(32)
        self._middlewares: dict[ClientView, Middleware] = {}
        self._plugins: dict[ClientView, object] = {}
        self._facts: dict[ClientView, ClientFacts] = {}
        self._rivals: dict[ClientView, Rivals] = {}
        self._ends: dict[ClientView, Callable[[], None]] = {}
        self.memory: Memory | None = None
        self.reconfigure(OtelSettings() if settings is None else settings)

    def reconfigure(self, settings: OtelSettings) -> None:
        """Use other settings from now on; what the SDK was set up with stays."""
        hooks: list[Hook | None] = []
        titles = (("request_hook", settings.request_hook), ("reply_hook", settings.reply_hook))
        for own, (title, name) in zip(self._own_hooks, titles, strict=True):
            hooks.append(hook_named(name, title) if own is None else Hook(own, title))
        self._hooks = hooks
        self._settings = settings
        self._filters = Filters(settings)
        self._sampling = Sampling(settings.sampling, self._random)
        secret = settings.hash_secret
        mode = {"keys": "plain", "hashed_keys": "hashed"}.get(settings.query, "hidden")
        self._show_key = key_display(
            mode,  # type: ignore[arg-type]
            self._secret if secret is None else secret.get_secret_value().encode(),
        )
        self.memory = set_up(settings.sdk)
        self._facts = {}
        self._known: object = None
        self._next_look = 0.0
        self._recorder = self._make_recorder(None, None)
        self._is_idle = True

    @property
    def hook_failures(self) -> dict[str, int]:
        """How often the application's hooks raised, by type of exception."""
        counts: dict[str, int] = {}
        for hook in self._hooks:
            for kind, count in (hook.failures if hook is not None else {}).items():
                counts[kind] = counts.get(kind, 0) + count
        return counts

    def wants(self, spec: CommandSpec) -> bool:
        """The commands that the settings do not leave out."""
        return self._filters.allow_spec(spec)

    def wants_queued(self, spec: CommandSpec) -> bool:
        """None, since a batch is looked at as a whole; else those of ``wants``."""
        return self._settings.commands_in_batches and self._filters.allow_spec(spec)

    @hookimpl
    def redis_attach(self, middleware: Middleware) -> None:
        """Get to know a client."""
        view = middleware.client
        self._middlewares[view] = middleware
        rivals = self._rivals[view] = Rivals()
        rivals.attach(view.client)
        self._ends[view] = observe_waits(view, lambda *wait: self._waited(view, *wait))
        self._next_look = 0.0

    @hookimpl
    def redis_detach(self) -> None:
        """Forget the clients that this is no plugin of any more, and let go of their pools."""
        for view, middleware in list(self._middlewares.items()):
            if self not in middleware.plugins.values():
                self._ends[view]()
                for known in (self._middlewares, self._ends, self._plugins, self._facts):
                    known.pop(view, None)
                del self._rivals[view]

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Record a command."""
        if self._clock() >= self._next_look:
            self._look(command.client)
        if self._is_idle:
            return (yield command)
        context = get_current()
        view = command.client
        if context and is_suppressed(context):
            return (yield command)
        if self._filters.by_key and not self._allow_keys(command):
            return (yield command)
        suppresses = False
        if CONTRIB in sys.modules and view in self._rivals:
            if self._rivals[view].traces_outside(view.client):
                return (yield command)
            suppresses = self._rivals[view].traces_inside()
        recorder = self._recorder
        template = (self._facts.get(view) or self._new_facts(view)).of_command(command)
        if not recorder.is_plain or command.position is not None:
            return (yield from self._record(recorder, template, command, context, suppresses))
        # The way of nearly every command. What follows is Operation.begin() and end() without
        # what is not needed here: with a server close by each call of a function is felt.
        span = scope = None
        if recorder.start_span is not None:
            span = recorder.start_span(template.span_name, context, template.attributes)
            if not span.is_recording():
                span = None
            if span is not None or suppresses:
                scope = Scope(span, context, suppresses)
        start = self._clock()
        try:
            reply = yield command
        except BaseException as error:
            Operation(recorder, template, command, context, span, scope, start).fail(error)
            raise
        if command.has_notes:
            Operation(recorder, template, command, context, span, scope, start).end(reply)
            return reply
        if recorder.duration is not None:
            recorder.record_duration(
                self._clock(), start, template.labels, context if scope is None else scope.context
            )
        if span is not None:
            span.end()
        if scope is not None:
            scope.end()
        return reply

    def _record(
        self,
        recorder: Recorder,
        template: Template,
        subject: Command | Batch,
        context: Context,
        suppresses: bool,
    ) -> Flow:
        operation = Operation.begin(recorder, template, subject, context, suppresses=suppresses)
        try:
            reply = yield subject
        except BaseException as error:
            operation.fail(error)
            raise
        operation.end(reply)
        return reply

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow:
        """Record a pipeline or transaction as one."""
        if self._clock() >= self._next_look:
            self._look(batch.client)
        context = get_current()
        view = batch.client
        if self._is_idle or (context and is_suppressed(context)) or not self._allow_batch(batch):
            return (yield batch)
        facts = self._facts.get(view) or self._new_facts(view)
        suppresses = False
        if CONTRIB in sys.modules and view in self._rivals:
            if self._rivals[view].traces_outside(view.client):
                return (yield batch)
            suppresses = self._rivals[view].traces_inside()
        template = facts.of_batch(batch)
        return (yield from self._record(self._recorder, template, batch, context, suppresses))

    @hookimpl
    def redis_connect(self, connection: Connection) -> Flow:
        """Record the making of a connection."""
        view = connection.client
        self._look(view)
        facts = self._facts.get(view) or self._new_facts(view)
        context = get_current()
        if self._is_idle or (context and is_suppressed(context)) or is_background_work():
            try:
                return (yield connection)
            finally:
                facts.connected(connection.address, connection.peer)
        connecting = Connecting(
            self._recorder,
            facts,
            connection,
            self._clock,
            traced=self._settings.connecting and not self._sampling.is_on,
            measured="CONNECTION_BASIC" not in self._native_groups(view),
        )
        try:
            made = yield connection
        except BaseException as error:
            connecting.fail(error)
            raise
        connecting.end()
        return made

    @hookimpl
    def redis_message(self, message: Message) -> Flow:
        """Record the delivery of a message, if the settings ask for it."""
        view = message.client
        if self._clock() >= self._next_look:
            self._look(view)
        context = get_current()
        recorder = self._recorder
        if (
            not self._settings.messages
            or recorder.tracer is None
            or (context and is_suppressed(context))
        ):
            return (yield message)
        facts = self._facts.get(view) or self._new_facts(view)
        delivery = Delivery(recorder, facts, message, context)
        try:
            delivered = yield message
        except BaseException as error:
            delivery.fail(error)
            raise
        delivery.end(delivered)
        return delivered

    def _look(self, view: ClientView) -> None:
        """See which providers and plugins there are now."""
        self._next_look = self._clock() + _LOOK_EVERY
        settings = self._settings
        tracers = meters = None
        if settings.traces:
            tracers = self._tracer_provider or present_tracer_provider()
        if settings.metrics:
            meters = self._meter_provider or present_meter_provider()
        native = self._native_groups(view)
        known = (tracers, meters, native)
        if known != self._known:
            self._recorder = self._make_recorder(tracers, meters)
            if "COMMAND" in native:
                self._recorder.duration = None
            self._known = known
            self._plugins = {}
            self._is_idle = self._recorder.is_idle
        middleware = self._middlewares.get(view)
        instruments = self._recorder.instruments
        if middleware is not None and instruments is not None:
            plugins = middleware.plugins
            if self._plugins.get(view) is not plugins:
                self._plugins[view] = plugins
                instruments.follow(middleware)

    def _make_recorder(
        self, tracers: TracerProvider | None, meters: MeterProvider | None
    ) -> Recorder:
        request_hook, reply_hook = self._hooks
        return Recorder(
            tracers,
            meters,
            sampling=self._sampling,
            query_with_keys=None if self._show_key is None else self._query_with_keys,
            request_hook=request_hook,
            reply_hook=reply_hook,
            error_messages=self._settings.error_messages,
            failures_shown=self._settings.failures_shown,
            clock=self._clock,
        )

    def _query_with_keys(self, command: Command) -> str:
        assert self._show_key is not None
        length = self._settings.query_length
        try:
            return text_with_keys(command, self._show_key, length)
        except DataError:
            # An argument that redis-py is about to refuse.
            return masked_text(command.name, len(command.wire) - 1, length)

    def _new_facts(self, view: ClientView) -> ClientFacts:
        length = None if self._settings.query == "off" else self._settings.query_length
        facts = self._facts[view] = ClientFacts(view, length)
        return facts

    def _allow_keys(self, command: Command) -> bool:
        try:
            return self._filters.allow_keys(command)
        except DataError:
            return True

    def _allow_batch(self, batch: Batch) -> bool:
        """Whether any of its commands is watched."""
        filters = self._filters
        if filters.by_name:
            names = [name_of(word).upper() for word, _ in batch.shapes]
            if not any(filters.allow_spec(spec_of(name)) for name in names):
                return False
        return not filters.by_key or any(self._allow_keys(command) for command in batch.commands)

    def _waited(self, view: ClientView, seconds: float, timed_out: bool) -> None:
        instruments = self._recorder.instruments
        if instruments is None or "CONNECTION_ADVANCED" in self._native_groups(view):
            return
        facts = self._facts.get(view) or self._new_facts(view)
        labels: Any = {"db.client.connection.pool.name": facts.pool_name(view.address_of())}
        if timed_out:
            instruments.timeouts.add(1, labels)
        else:
            instruments.wait_time.record(seconds, labels)

    def _native_groups(self, view: ClientView) -> frozenset[str]:
        rivals = self._rivals.get(view)
        return frozenset() if rivals is None else rivals.native_groups()
