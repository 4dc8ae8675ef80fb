"""Deletes that hurt, and growth that nobody trims."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.asyncio
from tests.plugins.size_guard.guarded import calls, found, guarded

from redis_middleware import wrap
from redis_middleware.embedded import Cluster, Server, standalone
from redis_middleware.testing import Script
from redis_middleware_plugins.size_guard import SizeGuard, SizeGuardSettings


def test_deletes_are_sent_as_unlink(clean_standalone: Server) -> None:
    """DEL, EXPIRE 0 and PEXPIRE below 0 become UNLINK, with the replies of what they were."""
    with guarded(clean_standalone, unlink="always") as client:
        client.mset({"a": 1, "b": 2, "c": 3, "d": 4})
        client.config_resetstat()
        assert client.delete("a", "b") == 2
        assert client.expire("c", 0) is True
        assert client.pexpire("d", -1) is True
        assert client.expire("d", 0) is False
        pipe = client.pipeline()
        assert pipe.set("e", 1).delete("e").expire("f", 0).execute() == [True, 1, False]
        assert "del" not in calls(clean_standalone)
        assert calls(clean_standalone)["unlink"] == 6
        assert client.expire("e", 100) is False
        assert client.dbsize() == 0


NOW_SECONDS = 1_700_000_000
REMOVING: list[tuple[Any, ...]] = [
    ("EXPIRE", "k", 0),
    ("EXPIRE", "k", -5),
    ("PEXPIRE", "k", "-1"),
    ("EXPIREAT", "k", NOW_SECONDS),
    ("EXPIREAT", "k", -5),
    ("PEXPIREAT", "k", NOW_SECONDS * 1000),
    ("SET", "k", "x", "EXAT", NOW_SECONDS),
    ("SET", "k", "x", "PXAT", b"1000"),
]


@pytest.mark.parametrize("args", REMOVING, ids=str)
def test_a_time_that_is_over_removes_the_key(args: tuple[Any, ...]) -> None:
    """EXPIREAT and its kin with a time in the past, by the given clock, are UNLINK too."""
    script = Script(_guard(unlink="always")).replies(1, 0)
    assert script.run(*args) is True
    assert script.sent == [("UNLINK", "k")]
    assert script.run(*args) is (args[0] == "SET")


@pytest.mark.parametrize(
    "args",
    [
        ("EXPIRE", "k", 1),
        ("EXPIRE", "k", 0, "NX"),
        ("EXPIRE", "k", -(2**62)),
        ("EXPIRE", "k", "soon"),
        ("EXPIREAT", "k", NOW_SECONDS + 1),
        ("PEXPIREAT", "k", NOW_SECONDS * 1000 + 1),
        ("PEXPIREAT", "k", 0, "GT"),
        ("SET", "k", "x", "EXAT", NOW_SECONDS + 1),
        ("SET", "k", "x", "EXAT", 0),
        ("SET", "k", "x", "EX", 0),
        ("SET", "k", "x", "EXAT", 1000, "NX"),
        ("GETEX", "k", "EXAT", 1000),
    ],
    ids=str,
)
def test_other_times_go_out_as_they_are(args: tuple[Any, ...]) -> None:
    """So do conditions and errors, which only the server can judge, and GETEX, which is of strings:
    those the server frees at once in any case."""
    script = Script(_guard(unlink="always")).replies(True)
    assert script.run(*args) is True
    assert script.sent == [args]


def _guard(**table: Any) -> SizeGuard:
    return SizeGuard(SizeGuardSettings.model_validate(table), wall_clock=lambda: NOW_SECONDS)


def test_servers_that_free_in_the_background_get_del(clean_standalone: Server) -> None:
    """With auto the server is asked once whether it does so by itself."""
    with guarded(clean_standalone, unlink="auto") as client:
        client.config_set("lazyfree-lazy-user-del", "yes")
        client.config_resetstat()
        client.delete("a")
        client.delete("b")
        assert calls(clean_standalone)["del"] == 2
        assert calls(clean_standalone)["config|get"] == 1
    with guarded(clean_standalone, unlink="auto") as client:
        client.config_set("lazyfree-lazy-user-del", "no")
        client.config_resetstat()
        client.delete("a")
        client.delete("b")
        client.config_set("lazyfree-lazy-user-del", "yes")
        assert calls(clean_standalone)["unlink"] == 2


def test_a_server_without_config_gets_unlink() -> None:
    """Where CONFIG is denied, UNLINK is sent: it is never wrong."""
    with standalone(config={"rename-command": 'CONFIG ""'}) as server:
        settings: dict[str, Any] = {"size_guard": {}}
        client = wrap(redis.Redis(port=server.port), settings, plugins=[SizeGuard])
        with client:
            client.set("a", 1)
            assert client.delete("a") == 1
            assert calls(server)["unlink"] == 1


def test_rules_decide_which_keys_are_unlinked(clean_standalone: Server) -> None:
    """A rule for some keys leaves the others alone."""
    rules = [{"keys": "big:*", "unlink": "always"}]
    with guarded(clean_standalone, unlink="never", rules=rules) as client:
        client.config_resetstat()
        client.delete("big:1")
        client.delete("small:1")
        assert calls(clean_standalone)["unlink"] == calls(clean_standalone)["del"] == 1


CAPPED: dict[str, Any] = {"rules": [{"keys": "c:*", "ttl": "100 s", "max_length": 5}]}


def test_keys_are_given_a_time_to_live(clean_standalone: Server) -> None:
    """Keys written without one get it, spread by the jitter; those with one keep theirs."""
    with guarded(clean_standalone, **CAPPED) as client:
        for number in range(20):
            client.set(f"c:{number}", "x")
        lives = {client.pttl(f"c:{number}") for number in range(20)}
        assert len(lives) > 5
        assert all(89_000 < life <= 110_000 for life in lives)
        client.set("c:own", "x", ex=1000)
        client.set("c:kept", "x", px=500_000)
        client.set("c:kept", "y", keepttl=True)
        client.execute_command("SETEX", "c:setex", 1000, "x")
        assert all(client.ttl(f"c:{name}") > 400 for name in ("own", "kept", "setex"))
        client.hset("c:hash", "f", 1)
        client.expire("c:hash", 1000)
        client.hset("c:hash", "g", 1)
        assert client.ttl("c:hash") > 900
        client.execute_command("RESTORE", "c:restored", 0, client.dump("c:hash"))
        assert 0 < client.ttl("c:restored") <= 110
        client.incr("c:number")
        assert 0 < client.ttl("c:number") <= 110
        client.execute_command("SET", "c:without", "x", "KEEPTTL")
        assert 0 < client.ttl("c:without") <= 110
        client.mset({"c:m1": 1, "c:m2": 2, "other": 3})
        assert 0 < client.ttl("c:m1") <= 110
        assert 0 < client.ttl("c:m2") <= 110
        assert client.ttl("other") == -1
        assert client.set("c:got", "x", get=True) is None
        assert 0 < client.ttl("c:got") <= 110


def test_a_hash_whose_fields_expire_is_given_one_too() -> None:
    """HSETEX gives fields a time to live, and the key none."""
    guard = SizeGuard(SizeGuardSettings.model_validate({"ttl": 100, "ttl_jitter": 0}))
    script = Script(guard).answers(lambda command: 1)
    assert script.run("HSETEX", "k", "EX", 10, "FIELDS", 1, "f", 1) == 1
    assert script.sent[1] == ("PEXPIRE", b"k", 100_000, "NX")


def test_keys_are_trimmed_with_the_write(clean_standalone: Server) -> None:
    """The newest of lists and streams and the highest of sorted sets stay, and replies too."""
    with guarded(clean_standalone, **CAPPED) as client:
        assert client.rpush("c:r", *range(8)) == 8
        assert client.lpush("c:l", *range(8)) == 8
        assert client.zadd("c:z", {str(n): n for n in range(8)}) == 8
        assert client.lrange("c:r", 0, -1) == [b"3", b"4", b"5", b"6", b"7"]
        assert client.lrange("c:l", 0, -1) == [b"7", b"6", b"5", b"4", b"3"]
        assert client.zrange("c:z", 0, -1) == [b"3", b"4", b"5", b"6", b"7"]
        for number in range(500):
            client.xadd("c:x", {"f": number})
        assert client.xlen("c:x") < 200
        client.xadd("c:x", {"f": 1}, maxlen=3, approximate=False)
        assert client.xlen("c:x") == 3


@pytest.mark.parametrize("transaction", [False, True], ids=["pipeline", "transaction"])
def test_caps_hold_in_pipelines(clean_standalone: Server, transaction: bool) -> None:
    """What is sent along goes out in the same round, and the replies are those asked for."""
    with guarded(clean_standalone, **CAPPED) as client:
        pipe = client.pipeline(transaction=transaction)
        pipe.set("c:a", 1).rpush("c:r", *range(8)).get("c:a").lrange("c:r", 0, -1)
        *others, kept = pipe.execute()
        assert others == [True, 8, b"1"]
        assert len(kept) == 5
        assert 0 < client.ttl("c:a") <= 110
        assert 0 < client.ttl("c:r") <= 110


async def test_caps_hold_for_async_clients(clean_standalone: Server) -> None:
    """The same flows trim and expire for async clients."""
    client = wrap(
        redis.asyncio.Redis(port=clean_standalone.port), {"size_guard": CAPPED}, plugins=[SizeGuard]
    )
    async with client:
        assert await client.rpush("c:r", *range(8)) == 8
        assert await client.llen("c:r") == 5
        assert 0 < await client.ttl("c:r") <= 110


def test_caps_and_unlink_hold_on_a_cluster(clean_cluster: Cluster) -> None:
    """Each command along goes to its key's node."""
    settings = {"size_guard": {**CAPPED, "unlink": "always"}}
    client = wrap(redis.RedisCluster.from_url(clean_cluster.url), settings, plugins=[SizeGuard])
    with client:
        for number in range(10):
            assert client.rpush(f"c:{number}", *range(8)) == 8
            assert client.llen(f"c:{number}") == 5
        pipe = client.pipeline()
        for number in range(10):
            pipe.rpush(f"c:{number}", 1, 2)
        assert pipe.execute() == [7] * 10
        assert client.llen("c:3") == 5
        assert client.delete("c:1", "c:2") == 2
        assert found(client, "unlink", "sent") >= 1
