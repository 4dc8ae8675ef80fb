"""Reads of many elements: reported, refused, or answered in pages."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import DataError
from tests.plugins.size_guard.guarded import calls, found, guarded

from redis_middleware import wrap
from redis_middleware.embedded import Cluster, Server
from redis_middleware_plugins.size_guard import ReadTooLarge, SizeGuard
from redis_middleware_plugins.size_guard.reads import ranked_span

PAGED: dict[str, Callable[[Any], Any]] = {
    "HGETALL": lambda client: client.hgetall("{k}h"),
    "HKEYS": lambda client: client.hkeys("{k}h"),
    "HVALS": lambda client: client.hvals("{k}h"),
    "SMEMBERS": lambda client: client.smembers("{k}s"),
    "LRANGE": lambda client: client.lrange("{k}l", 0, -1),
    "LRANGE in the middle": lambda client: client.lrange("{k}l", -1500, 1700),
    "ZRANGE": lambda client: client.zrange("{k}z", 0, -1),
    "ZRANGE WITHSCORES": lambda client: client.zrange("{k}z", 5, -5, withscores=True),
    "ZRANGE REV": lambda client: client.zrange("{k}z", 0, -1, desc=True, withscores=True),
    "ZREVRANGE": lambda client: client.zrevrange("{k}z", 0, -1, withscores=True),
}
WHOLE: dict[str, Callable[[Any], Any]] = {
    **PAGED,
    "SUNION": lambda client: client.sunion("{k}s", "{k}s2"),
    "SINTER": lambda client: client.sinter("{k}s", "{k}s"),
    "SDIFF": lambda client: client.sdiff("{k}s", "{k}s2"),
    "ZUNION": lambda client: client.zunion(["{k}z", "{k}z2"]),
    "ZRANGEBYSCORE": lambda client: client.zrangebyscore("{k}z", "-inf", "+inf"),
    "ZREVRANGEBYSCORE": lambda client: client.zrevrangebyscore("{k}z", "+inf", "-inf"),
    "ZRANGE BYSCORE": lambda client: client.zrange("{k}z", "-inf", "+inf", byscore=True),
    "ZRANGE BYSCORE REV": lambda client: client.zrange(
        "{k}z", "+inf", "-inf", byscore=True, desc=True
    ),
    "ZRANGE BYLEX": lambda client: client.zrange("{k}z", "-", "+", bylex=True),
    "ZREVRANGEBYLEX": lambda client: client.zrevrangebylex("{k}z", "+", "-"),
    "ZINTER": lambda client: client.zinter(["{k}z", "{k}z"]),
    "ZDIFF": lambda client: client.zdiff(["{k}z", "{k}z2"]),
    "XREVRANGE": lambda client: client.xrevrange("{k}x"),
    "SORT of a set": lambda client: client.sort("{k}s", start=0, num=10),
    "ZRANGEBYLEX": lambda client: client.zrangebylex("{k}z", "-", "+"),
    "SORT": lambda client: client.sort("{k}l"),
    "XRANGE": lambda client: client.xrange("{k}x"),
    "MGET": lambda client: client.mget([f"{{k}}{n}" for n in range(2000)]),
    "HMGET": lambda client: client.hmget("{k}h", [f"f{n}" for n in range(2000)]),
}


def _fill(client: Any) -> None:
    """Make a key of each type with 2,000 elements, all in one slot."""
    client.hset("{k}h", mapping={f"f{n}": n for n in range(2000)})
    client.sadd("{k}s", *range(2000))
    client.rpush("{k}l", *range(2000))
    client.zadd("{k}z", {f"m{n}": n for n in range(2000)})
    pipe = client.pipeline(transaction=False)
    for number in range(2000):
        pipe.xadd("{k}x", {"f": number})
    pipe.execute()


def _same(one: Any, other: Any) -> bool:
    """Whether two replies are equal; fields of hashes have no order."""
    if isinstance(one, list) and isinstance(other, list) and one != other:
        return sorted(one) == sorted(other)
    return type(one) is type(other) and bool(one == other)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("decode", [False, True], ids=["bytes", "text"])
def test_a_paged_reply_is_the_whole_reply(
    clean_standalone: Server, protocol: int, decode: bool
) -> None:
    """Of the same type and equal, whatever the protocol and the decoding."""

    def client() -> redis.Redis:
        return redis.Redis(port=clean_standalone.port, protocol=protocol, decode_responses=decode)

    settings = {"size_guard": {"reads": "page", "max_read": 100, "page_size": 150}}
    with client() as bare, wrap(client(), settings, plugins=[SizeGuard]) as paging:
        _fill(bare)
        for name, read in PAGED.items():
            assert _same(read(paging), read(bare)), name
        assert _same(paging.keys("*"), bare.keys("*"))
        assert found(paging, "max_read", "page") == len(PAGED)


def test_pages_are_what_the_server_is_asked_for(clean_standalone: Server) -> None:
    """A long hash is never read at once; a short one is, and so is a short range."""
    with guarded(clean_standalone, reads="page", max_read=100) as client:
        _fill(client)
        client.hset("short", "f", 1)
        client.config_resetstat()
        client.hgetall("{k}h")
        client.lrange("{k}l", 0, 9)
        assert calls(clean_standalone)["hscan"] > 1
        assert "hgetall" not in calls(clean_standalone)
        client.hgetall("short")
        assert calls(clean_standalone)["hgetall"] == calls(clean_standalone)["lrange"] == 1


@pytest.mark.parametrize("transaction", [False, True])
def test_a_pipeline_of_a_client_that_is_gone(clean_standalone: Server, transaction: bool) -> None:
    """Its reads are judged like others."""

    def make() -> redis.Redis:
        settings = {"size_guard": {"mode": "reject", "reads": "reject", "max_read": 1000}}
        return wrap(redis.Redis(port=clean_standalone.port), settings, plugins=[SizeGuard])

    with redis.Redis(port=clean_standalone.port) as bare:
        _fill(bare)
    for make_pipeline in (lambda: make().pipeline(transaction), make().pipeline):
        pipe = make_pipeline()
        gc.collect()
        pipe.hgetall("{k}h")
        with pytest.raises(ReadTooLarge):
            pipe.execute()


@pytest.mark.parametrize("name", WHOLE)
def test_a_read_of_too_many_is_refused(clean_standalone: Server, name: str) -> None:
    """The length is asked, and the read not sent; in pipelines nothing is."""
    with guarded(clean_standalone, reads="reject", max_read=1000) as client:
        _fill(client)
        client.config_resetstat()
        with pytest.raises(ReadTooLarge) as error:
            WHOLE[name](client)
        assert error.value.size >= 1500 if "middle" not in name else error.value.size == 1201
        assert error.value.limit == "max_read"
        pipe = client.pipeline(transaction=False)
        pipe.set("before", 1)
        WHOLE[name](pipe)
        with pytest.raises(ReadTooLarge):
            pipe.execute()
        assert client.exists("before") == 0
        assert name.split()[0].lower() not in calls(clean_standalone)


def test_reads_are_only_reported_by_default(clean_standalone: Server, caplog: Any) -> None:
    """By default a big read costs no question; it is logged after the reply came."""
    with guarded(clean_standalone, mode="warn", max_read=1000) as client:
        _fill(client)
        client.config_resetstat()
        with caplog.at_level(logging.WARNING):
            assert len(client.hgetall("{k}h")) == 2000
        assert "hlen" not in calls(clean_standalone)
    assert "HGETALL of key b'{k}h': it reads 2000 elements at once" in caplog.text


@pytest.mark.parametrize("name", [*WHOLE, "XRANGE of a part", "ZRANGE BYSCORE with a limit"])
def test_every_big_read_is_reported(clean_standalone: Server, name: str) -> None:
    """What is not asked about before is counted when its reply has come."""
    reads = {
        **WHOLE,
        "XRANGE of a part": lambda client: client.xrange("{k}x", min="1"),
        "ZRANGE BYSCORE with a limit": lambda client: client.zrange(
            "{k}z", 0, 5000, byscore=True, offset=10, num=1500
        ),
        "SORT of a set": lambda client: client.sort("{k}s"),
    }
    with guarded(clean_standalone, max_read=1000) as client:
        _fill(client)
        reads[name](client)
        assert found(client, "max_read", "warn") == 1


def test_ranges_of_scores_are_not_paged(clean_standalone: Server) -> None:
    """The server would count up to each page: they go out whole, and are reported."""
    with guarded(clean_standalone, reads="page", max_read=100) as client:
        _fill(client)
        assert len(client.zrange("{k}z", 0, 5000, byscore=True)) == 2000
        assert found(client, "max_read", "warn") == 1


def test_rules_are_found_by_the_first_key(clean_standalone: Server) -> None:
    """Also where a number of keys comes before it."""
    rules = [{"keys": "{k}*", "reads": "reject", "max_read": 5}]
    with guarded(clean_standalone, rules=rules) as client:
        client.zadd("{k}z", {str(n): n for n in range(10)})
        with pytest.raises(ReadTooLarge):
            client.zunion(["{k}z"])


@pytest.mark.parametrize("args", [("HGETALL", None), ("MGET", *[None] * 9), ("SUNION", True)])
def test_what_redis_py_refuses_keeps_its_error(
    clean_standalone: Server, args: tuple[Any, ...]
) -> None:
    """A key of a type that redis-py does not take is its own DataError."""
    with guarded(clean_standalone, reads="reject", max_read=5) as client:
        with pytest.raises(DataError) as error:
            client.execute_command(*args)
        assert not isinstance(error.value, ReadTooLarge)


def test_keys_can_be_refused(clean_standalone: Server) -> None:
    """KEYS is judged by the number of keys that the server has to look at."""
    with guarded(clean_standalone, reads="reject", max_read=100) as client:
        client.mset({f"k{n}": n for n in range(200)})
        with pytest.raises(ReadTooLarge):
            client.keys("nothing:*")


def test_replies_are_reported_by_their_bytes(clean_standalone: Server) -> None:
    """A rule that names commands has replies of any read measured, after they came."""
    rules = [{"commands": ["GET", "hash"], "reply_bytes": {"warn": 1000}}]
    with guarded(clean_standalone, rules=rules) as client:
        client.set("k", "x" * 2000)
        client.hset("h", mapping={"f": "x" * 2000})
        assert client.get("k") == b"x" * 2000
        assert client.hget("h", "f") == b"x" * 2000
        assert client.get("missing") is None
        assert found(client, "reply_bytes", "warn") == 2


def test_a_transaction_is_not_paged(clean_standalone: Server) -> None:
    """Inside MULTI there is one round: the read goes out whole and is reported."""
    with guarded(clean_standalone, reads="page", max_read=100) as client:
        _fill(client)
        pipe = client.pipeline()
        (whole,) = pipe.hgetall("{k}h").execute()
        assert len(whole) == 2000
        assert found(client, "max_read", "warn") == 1


@pytest.mark.parametrize("length", [3, 2000])
def test_a_pipeline_keeps_its_order(clean_standalone: Server, length: int) -> None:
    """Pages would be read after the rest of the pipeline, which may delete what is read: the read
    goes out whole, where it stands, and is reported."""
    with guarded(clean_standalone, reads="page", max_read=100) as client:
        client.rpush("l", *range(length))
        client.hset("h", mapping={f"f{number}": number for number in range(length)})
        pipe = client.pipeline(transaction=False)
        pipe.rpush("l", "last").lrange("l", 0, -1).delete("l").hgetall("h").delete("h")
        _, elements, *others = pipe.execute()
        assert elements == [b"%d" % number for number in range(length)] + [b"last"]
        assert [others[0], len(others[1]), others[2]] == [1, length, 1]
        assert found(client, "max_read", "warn") == (2 if length > 100 else 0)
        assert found(client, "max_read", "page") == 0


async def test_async_clients_page_too(clean_standalone: Server) -> None:
    """The same flows page for async clients."""
    settings = {"size_guard": {"reads": "page", "max_read": 100}}
    with clean_standalone.connect() as bare:
        _fill(bare)
    client = wrap(redis.asyncio.Redis(port=clean_standalone.port), settings, plugins=[SizeGuard])
    async with client:
        assert await client.hgetall("{k}h") == {b"f%d" % n: b"%d" % n for n in range(2000)}
        assert len(await client.lrange("{k}l", 0, -1)) == 2000
        assert found(client, "max_read", "page") == 2


def test_a_cluster_pages_too(clean_cluster: Cluster) -> None:
    """Pages come from the key's node; KEYS, which asks every node, is only reported."""
    settings = {"size_guard": {"reads": "page", "max_read": 100}}
    with (
        redis.RedisCluster.from_url(clean_cluster.url) as bare,
        wrap(
            redis.RedisCluster.from_url(clean_cluster.url), settings, plugins=[SizeGuard]
        ) as client,
    ):
        _fill(bare)
        for name, read in PAGED.items():
            assert _same(read(client), read(bare)), name
        assert sorted(client.keys("*")) == sorted(bare.keys("*"))


@given(st.integers(-30, 30), st.integers(-30, 30), st.integers(0, 25))
def test_a_span_is_what_a_slice_would_be(start: int, stop: int, length: int) -> None:
    """Ranks are counted as LRANGE and ZRANGE count them, from both ends."""
    elements = list(range(length))
    first = max(start + length, 0) if start < 0 else start
    last = stop + length if stop < 0 else stop
    expected = elements[first : last + 1] if last >= 0 else []
    assert list(ranked_span(start, stop, length)) == expected
