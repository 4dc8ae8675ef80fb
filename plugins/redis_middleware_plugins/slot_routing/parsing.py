"""From the replies of CLUSTER SLOTS and CLUSTER SHARDS to a topology.

Both are read as RESP2 and as RESP3 give them, with text as bytes or decoded. CLUSTER SLOTS tells
without doubt who serves a slot, CLUSTER SHARDS (Redis 7) how each node is: right after a failover
the latter may list two primaries for one shard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from redis_middleware.redispy.view import ServerAddress
from redis_middleware_plugins.slot_routing.topology import Node, Shard, Topology

__all__ = [
    "Details",
    "Remap",
    "details_of_shards",
    "parse_address",
    "topology_of_shards",
    "topology_of_slots",
]

Remap = Callable[[ServerAddress], ServerAddress]
"""Address translation: from the address that the servers tell to the one that is reached."""

Details = Mapping[str, Node]
"""Nodes by their ID."""

_UNKNOWN_HOST: Final = "?"


def parse_address(text: str) -> ServerAddress:
    """An address from ``host:port``; an IPv6 address may stand in brackets.

    Raises:
        ValueError: there is no host, or no port from 1 to 65535.
    """
    host, colon, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(
            f"{text!r} is not an address: write host:port, such as 10.0.0.5:6379, with an IPv6 "
            "address in brackets, such as [fd00::5]:6379"
        )
    return ServerAddress(host, int(port))


def topology_of_slots(
    reply: Any, asked: ServerAddress, remap: Remap, details: Details | None = None
) -> Topology:
    """The topology that CLUSTER SLOTS tells.

    Args:
        reply: a list of ``[first slot, last slot, primary, replica ...]``; a node is
            ``[host, port, id, metadata]``. An empty host or nil stands for the host that was asked,
            and ``?`` for one that the server does not know, whose IP address the metadata may tell.
        asked: where the reply came from.
        remap: address translation.
        details: what CLUSTER SHARDS told of the nodes.

    Raises:
        ValueError: the reply is none of CLUSTER SLOTS.
    """
    ranges: dict[tuple[Node, ...], list[tuple[int, int]]] = {}
    try:
        for first, last, *told in reply:
            nodes = tuple(
                _node_of_slots(node, asked, remap, details or {}, is_primary=not index)
                for index, node in enumerate(told)
            )
            ranges.setdefault(nodes, []).append((int(first), int(last)))
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(f"{asked} gave a reply to CLUSTER SLOTS that is none: {error}") from error
    return Topology([Shard(nodes[0], nodes[1:], tuple(own)) for nodes, own in ranges.items()])


def _node_of_slots(
    told: Any, asked: ServerAddress, remap: Remap, details: Details, *, is_primary: bool
) -> Node:
    host, port, *rest = told
    identity = _text(rest[0]) if rest else ""
    metadata = _mapping(rest[1]) if len(rest) > 1 else {}
    address = _address(host, port, metadata.get("ip"), asked)
    zone = _text(metadata.get("availability-zone")) or None
    known = details.get(identity)
    if known is None:
        return Node(remap(address), identity, is_primary, zone=zone)
    return replace(known, address=remap(address), is_primary=is_primary, zone=zone or known.zone)


def topology_of_shards(
    reply: Any, asked: ServerAddress, remap: Remap, *, tls: bool = False
) -> Topology:
    """The topology that CLUSTER SHARDS tells.

    Args:
        reply: a list of shards, each a map with ``slots`` (first, last, first, last ...) and
            ``nodes``. Of several primaries the first that is online is taken.
        asked: where the reply came from.
        remap: address translation.
        tls: whether the nodes' TLS ports are meant.

    Raises:
        ValueError: the reply is none of CLUSTER SHARDS.
    """
    shards = []
    try:
        for each in reply:
            shard = _mapping(each)
            slots = [int(slot) for slot in shard["slots"]]
            nodes = [_node_of_shards(node, asked, remap, tls=tls) for node in shard["nodes"]]
            primaries = [node for node in nodes if node.is_primary]
            primaries.sort(key=lambda node: node.health != "online")
            primary = primaries[0] if primaries else None
            shards.append(
                Shard(
                    primary,
                    tuple(node for node in nodes if not node.is_primary),
                    tuple(zip(slots[::2], slots[1::2], strict=True)),
                )
            )
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{asked} gave a reply to CLUSTER SHARDS that is none: {error}") from error
    return Topology(shards)


def details_of_shards(reply: Any, asked: ServerAddress) -> Details:
    """What CLUSTER SHARDS tells of each node: health and zone.

    Raises:
        ValueError: the reply is none of CLUSTER SHARDS.
    """
    topology = topology_of_shards(reply, asked, lambda address: address)
    return {node.id: node for node in topology.nodes}


def _node_of_shards(told: Any, asked: ServerAddress, remap: Remap, *, tls: bool) -> Node:
    node = _mapping(told)
    port = node.get("tls-port" if tls else "port")
    if port is None:
        port = node["port" if tls else "tls-port"]
    health = _text(node.get("health")) or "online"
    return Node(
        address=remap(_address(node.get("endpoint"), port, node.get("ip"), asked)),
        id=_text(node["id"]),
        is_primary=_text(node["role"]) in ("master", "primary"),
        health="failed" if health == "fail" else health,
        zone=_text(node.get("availability-zone")) or None,
    )


def _address(host: Any, port: Any, ip: Any, asked: ServerAddress) -> ServerAddress:
    name = _text(host)
    if name == _UNKNOWN_HOST:
        name = _text(ip)
    return ServerAddress(name or asked.host, int(port))


def _mapping(value: Any) -> dict[str, Any]:
    """A map of RESP3, or RESP2's flat list of names and values."""
    pairs: Iterable[tuple[Any, Any]]
    pairs = value.items() if isinstance(value, dict) else zip(value[::2], value[1::2], strict=True)
    return {_text(name): each for name, each in pairs}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
