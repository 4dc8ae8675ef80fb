"""The servers of the test run, each started when the first kind of client asks for it."""

from __future__ import annotations

from functools import cached_property

import fakeredis
import pytest
import redis
from tests.integration.control import Control, FakeControl, connect

from redis_middleware.embedded import Cluster, SentinelDeployment, Server

__all__ = ["Servers"]


class Servers:
    """The run's servers and, for each deployment, what looks at it and disturbs it."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request
        self.fake = fakeredis.FakeServer()

    @cached_property
    def standalone(self) -> Server:
        """The single server."""
        server: Server = self._request.getfixturevalue("standalone_server")
        return server

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster."""
        servers: Cluster = self._request.getfixturevalue("cluster_servers")
        return servers

    @cached_property
    def sentinel(self) -> SentinelDeployment:
        """The sentinel with the primary and the replica it watches."""
        servers: SentinelDeployment = self._request.getfixturevalue("sentinel_servers")
        return servers

    @cached_property
    def redis_server(self) -> Server:
        """A Redis server, where one is installed, for what only Redis can do."""
        server: Server = self._request.getfixturevalue("redis_server")
        return server

    @cached_property
    def redis_control(self) -> Control:
        """For the Redis server."""
        return self._closed(Control([connect(self.redis_server)]))

    @cached_property
    def standalone_control(self) -> Control:
        """For the single server."""
        return self._closed(Control([connect(self.standalone)]))

    @cached_property
    def cluster_control(self) -> Control:
        """For the primaries of the cluster."""
        return self._closed(Control([connect(node) for node in self.cluster.primaries]))

    @cached_property
    def primary_control(self) -> Control:
        """For the primary behind the sentinel."""
        return self._closed(Control([connect(self.sentinel.primary)], replicas=1))

    @cached_property
    def replica_control(self) -> Control:
        """For the replica behind the sentinel."""
        return self._closed(Control([connect(self.sentinel.replicas[0])]))

    @cached_property
    def fake_control(self) -> Control:
        """For the server that is none."""
        return FakeControl(fakeredis.FakeRedis(server=self.fake))

    @cached_property
    def cluster_client(self) -> redis.RedisCluster:
        """A bare client of the cluster."""
        first = self.cluster.primaries[0]
        client = redis.RedisCluster(host=first.host, port=first.port)
        self._request.addfinalizer(client.close)
        return client

    def _closed(self, control: Control) -> Control:
        self._request.addfinalizer(control.close)
        return control
