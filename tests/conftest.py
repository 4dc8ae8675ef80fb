"""Real servers for the tests: each is started once per run, when the first test asks for it.

A test that disturbs a server (kills, pauses or reconfigures it) starts one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from redis_middleware.embedded import (
    Certificates,
    Cluster,
    SentinelDeployment,
    Server,
    cluster,
    find_server,
    sentinel,
    standalone,
)

_SERVER_FIXTURES = {"standalone_server", "cluster_servers", "sentinel_servers"}


def pytest_report_header() -> str:
    """Name the server binary that the run is about."""
    return f"server: {find_server()}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that ask for a server, so that ``-m "not server"`` leaves them out."""
    for item in items:
        if _SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for 127.0.0.1 and localhost by an authority that only this run knows."""
    directory = tmp_path_factory.mktemp("certificates")
    paths = Certificates(
        ca_certificate=directory / "ca.pem",
        certificate=directory / "certificate.pem",
        private_key=directory / "key.pem",
    )
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(paths.ca_certificate))
    _write_chain(issued, paths.certificate)
    issued.private_key_pem.write_to_path(str(paths.private_key))
    return paths


def _write_chain(issued: trustme.LeafCert, path: Path) -> None:
    for certificate in issued.cert_chain_pems:
        certificate.write_to_path(str(path), append=True)


@pytest.fixture(scope="session")
def standalone_server(certificates: Certificates) -> Iterator[Server]:
    """Run a single server with a TCP port, a unix socket and a TLS port."""
    with standalone(unix_socket=True, tls=certificates) as server:
        yield server


@pytest.fixture(scope="session")
def cluster_servers() -> Iterator[Cluster]:
    """Run a cluster of three primaries with a replica each."""
    with cluster(primaries=3, replicas=1) as servers:
        yield servers


@pytest.fixture(scope="session")
def sentinel_servers() -> Iterator[SentinelDeployment]:
    """Run a sentinel that watches a primary and a replica."""
    with sentinel(replicas=1) as servers:
        yield servers


@pytest.fixture
def clean_standalone(standalone_server: Server) -> Server:
    """Return the run's single server, without any keys."""
    standalone_server.flush()
    return standalone_server


@pytest.fixture
def clean_cluster(cluster_servers: Cluster) -> Cluster:
    """Return the run's cluster, without any keys."""
    cluster_servers.flush()
    return cluster_servers


@pytest.fixture
def clean_sentinel(sentinel_servers: SentinelDeployment) -> SentinelDeployment:
    """Return the run's servers behind a sentinel, without any keys."""
    sentinel_servers.flush()
    return sentinel_servers
