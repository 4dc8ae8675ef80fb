"""A single server: how it is reached, configured, disturbed, and what is said when it fails."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_middleware.embedded import (
    SERVER_VARIABLE,
    Certificates,
    Server,
    ServerStartError,
    find_server,
    standalone,
)

pytestmark = pytest.mark.server


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server that the test may disturb."""
    with standalone() as server:
        yield server


def test_version_is_that_of_the_binary(standalone_server: Server) -> None:
    """The version that the server reports is the one that its binary prints."""
    printed = subprocess.run([find_server(), "--version"], capture_output=True, text=True).stdout
    assert f"v={standalone_server.version} " in printed
    assert standalone_server.name in printed.lower()


@pytest.mark.parametrize("url", ["url", "unix_url", "tls_url"])
def test_every_url_leads_to_the_server(clean_standalone: Server, url: str) -> None:
    """TCP, unix socket and TLS (its certificate verified) reach the same process."""
    with redis.Redis.from_url(getattr(clean_standalone, url)) as client:
        assert client.info("server")["process_id"] == clean_standalone.pid
        large = b"x" * 1_000_000
        client.set("key", large)
        assert client.get("key") == large


def test_tls_port_is_not_trusted_without_its_authority(standalone_server: Server) -> None:
    """A client that trusts the public authorities only refuses the certificate."""
    url = standalone_server.tls_url.partition("?")[0]
    with (
        redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.ping()


def test_tls_port_serves_clients_at_the_same_time(standalone_server: Server) -> None:
    """One client that waits in a blocking command does not hold up another."""
    with (
        redis.Redis.from_url(standalone_server.tls_url) as waiting,
        redis.Redis.from_url(standalone_server.tls_url) as other,
        waiting.pubsub() as subscription,
    ):
        subscription.subscribe("channel")
        assert subscription.get_message(timeout=5) is not None
        other.publish("channel", "news")
        message = subscription.get_message(timeout=5)
        assert message is not None
        assert message["data"] == b"news"


def test_bad_certificate_is_an_error(certificates: Certificates) -> None:
    """A key that does not belong to the certificate, or is no key, stops the start."""
    swapped = replace(certificates, private_key=certificates.ca_certificate)
    with pytest.raises(ServerStartError, match="no TLS port with Certificates"):
        standalone(tls=swapped).__enter__()


def test_urls_that_were_not_asked_for_say_how_to_get_them(server: Server) -> None:
    """A server without unix socket and TLS names the argument that adds it."""
    with pytest.raises(ValueError, match="unix_socket=True"):
        _ = server.unix_url
    with pytest.raises(ValueError, match="tls=Certificates"):
        _ = server.tls_url


def test_configuration_and_password() -> None:
    """Directives reach the server, and the URLs carry the password that one of them sets."""
    config = {"maxmemory": "64mb", "requirepass": "s3c/ret", "save": ""}
    with (
        standalone(config=config, unix_socket=True) as server,
        redis.Redis.from_url(server.url, decode_responses=True) as client,
        redis.Redis.from_url(server.unix_url) as unix_client,
    ):
        assert client.config_get("maxmemory") == {"maxmemory": str(64 * 1024 * 1024)}
        assert unix_client.ping()


def test_nothing_is_kept_and_only_loopback_listens(server: Server) -> None:
    """The server has no persistence and no address but 127.0.0.1."""
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        assert client.config_get("save", "appendonly", "bind") == {
            "save": "",
            "appendonly": "no",
            "bind": "127.0.0.1",
        }


@pytest.mark.parametrize("directive", ["port", "unixsocket", "daemonize"])
def test_directives_that_arguments_set_are_refused(directive: str) -> None:
    """A directive that would contradict an argument is named in the error."""
    with pytest.raises(ValueError, match=f"config has '{directive}' = 'x'"):
        standalone(config={directive: "x"}).__enter__()


def test_flush_removes_all_keys(server: Server) -> None:
    """After a flush every database is empty."""
    with redis.Redis.from_url(server.url, db=3) as client:
        client.set("key", 1)
        server.flush()
        assert client.dbsize() == 0


def test_paused_server_does_not_answer_until_resumed(server: Server) -> None:
    """A paused server keeps its connections and lets them wait."""
    with redis.Redis.from_url(server.url, socket_timeout=0.2, retry=None) as client:
        client.ping()
        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        server.resume()
        assert client.ping()


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_server_restarts_on_its_port(server: Server, signal_number: signal.Signals) -> None:
    """A killed server refuses connections; after a restart the same URL works again."""
    url, first_pid = server.url, server.pid
    server.kill(signal_number)
    assert not server.running
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port))
    server.restart()
    assert server.running
    assert server.pid != first_pid
    with redis.Redis.from_url(url) as client:
        assert client.info("server")["process_id"] == server.pid


def test_restart_ends_a_paused_server_too(certificates: Certificates) -> None:
    """A server that does not answer is started anew, and its TLS port leads to the new one."""
    with standalone(tls=certificates) as server:
        server.pause()
        server.restart()
        with redis.Redis.from_url(server.tls_url) as client:
            assert client.info("server")["process_id"] == server.pid


def test_port_can_be_chosen(server: Server) -> None:
    """A given port is used; where it is taken, the error quotes what the server logged."""
    port = server.port
    with pytest.raises(ServerStartError, match=rf"(?s)port {port}: it ended with .*already in use"):
        standalone(port=port).__enter__()
    server.kill()
    with standalone(port=port) as other:
        assert other.port == port


def test_taken_port_is_exchanged_for_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A server that finds its chosen port taken in the last moment is started on another."""
    script = tmp_path / "server"
    script.write_text(
        "#!/bin/sh\n"
        f"if mkdir {tmp_path}/collided 2>/dev/null; then\n"
        "    echo 'bind: Address already in use'; exit 1\n"
        "fi\n"
        f'exec {find_server()} "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv(SERVER_VARIABLE, str(script))
    with standalone() as server:
        assert server.command("PING")
        assert "already in use" in server.log


def test_log_is_quoted_when_the_server_does_not_start() -> None:
    """A directive that the server does not know is named by the end of its log."""
    with pytest.raises(ServerStartError, match=r"(?s)ended with status 1.*no-such-directive"):
        standalone(config={"no-such-directive": "1"}).__enter__()
