"""A process that is forked off while another thread of the parent's sets something up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.plugins.forking import works_in_a_child
from tests.plugins.otel.conftest import MakeClient, Recorded
from tests.plugins.otel.counting import Counting

from redis_middleware import Command, Flow, hookimpl
from redis_middleware.embedded import Server
from redis_middleware.readings import Kind, Metric, Reading
from redis_middleware_plugins.otel import Otel, OtelSettings, SdkSettings


class _Halt:
    """Holds a thread up where it is called, until told to go on."""

    def __init__(self) -> None:
        self._came = threading.Event()
        self._goes_on = threading.Event()

    def __call__(self) -> None:
        self._came.set()
        assert self._goes_on.wait(60)

    @contextmanager
    def holding(self, work: Any, *arguments: Any) -> Iterator[None]:
        """Run the work in a thread that is held up within the block."""
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        try:
            assert self._came.wait(60)
            yield
        finally:
            self._goes_on.set()
            thread.join(60)


class _Halted:
    """A plugin whose ``metrics()`` is held up."""

    name = "halted"

    def __init__(self, halt: _Halt) -> None:
        self.halt = halt
        self.halts = True

    def metrics(self) -> Iterable[Metric]:
        """A metric, later."""
        if self.halts:
            self.halt()
        yield Metric("halted.metric", Kind.COUNTER, "1", "It counts.", [Reading(1)])

    @hookimpl
    def redis_command(self, command: Command) -> Flow:
        """Let it pass."""
        return (yield command)


def test_while_a_plugin_is_asked_what_it_counts(
    recorded: Recorded, client_with: MakeClient
) -> None:
    """A child's command goes on while the parent's first command asks a slow plugin."""
    halt = _Halt()
    slow = client_with(recorded.plugin(), _Halted(halt))
    client = client_with(recorded.plugin())

    with halt.holding(slow.get, "key"):
        assert works_in_a_child(lambda: client.get("key"))


def test_while_metrics_are_collected(recorded: Recorded, client_with: MakeClient) -> None:
    """A child's first command goes on: it does not wait for a collection of the parent's."""
    slow = _Halted(_Halt())
    slow.halts = False
    client_with(recorded.plugin(), slow).get("key")
    slow.halts = True
    client = client_with(recorded.plugin(), Counting("new"))

    with slow.halt.holding(recorded.reader.get_metrics_data):
        assert works_in_a_child(lambda: client.get("key"))


class _SlowProvider(MeterProvider):
    """A provider that is slow to give a meter."""

    halt: _Halt | None = None

    def get_meter(self, *arguments: Any, **more: Any) -> Meter:
        """Return the meter, later."""
        if self.halt is not None:
            self.halt()
        return super().get_meter(*arguments, **more)


def test_while_instruments_are_made(client_with: MakeClient, recorded: Recorded) -> None:
    """A child can record with a provider while the parent sets another one's instruments up."""
    halt, provider = _Halt(), _SlowProvider([InMemoryMetricReader()])
    provider.halt = halt
    slow = client_with(Otel(OtelSettings(traces=False), meter_provider=provider))
    client = client_with(recorded.plugin())

    def record() -> None:
        client.get("key")
        assert len(recorded.points("db.client.operation.duration")) == 1

    with halt.holding(slow.get, "key"):
        assert works_in_a_child(record)


def test_while_the_sdk_is_set_up(
    clean_standalone: Server, monkeypatch: pytest.MonkeyPatch, recorded: Recorded
) -> None:
    """A child can make its own plugin while the parent's waits for a log handler in its set-up."""
    halt = _Halt()
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: recorded.tracers)
    handler = logging.Handler()
    parent = threading.get_ident()
    handler.emit = lambda record: None if record.thread == parent else halt()  # type: ignore[method-assign]
    logger = logging.getLogger("redis_middleware.otel")
    logger.addHandler(handler)
    monkeypatch.setattr(logger, "level", logging.INFO)
    settings = OtelSettings(metrics=False, sdk=SdkSettings(traces="console"))

    with halt.holding(Otel, settings):
        assert works_in_a_child(lambda: Otel(settings))
    logger.removeHandler(handler)
