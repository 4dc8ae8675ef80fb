"""Background work: what every test of it needs."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from tests.background.working import workers

from redis_middleware.background import Background


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the delays that are meant for production."""
    monkeypatch.setattr(Background, "first_delay", 0.01)
    monkeypatch.setattr(Background, "join_seconds", 0.3)


@pytest.fixture(autouse=True)
def _nothing_is_left(_quickly: None) -> Iterator[None]:
    """Check that every thread of a test's background work has ended with the test."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in workers() if thread not in before]
    for thread in left:
        thread.join(5)
    assert not [thread for thread in left if thread.is_alive()]
