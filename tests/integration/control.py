"""Looking at servers, and disturbing them, past the client that is being tested."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis

from redis_middleware.embedded import Server

__all__ = ["Control", "FakeControl", "connect"]

# Sent by servers to each other, by Control itself, or while a connection is made.
_BESIDE_THE_POINT = re.compile(
    r"info|config\|resetstat|replconf|psync|flushall|wait|ping|hello|client\|setinfo|"
    r"client\|setname|client\|list|client\|kill|auth|select|cluster\|slots|cluster\|shards|command|"
    r"readonly|role|publish|debug|client\|maint_notifications|client\|tracking"
)


def connect(server: Server) -> redis.Redis:
    """A bare client for Control: one connection, replies as bytes."""
    return redis.Redis(host=server.host, port=server.port, protocol=2, socket_timeout=10)


class Control:
    """Bare clients of the servers that a kind of client talks to.

    Args:
        nodes: one for each server whose keys and connections count.
        replicas: how many replicas must have taken over what was flushed.
    """

    def __init__(self, nodes: Sequence[redis.Redis], *, replicas: int = 0) -> None:
        self.nodes = tuple(nodes)
        for node in self.nodes:
            # A server ends a blocking command that timed out with its next beat.
            node.config_set("hz", 200)
        self._replicas = replicas

    def clear(self) -> None:
        """Remove all keys and forget which commands were called."""
        for node in self.nodes:
            pipe = node.pipeline(transaction=False)
            pipe.execute_command("FLUSHALL")
            pipe.execute_command("SCRIPT FLUSH")
            pipe.execute_command("FUNCTION FLUSH")
            if self._replicas:
                pipe.execute_command("WAIT", self._replicas, 2000)
            pipe.execute_command("CONFIG RESETSTAT")
            pipe.execute(raise_on_error=False)

    def keyspace(self) -> dict[str, Any]:
        """Every key with its type and its value."""
        keys: dict[str, Any] = {}
        for node in self.nodes:
            for key in sorted(node.keys("*")):
                keys[repr(key)] = _read(node, key)
        return keys

    def command_counts(self) -> dict[str, int]:
        """How often each command was called, of those that say something about a client."""
        counts: dict[str, int] = {}
        for node in self.nodes:
            for name, figures in node.info("commandstats").items():
                command = str(name).removeprefix("cmdstat_")
                if not _BESIDE_THE_POINT.fullmatch(command):
                    counts[command] = counts.get(command, 0) + int(figures["calls"])
        return counts

    def calls(self, command: str) -> int:
        """How often a command, such as ``"get"`` or ``"config|get"``, was called."""
        return sum(
            int(node.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))
            for node in self.nodes
        )

    def blocked(self) -> int:
        """How many connections wait in a blocking command."""
        return sum(int(node.info("clients")["blocked_clients"]) for node in self.nodes)

    def delete(self, key: str) -> None:
        """Delete a key, wherever it is."""
        for node in self.nodes:
            with contextlib.suppress(redis.ResponseError):
                node.delete(key)

    def connections(self, name: str) -> int:
        """How many connections of that name the servers have."""
        return sum(len(self._of_name(node, name)) for node in self.nodes)

    def kill_connections(self, name: str) -> int:
        """Kill the connections of that name; say how many there were."""
        killed = 0
        for node in self.nodes:
            for client in self._of_name(node, name):
                killed += int(node.execute_command("CLIENT KILL", "ID", client["id"]))
        return killed

    def wait_for_connections(self, name: str, count: int, within: float = 5.0) -> None:
        """Wait until there are that many: a server takes note of a closed socket a moment later."""
        self.wait_until(
            lambda: self.connections(name) == count, f"{count} connections of {name!r}", within
        )

    def wait_until(self, condition: Callable[[], Any], what: str, within: float = 5.0) -> None:
        """Wait until the condition holds."""
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"not within {within} s: {what}"
            time.sleep(0.002)

    def close(self) -> None:
        """Close the connections."""
        for node in self.nodes:
            node.close()

    @staticmethod
    def _of_name(node: redis.Redis, name: str) -> list[dict[str, str]]:
        lines = node.execute_command("CLIENT LIST")
        return [client for client in lines if client.get("name") == name]


class FakeControl(Control):
    """For fakeredis, which neither counts commands nor knows of connections."""

    def __init__(self, node: redis.Redis) -> None:
        self.nodes = (node,)

    def clear(self) -> None:
        """Remove all keys."""
        for node in self.nodes:
            node.flushall()

    def command_counts(self) -> dict[str, int]:
        """Nothing."""
        return {}

    def keyspace(self) -> dict[str, Any]:
        """Every key with its type."""
        (node,) = self.nodes
        return {repr(key): node.type(key) for key in sorted(node.keys("*"))}

    def connections(self, name: str) -> int:
        """None."""
        return 0


def _read(node: redis.Redis, key: bytes | str) -> Any:
    kind = node.type(key)
    expires = node.ttl(key) >= 0
    if kind == b"string":
        value: Any = node.get(key)
    elif kind == b"list":
        value = node.lrange(key, 0, -1)
    elif kind == b"set":
        value = sorted(node.smembers(key))
    elif kind == b"hash":
        value = sorted(node.hgetall(key).items())
    elif kind == b"zset":
        value = node.zrange(key, 0, -1, withscores=True)
    else:
        # The entries of a stream have the time in their names.
        value = node.xlen(key)
    return (kind, value, expires)
