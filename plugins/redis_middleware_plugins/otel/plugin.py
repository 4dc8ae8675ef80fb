"""The plugin itself: which hook records what."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import Final, Literal

from opentelemetry.context import get_current
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

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
from redis_middleware.commands import CommandSpec
from redis_middleware.key_display import key_display
from redis_middleware_plugins.otel.filters import Filters, Sampling
from redis_middleware_plugins.otel.flows import (
    note_peer,
    record,
    record_connection,
    record_delivery,
    record_plainly,
)
from redis_middleware_plugins.otel.hooks import Hook, hook_named
from redis_middleware_plugins.otel.observed_client import ObservedClient
from redis_middleware_plugins.otel.providers import present_meter_provider, present_tracer_provider
from redis_middleware_plugins.otel.query_text import batch_text_with_keys, text_with_keys
from redis_middleware_plugins.otel.recorder import Recorder
from redis_middleware_plugins.otel.rivals import native_groups
from redis_middleware_plugins.otel.scope import is_suppressed
from redis_middleware_plugins.otel.sdk import Memory, set_up
from redis_middleware_plugins.otel.settings import OtelSettings

__all__ = ["Otel"]

# Asking the API for the global providers costs as much as the rest of a command that nobody
# traces: they are looked for this often, in seconds, and with each new connection.
_LOOK_EVERY: Final = 0.05

_KEYS_SHOWN: Final[dict[str, Literal["plain", "hashed"]]] = {
    "keys": "plain",
    "hashed_keys": "hashed",
}


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

    Attributes:
        memory: what was exported to memory, where the settings say so.
    """

    Settings = OtelSettings
    observes = True
    memory: Memory

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
        self._clients: dict[ClientView, ObservedClient] = {}
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
        self._query_with_keys = self._make_query_with_keys(settings)
        self.memory = set_up(settings.sdk)
        for observed in self._clients.values():
            observed.use(settings)
        self._known: object = None
        self._next_look = 0.0
        self._recorder = self._make_recorder(None, None, frozenset())

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
        return self._filters.allow_name(spec.name)

    def wants_queued(self, spec: CommandSpec) -> bool:
        """None, since a batch is looked at as a whole; else those of ``wants``."""
        return self._settings.commands_in_batches and self.wants(spec)

    @hookimpl
    def redis_attach(self, middleware: Middleware) -> None:
        """Get to know a client."""
        view = middleware.client
        observed = self._clients[view] = ObservedClient(view, self._settings)
        observed.middleware = middleware
        self._next_look = 0.0

    @hookimpl
    def redis_detach(self) -> None:
        """Forget the clients that this is no plugin of any more, and let go of their pools."""
        for view, observed in list(self._clients.items()):
            middleware = observed.middleware
            if middleware is None or self not in middleware.plugins.values():
                observed.release()
                del self._clients[view]

    @hookimpl
    def redis_command(self, command: Command) -> Flow | None:
        """Record a command."""
        observed = self._watched(command.client)
        if observed is None or (self._filters.by_key and not self._filters.allow_keys(command)):
            return None
        recorder, facts = self._recorder, observed.facts
        flow = record_plainly if recorder.is_plain and command.position is None else record
        suppresses = observed.rivals.traces_inside()
        return flow(recorder, facts, facts.of_command(command), command, suppresses)

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow | None:
        """Record a pipeline or transaction as one."""
        observed = self._watched(batch.client)
        if observed is None or (self._filters.is_on and not self._filters.allow_batch(batch)):
            return None
        recorder, facts = self._recorder, observed.facts
        flow = record_plainly if recorder.is_plain else record
        suppresses = observed.rivals.traces_inside()
        return flow(recorder, facts, facts.of_batch(batch), batch, suppresses)

    @hookimpl
    def redis_connect(self, connection: Connection) -> Flow:
        """Record the making of a connection."""
        self._look(connection.client)
        observed = self._clients.get(connection.client) or self._observe(connection.client)
        observed.connecting(connection.address)
        recorder = self._recorder
        if recorder.is_idle or is_suppressed(get_current()) or is_background_work():
            return note_peer(observed.facts, connection)
        return record_connection(
            recorder,
            observed.facts,
            connection,
            traced=self._settings.connecting and not self._sampling.is_on,
            measured="CONNECTION_BASIC" not in native_groups(),
        )

    @hookimpl
    def redis_message(self, message: Message) -> Flow | None:
        """Record the delivery of a message, if the settings ask for it."""
        if not self._settings.messages or self._watched(message.client) is None:
            return None
        recorder = self._recorder
        return None if recorder.tracer is None else record_delivery(recorder, message)

    def _watched(self, view: ClientView) -> ObservedClient | None:
        """The client, where there is somebody to tell of what it does now, and nobody tells yet."""
        if self._clock() >= self._next_look:
            self._look(view)
        if self._recorder.is_idle or is_suppressed(get_current()):
            return None
        observed = self._clients.get(view) or self._observe(view)
        return None if observed.rivals.traces_outside() else observed

    def _observe(self, view: ClientView) -> ObservedClient:
        """A client that the plugin was not attached to."""
        observed = self._clients[view] = ObservedClient(view, self._settings)
        return observed

    def _look(self, view: ClientView) -> None:
        """See which providers and plugins there are now."""
        self._next_look = self._clock() + _LOOK_EVERY
        tracers = meters = None
        if self._settings.traces:
            tracers = self._tracer_provider or present_tracer_provider()
        if self._settings.metrics:
            meters = self._meter_provider or present_meter_provider()
        native = native_groups()
        known = (tracers, meters, native)
        if known != self._known:
            self._recorder = self._make_recorder(*known)
            self._known = known
        observed = self._clients.get(view)
        if observed is not None:
            observed.follow(self._recorder.instruments, native)

    def _make_recorder(
        self,
        tracers: TracerProvider | None,
        meters: MeterProvider | None,
        native: frozenset[str],
    ) -> Recorder:
        request_hook, reply_hook = self._hooks
        return Recorder(
            tracers,
            meters,
            measures_durations="COMMAND" not in native,
            sampling=self._sampling,
            query_with_keys=self._query_with_keys,
            request_hook=request_hook,
            reply_hook=reply_hook,
            error_messages=self._settings.error_messages,
            failures_shown=self._settings.failures_shown,
            clock=self._clock,
        )

    def _make_query_with_keys(
        self, settings: OtelSettings
    ) -> Callable[[Command | Batch], str] | None:
        """What shows the keys in ``db.query.text``; ``None`` where they are not shown."""
        secret = settings.hash_secret
        show = key_display(
            _KEYS_SHOWN.get(settings.query, "hidden"),
            self._secret if secret is None else secret.get_secret_value().encode(),
        )
        if show is None:
            return None
        length = settings.query_length

        def query_with_keys(subject: Command | Batch) -> str:
            if isinstance(subject, Command):
                return text_with_keys(subject, show, length)
            if len(subject) == 1:
                return text_with_keys(subject.commands[0], show, length)
            return batch_text_with_keys(subject, show, length)

        return query_with_keys
