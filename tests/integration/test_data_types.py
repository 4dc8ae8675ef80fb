"""The data types of Redis: replies, nil, and errors as replies, with every kind of client."""

from __future__ import annotations

from tests.integration.contract import Run, call, contract
from tests.integration.kinds import KINDS


@contract(KINDS)
async def test_strings(run: Run) -> None:
    """Strings: every way of writing and reading one, nil, and values of every type."""
    await run.record_each(
        run.client,
        call("set", "{s}1", "value"),
        call("get", "{s}1"),
        call("get", "{s}missing"),
        call("set", "{s}1", "other", nx=True),
        call("set", "{s}1", "other", xx=True, get=True),
        call("set", "{s}new", "x", get=True),
        call("set", "{s}expiring", "x", ex=100),
        call("set", "{s}expiring", "y", keepttl=True),
        call("getex", "{s}expiring", persist=True),
        call("getdel", "{s}expiring"),
        call("getdel", "{s}expiring"),
        call("append", "{s}1", b"\x00\xff"),
        call("strlen", "{s}1"),
        call("getrange", "{s}1", 0, 2),
        call("setrange", "{s}1", 1, "XX"),
        call("substr", "{s}1", 0, 1),
        call("mset", {"{s}a": 1, "{s}b": 2.5}),
        call("mget", "{s}a", "{s}b", "{s}missing"),
        call("mget", ["{s}a", b"{s}b"]),
        call("msetnx", {"{s}a": 1, "{s}c": 1}),
        call("setnx", "{s}d", 1),
        call("setex", "{s}e", 100, "x"),
        call("psetex", "{s}f", 100_000, "x"),
        call("getset", "{s}a", 5),
        call("incr", "{s}a"),
        call("incrby", "{s}a", 10),
        call("decr", "{s}a"),
        call("decrby", "{s}a", 3),
        call("incrbyfloat", "{s}b", 1.25),
        call("incr", "{s}1"),
        call("lcs", "{s}a", "{s}b"),
        call("get", b"{s}a"),
        # Not in local_cache's memory, out of which it would be answered on clusters too: their
        # sync client refuses such a key.
        call("get", memoryview(b"{s}b")),
        call("set", 17, 18),
        call("get", 17),
        call("set", "{s}none", None),
        call("set", "{s}object", object()),
        call("set", "", ""),
        call("get", ""),
        call("set", "text", "äöü€😀"),
        call("get", "text"),
    )


@contract()
async def test_bits(run: Run) -> None:
    """Bits: bitmaps, bit fields, HyperLogLogs."""
    await run.record_each(
        run.client,
        call("setbit", "{b}1", 7, 1),
        call("getbit", "{b}1", 7),
        call("getbit", "{b}missing", 7),
        call("bitcount", "{b}1"),
        call("bitpos", "{b}1", 1),
        call("bitop", "NOT", "{b}2", "{b}1"),
        call("bitfield_ro", "{b}1", "u8", 0),
        call("pfadd", "{b}log", "a", "b", "c"),
        call("pfcount", "{b}log"),
        call("pfmerge", "{b}merged", "{b}log", "{b}missing"),
        call("pfcount", "{b}merged", "{b}log"),
        call("pfadd", "{b}1", "a"),
    )
    field = run.client.bitfield("{b}field")
    field.set("u8", 0, 200).incrby("u8", 0, 100, overflow="SAT").get("u8", 0)
    await run.record(field.execute)


@contract()
async def test_hashes(run: Run) -> None:
    """Hashes, fields that expire, and a key of another type."""
    await run.record_each(
        run.client,
        call("hset", "{h}1", "field", "value"),
        call("hset", "{h}1", mapping={"a": 1, "b": 2.5}),
        call("hset", "{h}1"),
        call("hget", "{h}1", "a"),
        call("hget", "{h}1", "missing"),
        call("hmget", "{h}1", ["a", "missing"]),
        call("hgetall", "{h}1"),
        call("hgetall", "{h}missing"),
        call("hkeys", "{h}1"),
        call("hvals", "{h}1"),
        call("hlen", "{h}1"),
        call("hexists", "{h}1", "a"),
        call("hsetnx", "{h}1", "a", 3),
        call("hincrby", "{h}1", "a", 4),
        call("hincrbyfloat", "{h}1", "b", 0.5),
        call("hstrlen", "{h}1", "field"),
        call("hdel", "{h}1", "field", "missing"),
        call("hrandfield", "{h}missing"),
        call("hexpire", "{h}1", 100, "a", "missing"),
        call("hpersist", "{h}1", "a"),
        call("httl", "{h}1", "a"),
        call("set", "{h}string", "x"),
        call("hget", "{h}string", "a"),
        call("hset", "{h}string", "a", "b"),
        call("hgetall", "{h}string"),
    )


@contract()
async def test_lists(run: Run) -> None:
    """Lists, blocking commands that need not wait, and a key of another type."""
    await run.record_each(
        run.client,
        call("rpush", "{l}1", "a", "b", "c"),
        call("lpush", "{l}1", 1, 2),
        call("lpushx", "{l}missing", 1),
        call("rpushx", "{l}1", "d"),
        call("lrange", "{l}1", 0, -1),
        call("lrange", "{l}missing", 0, -1),
        call("llen", "{l}1"),
        call("lindex", "{l}1", 0),
        call("lindex", "{l}1", 100),
        call("lset", "{l}1", 0, "first"),
        call("lset", "{l}1", 100, "x"),
        call("linsert", "{l}1", "BEFORE", "a", "0"),
        call("lpos", "{l}1", "a"),
        call("lpos", "{l}1", "missing"),
        call("lrem", "{l}1", 1, "a"),
        call("ltrim", "{l}1", 0, 4),
        call("lmove", "{l}1", "{l}2"),
        call("rpoplpush", "{l}1", "{l}2"),
        call("lpop", "{l}1"),
        call("lpop", "{l}1", 2),
        call("rpop", "{l}missing"),
        call("lpop", "{l}missing", 2),
        call("lmpop", 2, "{l}missing", "{l}2", direction="LEFT", count=1),
        call("blpop", ["{l}missing", "{l}2"], 1),
        call("blpop", ["{l}missing"], 0.01),
        call("blmove", "{l}missing", "{l}2", 0.01),
        call("lpush", "{l}sorted", 3, 1, 2),
        call("sort", "{l}sorted"),
        call("sort", "{l}sorted", desc=True, store="{l}stored"),
        call("set", "{l}string", "x"),
        call("lpush", "{l}string", "a"),
        call("lrange", "{l}string", 0, -1),
    )


@contract()
async def test_sets(run: Run) -> None:
    """Sets and what can be computed of them."""
    await run.record_each(
        run.client,
        call("sadd", "{t}1", "a", "b", "c"),
        call("sadd", "{t}2", "b", "c", "d"),
        call("smembers", "{t}1"),
        call("smembers", "{t}missing"),
        call("scard", "{t}1"),
        call("sismember", "{t}1", "a"),
        call("smismember", "{t}1", ["a", "x"]),
        call("sinter", "{t}1", "{t}2"),
        call("sintercard", 2, ["{t}1", "{t}2"]),
        call("sunion", "{t}1", "{t}2"),
        call("sdiff", "{t}1", "{t}2"),
        call("sinterstore", "{t}3", "{t}1", "{t}2"),
        call("sunionstore", "{t}4", ["{t}1", "{t}2"]),
        call("sdiffstore", "{t}5", "{t}1", "{t}2"),
        call("smove", "{t}1", "{t}2", "a"),
        call("srem", "{t}1", "b", "missing"),
        call("spop", "{t}missing"),
        call("srandmember", "{t}missing"),
        call("srandmember", "{t}missing", 2),
        call("spop", "{t}5"),
    )


@contract()
async def test_sorted_sets(run: Run) -> None:
    """Sorted sets: scores as numbers, ranges of every kind, and options that exclude each other."""
    await run.record_each(
        run.client,
        call("zadd", "{z}1", {"a": 1, "b": 2.5, "c": 3}),
        call("zadd", "{z}1", {"a": 4}, nx=True),
        call("zadd", "{z}1", {"a": 4}, xx=True, ch=True),
        call("zadd", "{z}1", {"a": 1}, incr=True),
        call("zadd", "{z}1", {}),
        call("zadd", "{z}1", {"a": 1}, nx=True, xx=True),
        call("zscore", "{z}1", "b"),
        call("zscore", "{z}1", "missing"),
        call("zmscore", "{z}1", ["a", "missing"]),
        call("zrange", "{z}1", 0, -1),
        call("zrange", "{z}1", 0, -1, withscores=True),
        call("zrange", "{z}1", 0, -1, desc=True, withscores=True, score_cast_func=int),
        call("zrevrange", "{z}1", 0, -1, withscores=True),
        call("zrangebyscore", "{z}1", 2, 4, start=0, num=2, withscores=True),
        call("zrevrangebyscore", "{z}1", "+inf", "-inf"),
        call("zrangebylex", "{z}1", "-", "+"),
        call("zrank", "{z}1", "b"),
        call("zrank", "{z}1", "b", withscore=True),
        call("zrevrank", "{z}1", "missing"),
        call("zcard", "{z}1"),
        call("zcount", "{z}1", 0, 3),
        call("zlexcount", "{z}1", "-", "+"),
        call("zincrby", "{z}1", 2, "b"),
        call("zunion", ["{z}1", "{z}1"], withscores=True),
        call("zunionstore", "{z}2", {"{z}1": 2}),
        call("zinter", ["{z}1", "{z}2"], aggregate="MAX", withscores=True),
        call("zinterstore", "{z}3", ["{z}1", "{z}2"]),
        call("zdiff", ["{z}1", "{z}missing"], withscores=True),
        call("zrangestore", "{z}4", "{z}1", 0, 1),
        call("zpopmin", "{z}1"),
        call("zpopmax", "{z}1", 1),
        call("zpopmin", "{z}missing"),
        call("bzpopmin", ["{z}missing", "{z}2"], 1),
        call("bzpopmax", ["{z}missing"], 0.01),
        call("zmpop", 2, ["{z}missing", "{z}2"], min=True),
        call("zrandmember", "{z}missing"),
        call("zrem", "{z}2", "a", "missing"),
        call("zremrangebyrank", "{z}3", 0, 0),
        call("zremrangebyscore", "{z}3", "-inf", 0),
        call("geoadd", "{z}geo", (13.4, 52.5, "Berlin", 2.35, 48.86, "Paris")),
        call("geodist", "{z}geo", "Berlin", "Paris", "km"),
        call("geodist", "{z}geo", "Berlin", "missing"),
        call("geohash", "{z}geo", "Berlin", "missing"),
        call("geopos", "{z}geo", "Paris", "missing"),
        call("geosearch", "{z}geo", member="Berlin", radius=2000, unit="km", withdist=True),
        call("georadius", "{z}geo", 13, 52, 100, "km", withcoord=True),
    )


@contract()
async def test_streams(run: Run) -> None:
    """Streams and consumer groups."""
    await run.record_each(
        run.client,
        call("xadd", "{x}1", {"a": 1}, id="1-1"),
        call("xadd", "{x}1", {"a": 2, "b": "3"}, id="2-1"),
        call("xadd", "{x}1", {"a": 2}, id="1-1"),
        call("xadd", "{x}missing", {"a": 2}, nomkstream=True),
        call("xlen", "{x}1"),
        call("xrange", "{x}1"),
        call("xrange", "{x}missing"),
        call("xrevrange", "{x}1", count=1),
        call("xread", {"{x}1": 0}),
        call("xread", {"{x}1": "2-1"}),
        call("xread", {"{x}1": "$"}, block=5),
        call("xgroup_create", "{x}1", "group", id=0),
        call("xgroup_create", "{x}1", "group", id=0),
        call("xgroup_createconsumer", "{x}1", "group", "me"),
        call("xreadgroup", "group", "me", {"{x}1": ">"}, count=1),
        call("xreadgroup", "group", "me", {"{x}1": ">"}),
        call("xreadgroup", "group", "me", {"{x}1": ">"}),
        call("xreadgroup", "missing", "me", {"{x}1": ">"}),
        call("xack", "{x}1", "group", "1-1"),
        call("xpending", "{x}1", "group"),
        call("xclaim", "{x}1", "group", "other", 0, ["2-1"], justid=True),
        call("xautoclaim", "{x}1", "group", "other", 0, justid=True),
        call("xinfo_groups", "{x}1"),
        call("xinfo_stream", "{x}missing"),
        call("xdel", "{x}1", "1-1"),
        call("xtrim", "{x}1", maxlen=0),
        call("xgroup_delconsumer", "{x}1", "group", "other"),
        call("xgroup_destroy", "{x}1", "group"),
    )
