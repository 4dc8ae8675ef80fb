"""What all calls of a kind have in common: the span's name and attributes, and the metrics'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from redis_middleware import ServerAddress
from redis_middleware.notes import SLOT
from redis_middleware_plugins.otel import attributes as names
from redis_middleware_plugins.otel.light_histogram import Series

__all__ = [
    "PLACE",
    "Attributes",
    "NameCap",
    "PoolSeries",
    "Template",
    "address_attributes",
    "peer_attributes",
    "pool_name",
    "without_place",
]

Attributes = dict[str, str | int | float | bool | Sequence[str]]

_OTHER: Final = "_OTHER"
_MOST_NAMES: Final = 100

PLACE: Final = (
    names.SERVER_ADDRESS,
    names.SERVER_PORT,
    names.NETWORK_PEER_ADDRESS,
    names.NETWORK_PEER_PORT,
    SLOT,
)
"""The attributes that tell where a call went."""


class Template(NamedTuple):
    """What all calls of a kind share.

    Attributes:
        span_name: the span's name.
        attributes: the span's attributes at its start; never changed.
        duration: the series of ``db.client.operation.duration`` for those that succeed.
        pool: the attributes of metrics about the pool it takes its connection from.
        elsewhere: the same for calls that went to another server than expected, by its address.
    """

    span_name: str
    attributes: Attributes
    duration: Series
    pool: Attributes
    elsewhere: dict[ServerAddress, Template]


class PoolSeries(NamedTuple):
    """The series of one pool.

    Attributes:
        wait: of ``db.client.connection.wait_time``.
        use: of ``db.client.connection.use_time``.
    """

    wait: Series
    use: Series


class NameCap:
    """Lets a hundred names through: applications and scripts may make up any number."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, name: str) -> str:
        """The name, or ``_OTHER`` (the conventions' fallback) where there are too many."""
        if name not in self._seen:
            if len(self._seen) >= _MOST_NAMES:
                return _OTHER
            self._seen.add(name)
        return name


def without_place(attributes: Mapping[str, Any]) -> Attributes:
    """The attributes without those that tell where a call went."""
    return {name: value for name, value in attributes.items() if name not in PLACE}


def address_attributes(address: ServerAddress | None) -> Attributes:
    """``server.address`` and ``server.port``, as far as they are known."""
    return _pair(names.SERVER_ADDRESS, names.SERVER_PORT, address)


def peer_attributes(peer: ServerAddress | None) -> Attributes:
    """``network.peer.address`` and ``network.peer.port``, likewise."""
    return _pair(names.NETWORK_PEER_ADDRESS, names.NETWORK_PEER_PORT, peer)


def _pair(host: str, port: str, address: ServerAddress | None) -> Attributes:
    if address is None:
        return {}
    if address.port is None:
        return {host: address.host}
    return {host: address.host, port: address.port}


def pool_name(address: ServerAddress | None, namespace: object) -> str:
    """``db.client.connection.pool.name``: the server and the database, ``host:port/db``.

    The conventions propose it for pools that have no name of their own:
    https://opentelemetry.io/docs/specs/semconv/db/database-metrics/#connection-pools.
    """
    return f"{'unknown' if address is None else address}/{namespace}"
