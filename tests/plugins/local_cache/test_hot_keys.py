"""Rules with ``hot_only``: what key_access tells is followed, whenever it comes or goes."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from tests.plugins.local_cache.clients import cache_of, cached, is_on, wait_until

from redis_middleware import hookimpl, middleware_of, wrap
from redis_middleware.embedded import Server
from redis_middleware_plugins.key_access import KeyAccess
from redis_middleware_plugins.local_cache import LocalCache


def test_hot_keys_only(clean_standalone: Server) -> None:
    """With hot_only a key is cached from when key_access calls it hot, and others are not."""
    table = {"rules": [{"keys": "*", "hot_only": True}]}
    tables = {"local_cache": table, "key_access": {"hot": {"rate": 20}}}
    bare = redis.Redis(port=clean_standalone.port)
    with wrap(bare, tables, plugins=[KeyAccess, LocalCache]) as client:
        wait_until(is_on(client))
        client.get("cold")
        wait_until(lambda: _is_kept(client, "k"), "hot, and kept")
        assert list(cache_of(client).store.entries) == [("GET", "k")]


def test_cooled_down_keys_are_dropped(clean_standalone: Server) -> None:
    """When key_access says that a key has cooled down, its entries go."""
    access = _Access()
    rules = [{"keys": "*", "hot_only": True}]
    bare = redis.Redis(port=clean_standalone.port)
    with cached(bare, rules, plugins=[access, LocalCache]) as client:
        wait_until(is_on(client))
        access.functions[0](_Event("became hot", _HotKey(b"k")))
        client.get("k")
        assert len(cache_of(client).store) == 1
        access.functions[0](_Event("cooled down", _HotKey(b"k")))
        assert len(cache_of(client).store) == 0
        middleware_of(client).remove("local_cache")
        assert access.functions == []


def _is_kept(client: Any, key: str) -> bool:
    """Read a key often enough to be hot; tell whether it is in memory."""
    for _ in range(20):
        client.get(key)
    return ("GET", key) in cache_of(client).store.entries


def test_key_access_that_comes_later(clean_standalone: Server) -> None:
    """Added to a running client it is followed, and another one in its place as well."""
    rules = [{"keys": "*", "hot_only": True}]
    tables = {"local_cache": {"rules": rules}, "key_access": {"hot": {"rate": 20}}}
    bare = redis.Redis(port=clean_standalone.port)
    with wrap(bare, tables, plugins=[LocalCache]) as client:
        wait_until(is_on(client))
        assert not _is_kept(client, "a")
        for key in "abc":
            middleware_of(client).add(KeyAccess, before="local_cache")
            wait_until(partial(_is_kept, client, key), f"{key} is hot, and kept")
            middleware_of(client).remove("key_access")
            assert not _is_kept(client, key)


def test_key_access_that_comes_by_the_settings(clean_standalone: Server, tmp_path: Path) -> None:
    """The same for a settings file that is changed."""
    path = tmp_path / "middleware.toml"
    tables = """
        [key_access.hot]
        rate = 20
        [[local_cache.rules]]
        keys = "*"
        hot_only = true
        """

    def use(client: Any, *plugins: str) -> None:
        path.write_text(f"plugins = {list(plugins)}\n{tables}")
        middleware_of(client).reload()

    path.write_text(f"plugins = ['local_cache']\n{tables}")
    with wrap(redis.Redis(port=clean_standalone.port), path) as client:
        wait_until(is_on(client))
        assert not _is_kept(client, "k")
        use(client, "key_access", "local_cache")
        wait_until(lambda: _is_kept(client, "k"), "hot, and kept")
        use(client, "local_cache")
        use(client, "key_access", "local_cache")
        wait_until(lambda: _is_kept(client, "other"), "hot for the second one, and kept")


def test_hot_keys_of_a_plugin_that_is_gone(
    clean_standalone: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody tells any more of their cooling: they are not hot, and dropped; that is logged."""
    access, other = _Access(b"k"), _Access(b"another")
    rules = [{"keys": "*", "hot_only": True}]
    bare = redis.Redis(port=clean_standalone.port)
    bare.set("another", "one")
    with cached(bare, rules, plugins=[access, LocalCache]) as client:
        wait_until(is_on(client))
        client.get("k")
        assert len(cache_of(client).store) == 1
        with caplog.at_level(logging.WARNING, "redis_middleware.local_cache"):
            middleware_of(client).remove("key_access")
            for _ in range(3):
                client.get("cold")
        assert len(caplog.messages) == 1
        assert "key_access" in caplog.messages[0]
        assert access.functions == []
        client.get("k")
        assert len(cache_of(client).store) == 0
        middleware_of(client).add(other)
        client.mget("another", "cold")
        assert list(cache_of(client).store.entries) == [("GET", "another")]
        assert len(other.functions) == 1


class _HotKey(NamedTuple):
    key: bytes


class _Event(NamedTuple):
    change: str
    hot_key: _HotKey


class _Access:
    """What the cache needs of key_access, so that a test can say when a key cools down."""

    name = "key_access"

    def __init__(self, *hot: bytes) -> None:
        self.hot_keys: dict[bytes, object] = dict.fromkeys(hot)
        self.functions: list[Any] = []

    def subscribe(self, function: Any) -> Any:
        self.functions.append(function)
        return lambda: self.functions.remove(function)

    @hookimpl
    def redis_detach(self) -> None:
        """Nothing to end."""
