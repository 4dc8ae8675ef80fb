"""Making observable instruments, which must not wait for a collection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from opentelemetry.metrics import Meter

__all__ = ["make_observables"]


def make_observables(meter: Meter, make: Callable[[], None]) -> None:
    """Make instruments now, or in a thread of their own as soon as no collection goes on.

    The SDK holds a lock while it collects, and takes it to add an observable instrument. A command
    that an application's callback sends would wait for itself, and one in a process that was
    forked off during a collection for nobody
    (https://github.com/open-telemetry/opentelemetry-python/issues/4345).

    Args:
        meter: makes the instruments; usually the SDK's.
        make: has it make them.
    """
    consumer: Any = getattr(meter, "_measurement_consumer", None)
    is_collecting = getattr(getattr(consumer, "_lock", None), "locked", None)
    if is_collecting is not None and is_collecting():
        name = "redis-middleware:otel:instruments"
        threading.Thread(target=make, name=name, daemon=True).start()
    else:
        make()
