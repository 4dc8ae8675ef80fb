"""One server process: how it is configured, started, disturbed and started again."""

from __future__ import annotations

import signal as signals
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_middleware.embedded.errors import ServerStartError
from redis_middleware.embedded.ports import HOST, free_port
from redis_middleware.embedded.tls import Certificates, open_tls_port
from redis_middleware.embedded.workspace import Workspace

__all__ = ["Server"]

_PORT_ATTEMPTS = 20
_START_WITHIN = 15.0
_END_WITHIN = 10.0
_POLL_EVERY = 0.01
_QUOTED_LOG_LINES = 20

_BASE_CONFIG = {
    "bind": HOST,
    "save": "",
    "appendonly": "no",
    "repl-diskless-sync": "yes",
    "repl-diskless-sync-delay": "0",
    # A replica is listed by CLUSTER SLOTS only after its primary sent it something.
    "repl-ping-replica-period": "1",
}
_SET_BY_ARGUMENTS = ("port", "cluster-port", "unixsocket", "tls-port", "daemonize")


class Server:
    """One server process, listening on the loopback interface.

    It is made by `standalone`, `cluster` and `sentinel`, and ends with their ``with`` block.

    Attributes:
        host: the IP address it listens on.
        port: its TCP port.
        unix_socket: the path of its unix socket, or None.
        tls_port: the port that speaks TLS, or None.
        certificates: the certificates of ``tls_port``, or None.
        name: the product, ``"valkey"`` or ``"redis"``.
        version: the product's version, such as ``"9.1.2"``.
    """

    def __init__(
        self,
        workspace: Workspace,
        binary: Path,
        directory_name: str,
        *,
        config: Mapping[str, str],
        port: int | None = None,
        unix_socket: bool = False,
        arguments: tuple[str, ...] = (),
        configuration_lines: tuple[str, ...] = (),
    ) -> None:
        for key in _SET_BY_ARGUMENTS:
            if key in config:
                raise ValueError(
                    f"config has {key!r} = {config[key]!r}, which is chosen for the server; "
                    "of these only the port can be set, by the argument of that name"
                )
        self._workspace = workspace
        self._binary = binary
        self._directory = workspace.directory / directory_name
        self._directory.mkdir()
        self._config = {**_BASE_CONFIG, **config}
        self._arguments = arguments
        self._configuration_lines = configuration_lines
        self._fixed_port = port
        self._log_path = self._directory / "server.log"
        self.host = HOST
        self.port = 0
        self.unix_socket = self._directory / "server.sock" if unix_socket else None
        self.tls_port: int | None = None
        self.certificates: Certificates | None = None
        self.name = ""
        self.version = ""
        self._launch_on_free_port()

    def __repr__(self) -> str:
        return f"<Server {self.name} {self.version} {self.host}:{self.port} pid {self.pid}>"

    @property
    def pid(self) -> int:
        """The number of the process, the last one if it has ended."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives; a paused one does."""
        return self._process.poll() is None

    @property
    def url(self) -> str:
        """The URL of the TCP port, for redis-py's ``from_url``."""
        return f"redis://{self._credentials}{self.host}:{self.port}"

    @property
    def unix_url(self) -> str:
        """The URL of the unix socket, for redis-py's ``from_url``."""
        if self.unix_socket is None:
            raise ValueError("the server has no unix socket: start it with unix_socket=True")
        return f"unix://{self._credentials}{self.unix_socket}"

    @property
    def tls_url(self) -> str:
        """The URL of the TLS port with the authority to trust, for redis-py's ``from_url``."""
        if self.certificates is None:
            raise ValueError("the server has no TLS port: start it with tls=Certificates(...)")
        authority = quote(str(self.certificates.ca_certificate.absolute()))
        address = f"{self._credentials}{self.host}:{self.tls_port}"
        return f"rediss://{address}?ssl_ca_certs={authority}"

    @property
    def password(self) -> str | None:
        """The password that its configuration asks for, or None."""
        return self._config.get("requirepass")

    @property
    def _credentials(self) -> str:
        return f":{quote(self.password, safe='')}@" if self.password else ""

    @property
    def log(self) -> str:
        """What the server has logged since its first start."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def configured(self, directive: str) -> str:
        """The value of a directive that was set at the start, by the caller or by default."""
        return self._config[directive]

    def connect(self) -> redis.Redis:
        """Return a bare redis-py client for commands to this server: replies are text (RESP2).

        It answers or fails within seconds, and never tries again. Close it after use.
        """
        return redis.Redis(
            host=self.host,
            port=self.port,
            password=self.password,
            socket_timeout=5,
            socket_connect_timeout=5,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            decode_responses=True,
        )

    def command(self, *words: str | int) -> Any:
        """Send one command to this server, over a connection of its own; return its reply."""
        with self.connect() as client:
            return client.execute_command(*words)

    def flush(self) -> None:
        """Remove every key of this server, and of the replicas that follow it.

        On a replica it changes nothing: replicas are read-only and follow their primary.
        """
        with self.connect() as client:
            role, *details = client.execute_command("ROLE")
            if role != "master":
                return
            client.execute_command("FLUSHALL")
            replicas = details[1]
            if replicas:
                client.execute_command("WAIT", len(replicas), 1000)

    def kill(self, signal: signals.Signals = signals.SIGKILL) -> None:
        """End the process by a signal and wait until it has ended.

        Raises:
            TimeoutError: the process is still there after 10 seconds.
        """
        self._process.send_signal(signal)
        try:
            self._process.wait(_END_WITHIN)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(
                f"{self!r} did not end within {_END_WITHIN:g} s of {signal.name}. "
                f"{self.quoted_log()}"
            ) from error

    def pause(self) -> None:
        """Stop the process: connections stay open, and nothing answers."""
        self._process.send_signal(signals.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        self._process.send_signal(signals.SIGCONT)

    def restart(self) -> None:
        """End the process if it runs, start it again on the same ports, wait until it answers.

        Its keys are gone. A cluster node and a sentinel still know their peers.

        Raises:
            ServerStartError: it does not come up again.
        """
        if self.running:
            self.kill()
        self._launch()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until this very process answers; start it on another port if its own is taken.

        Raises:
            ServerStartError: it has ended, or does not answer in time.
        """
        deadline = time.monotonic() + _START_WITHIN
        attempts = 1
        problem = "nothing answered"
        while time.monotonic() < deadline:
            if not self.running:
                collided = "already in use" in self.log and not self.name
                if not collided or self._fixed_port is not None or attempts == _PORT_ATTEMPTS:
                    status = self._process.returncode
                    raise self._start_error(f"it ended with status {status}")
                attempts += 1
                self._launch_on_free_port()
            try:
                with self.connect() as client:
                    information = client.info("server")
            except redis.RedisError as error:
                problem = str(error)
            else:
                if information["process_id"] == self.pid:
                    self._read_identity(information)
                    return
                problem = f"the port belongs to process {information['process_id']}"
            time.sleep(_POLL_EVERY)
        raise self._start_error(f"not ready within {_START_WITHIN:g} s, {problem}")

    def add_tls_port(self, certificates: Certificates) -> None:
        """Open a port that speaks TLS and forwards to this server, also across restarts.

        Raises:
            ServerStartError: the certificate or its key cannot be used.
        """
        self.tls_port = open_tls_port(self._workspace, certificates, self.port)
        self.certificates = certificates

    def quoted_log(self) -> str:
        """The end of the log, for an error message."""
        lines = self.log.splitlines()[-_QUOTED_LOG_LINES:]
        return "\n  ".join(["Its log ends:", *lines]) if lines else "It logged nothing."

    def _read_identity(self, information: Mapping[str, Any]) -> None:
        self.name = information.get("server_name", "redis")
        self.version = str(information.get(f"{self.name}_version", information["redis_version"]))

    def _launch_on_free_port(self) -> None:
        self.port = self._fixed_port or free_port()
        config = {**self._config, "port": str(self.port)}
        if self._config.get("cluster-enabled") == "yes":
            config["cluster-port"] = str(free_port())
        if self.unix_socket is not None:
            config["unixsocket"] = self.unix_socket.name
        lines = [f"{key} {value}" if value else f'{key} ""' for key, value in config.items()]
        lines += self._configuration_lines
        (self._directory / "server.conf").write_text("\n".join(lines) + "\n")
        self._launch()

    def _launch(self) -> None:
        try:
            self._process = self._workspace.start(
                [self._binary, "server.conf", *self._arguments],
                directory=self._directory,
                log=self._log_path,
            )
        except OSError as error:
            raise ServerStartError(f"{self._binary} cannot be executed: {error}") from error

    def _start_error(self, problem: str) -> ServerStartError:
        return ServerStartError(
            f"{self._binary} did not start on port {self.port}: {problem}. {self.quoted_log()}"
        )
