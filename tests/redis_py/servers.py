"""The servers that the tests run against: some of them have ports written into them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.redis_py.suite import Part

from redis_middleware.embedded import cluster, sentinel, standalone

__all__ = ["servers_of", "well_known_server"]

_WELL_KNOWN_PORT = 6379
_CLUSTER_PORT = 16379
_CLUSTER_NODES = 6
_SENTINEL_SERVICE = "redis-py-test"
_CONFIG = {"enable-debug-command": "yes", "enable-module-command": "yes"}


@contextmanager
def well_known_server() -> Iterator[None]:
    """Run a server on the port that some tests, of a cluster too, have written into them.

    Where the port is taken they meet whatever server is there.
    """
    port = _if_free(_WELL_KNOWN_PORT)
    with standalone(port=port, config=_CONFIG):
        yield


@contextmanager
def servers_of(part: Part) -> Iterator[list[str]]:
    """Run new servers for a part; gives the options that tell redis-py's tests of them.

    A few tests of a cluster know its ports: those fail where the ports are taken.
    """
    if part.is_cluster:
        port = _if_free(_CLUSTER_PORT, _CLUSTER_NODES)
        with cluster(_CLUSTER_NODES // 2, 1, port=port, config=_CONFIG) as nodes:
            yield [f"--redis-url={nodes.url}/0", f"--redis-cluster-nodes={_CLUSTER_NODES}"]
        return
    with (
        standalone(config=_CONFIG) as server,
        sentinel(service_name=_SENTINEL_SERVICE) as deployment,
    ):
        addresses = ",".join(f"{host}:{port}" for host, port in deployment.addresses)
        yield [
            f"--redis-url={server.url}/0",
            f"--sentinels={addresses}",
            f"--master-service={_SENTINEL_SERVICE}",
        ]


def _if_free(port: int, count: int = 1) -> int | None:
    """The port, if it and as many as are needed after it are free."""
    for each in range(port, port + count):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", each))
            except OSError:
                return None
    return port
