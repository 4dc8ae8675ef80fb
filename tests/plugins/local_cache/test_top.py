"""What other processes can see of a cache: ``redis-middleware top``."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
from typing import Any

import pytest
import redis
import redis.asyncio
import typer
from tests.plugins.local_cache.clients import (
    cache_of,
    cached,
    is_on,
    wait_until,
    wait_until_async,
)
from typer.testing import CliRunner

from redis_middleware import wrap
from redis_middleware.cli.top import register
from redis_middleware.embedded import Cluster, Server
from redis_middleware_plugins.key_access import KeyAccess
from redis_middleware_plugins.local_cache import LocalCache, LocalCacheSettings

_RULES = [{"keys": "user:*", "ttl": 60}, {"keys": "config:*", "ttl": 60}]
_FLEET = {"enabled": True, "every": 0.1}


def _top(*arguments: str) -> Any:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})


def _look(url: str, *arguments: str) -> dict[str, Any]:
    result = _top(url, "--once", "--json", *arguments)
    caches: dict[str, Any] = json.loads(result.output)["caches"] if result.exit_code == 0 else {}
    return caches


def _has_hits(url: str) -> bool:
    return bool(_look(url).get("rules", {}).get("user:*", {}).get("hits"))


def test_figures_by_rule(clean_standalone: Server) -> None:
    """top shows hits, misses, ratio, evictions, invalidations and bytes of each rule."""
    url = clean_standalone.url
    client = cached(redis.Redis(port=clean_standalone.port), _RULES, fleet=_FLEET)
    with client:
        wait_until(is_on(client), "on")
        client.set("user:1", "v" * 100)
        wait_until(lambda: client.get("user:1") and cache_of(client).statistics().hits >= 3)
        wait_until(lambda: _has_hits(url), "told")
        caches = _look(url)
        counts = caches["rules"]["user:*"]
        assert caches["processes"] == 1
        assert caches["states"] == {"on": 1}
        assert counts["bytes"] == caches["bytes"] > 100
        assert counts["hit_ratio"] == counts["hits"] / (counts["hits"] + counts["misses"])
        assert {"evicted", "invalidated", "misses", "stored"} <= set(counts)
        page = _top(url, "--once").output
        assert all(text in page for text in ("user:*", "config:*", "hit ratio", "1 on"))
        (name,) = _top(url, "--list").output.split()
        assert _look(url, "--process", name)["processes"] == 1
        assert _top(url, "--once", "--process", "nobody:1:2").exit_code == 1


def test_processes_are_added_up(clean_standalone: Server) -> None:
    """The figures of several processes are added up by rule; those that ended are left out."""
    url = clean_standalone.url
    clients = [
        cached(redis.Redis(port=clean_standalone.port), _RULES, fleet=_FLEET) for _ in range(2)
    ]
    for client in clients:
        wait_until(is_on(client), "on")
        client.get("user:1")
    wait_until(
        lambda: _look(url).get("processes") == 2 and _look(url)["rules"]["user:*"]["misses"] == 2,
        "both tell",
    )
    for client in clients:
        client.close()
    wait_until(lambda: not _look(url), "what nobody tells any more ends")


def test_nobody_tells(clean_standalone: Server) -> None:
    """Without anybody who shares, top says how to."""
    with cached(redis.Redis(port=clean_standalone.port)) as client:
        wait_until(is_on(client), "on")
        outcome = _top(clean_standalone.url, "--once")
    assert outcome.exit_code == 1
    assert "fleet.enabled" in outcome.output


async def test_on_an_async_cluster(clean_cluster: Cluster) -> None:
    """The processes of a cluster's asyncio clients tell too."""
    bare = redis.asyncio.RedisCluster.from_url(clean_cluster.url)
    async with cached(bare, fleet=_FLEET, invalidation="ttl") as client:
        await client.get("k")
        await wait_until_async(lambda: bool(_look(clean_cluster.url)), "told")


def test_telling_can_be_switched(clean_standalone: Server) -> None:
    """A change of the settings starts and ends it in a running client."""
    url = clean_standalone.url
    table = {"rules": _RULES}
    with cached(redis.Redis(port=clean_standalone.port), _RULES) as client:
        wait_until(is_on(client), "on")
        plugin = cache_of(client)
        plugin.reconfigure(LocalCacheSettings.model_validate({**table, "fleet": _FLEET}))
        wait_until(lambda: bool(_look(url)), "told")
        plugin.reconfigure(LocalCacheSettings.model_validate(table))
        wait_until(lambda: not _look(url), "silent")
        plugin.reconfigure(LocalCacheSettings.model_validate({**table, "fleet": _FLEET}))
        wait_until(lambda: bool(_look(url)), "told again")


@pytest.mark.parametrize("fleet", [{"every": 0}, {"prefix": ""}, {"enable": True}])
def test_bad_settings(fleet: dict[str, Any]) -> None:
    """Settings that cannot be meant are refused."""
    with pytest.raises(ValueError, match=next(iter(fleet))):
        LocalCache.Settings.model_validate({"fleet": fleet})


def test_a_low_screen_shows_caches_and_keys(clean_standalone: Server) -> None:
    """In a terminal of 24 lines fewer keys are shown, so that what stands below them is too."""
    settings = {
        "key_access": {"fleet": {"enabled": True, "every": 0.1}},
        "local_cache": {"rules": _RULES, "fleet": _FLEET},
    }
    with wrap(
        redis.Redis(port=clean_standalone.port), settings, plugins=[KeyAccess, LocalCache]
    ) as client:

        def told() -> bool:
            for number in range(40):
                client.get(f"product:{number}")
            result = _top(clean_standalone.url, "--once", "--json")
            report = json.loads(result.output) if result.exit_code == 0 else {}
            windows = report.get("windows", [{"keys": []}])
            return len(windows[0]["keys"]) > 20 and bool(report["caches"])

        wait_until(told, "told")
        terminal, its_end = pty.openpty()
        termios.tcsetwinsize(terminal, (24, 80))
        command = [sys.executable, "-m", "redis_middleware", "top", clean_standalone.url]
        with subprocess.Popen(command, stdin=its_end, stdout=its_end, stderr=its_end) as process:
            written = bytearray()

            def shown() -> bool:
                written.extend(os.read(terminal, 1 << 16))
                return all(text in written for text in (b"product:", b"hit ratio", b"config:*"))

            try:
                wait_until(shown, "shown")
            finally:
                process.send_signal(signal.SIGINT)
                os.close(its_end)
        os.close(terminal)
    assert process.returncode == 0
