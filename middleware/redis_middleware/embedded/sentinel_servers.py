"""A primary with its replicas, watched by a sentinel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from redis_middleware.embedded.binary import find_server
from redis_middleware.embedded.ports import HOST
from redis_middleware.embedded.server import Server
from redis_middleware.embedded.waiting import wait_until_nothing_missing
from redis_middleware.embedded.workspace import Workspace

__all__ = ["SentinelDeployment", "sentinel"]

_READY_WITHIN = 30.0
_QUORUM = 1


class SentinelDeployment:
    """A primary with its replicas, and the sentinel that watches them.

    Attributes:
        sentinel: the sentinel, a server of its own.
        primary: the server that was the primary at the start; a failover changes its role.
        replicas: the servers that were replicas then.
        service_name: the name under which the sentinel knows them.
    """

    def __init__(
        self, sentinel: Server, primary: Server, replicas: Sequence[Server], service_name: str
    ) -> None:
        self.sentinel = sentinel
        self.primary = primary
        self.replicas = tuple(replicas)
        self.service_name = service_name

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of the sentinel, as redis-py's ``Sentinel`` takes them."""
        return [(self.sentinel.host, self.sentinel.port)]

    def flush(self) -> None:
        """Remove every key, on replicas too."""
        for server in (self.primary, *self.replicas):
            server.flush()

    def wait_until_ok(self, timeout: float = _READY_WITHIN) -> None:
        """Wait until the sentinel knows a primary that is up and all of its replicas.

        Args:
            timeout: seconds to wait.

        Raises:
            ServerStartError: it is not so in time; the message says what is missing.
        """
        servers = (self.sentinel, self.primary, *self.replicas)
        wait_until_nothing_missing(self._missing, timeout=timeout, servers=servers)

    def _missing(self) -> str | None:
        with self.sentinel.connect() as client:
            status = client.info("sentinel")["master0"]["status"]
            replicas = client.execute_command("SENTINEL SLAVES", self.service_name)
        if status != "ok":
            return f"the sentinel finds {self.service_name} in status {status!r}"
        ready = [replica for replica in replicas if replica["flags"] == "slave"]
        in_step = [replica for replica in ready if replica["master-link-status"] == "ok"]
        if len(in_step) != len(self.replicas):
            return f"the sentinel knows {len(in_step)} of {len(self.replicas)} replicas in step"
        return None


@contextmanager
def sentinel(
    replicas: int = 1,
    *,
    service_name: str = "primary",
    down_after: float = 5.0,
    config: Mapping[str, str] | None = None,
) -> Iterator[SentinelDeployment]:
    """Run a primary, its replicas and one sentinel (quorum 1) for the duration of the block.

    Args:
        replicas: how many replicas the primary has.
        service_name: the name under which the sentinel knows them.
        down_after: seconds without an answer after which the sentinel starts a failover.
        config: directives of the configuration file of the primary and of the replicas.

    Raises:
        ServerStartError: there is no server binary, or the servers do not come up.
    """
    binary = find_server()
    with Workspace() as workspace:
        primary = Server(workspace, binary, "primary", config=config or {})
        primary.wait_until_ready()
        following = {**(config or {}), "replicaof": f"{HOST} {primary.port}"}
        followers = [
            Server(workspace, binary, f"replica-{index}", config=following)
            for index in range(replicas)
        ]
        for follower in followers:
            follower.wait_until_ready()
            _wait_until_in_step(follower)
        watcher = Server(
            workspace,
            binary,
            "sentinel",
            config={},
            arguments=("--sentinel",),
            configuration_lines=(
                f"sentinel monitor {service_name} {HOST} {primary.port} {_QUORUM}",
                f"sentinel down-after-milliseconds {service_name} {round(down_after * 1000)}",
            ),
        )
        watcher.wait_until_ready()
        deployment = SentinelDeployment(watcher, primary, followers, service_name)
        deployment.wait_until_ok()
        yield deployment


def _wait_until_in_step(replica: Server) -> None:
    # The sentinel asks the primary for its replicas at once, and then every ten seconds only.
    def missing() -> str | None:
        state = replica.command("ROLE")[3]
        return None if state == "connected" else f"{replica!r} is in state {state!r}"

    wait_until_nothing_missing(missing, timeout=_READY_WITHIN, servers=[replica])
