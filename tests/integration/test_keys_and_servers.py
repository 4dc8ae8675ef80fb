"""Commands about keys of any type and about servers; replicas; redis-py's own cache."""

from __future__ import annotations

from tests.integration.contract import Run, call, contract
from tests.integration.kinds import kinds


@contract()
async def test_keys(run: Run) -> None:
    """Keys of any type: expiry, types, copies, dumps, and deletes."""
    client = run.client
    await run.record_each(
        client,
        call("set", "{k}1", "1"),
        call("exists", "{k}1", "{k}missing"),
        call("expire", "{k}1", 100),
        call("expire", "{k}missing", 100),
        call("expire", "{k}1", 100, nx=True),
        call("pexpire", "{k}1", 100_000),
        call("expireat", "{k}1", 4_000_000_000),
        call("expiretime", "{k}1"),
        call("persist", "{k}1"),
        call("ttl", "{k}1"),
        call("pttl", "{k}missing"),
        call("type", "{k}1"),
        call("type", "{k}missing"),
        call("rename", "{k}1", "{k}2"),
        call("rename", "{k}missing", "{k}2"),
        call("renamenx", "{k}2", "{k}1"),
        call("copy", "{k}1", "{k}3"),
        call("touch", "{k}1", "{k}missing"),
        call("object", "encoding", "{k}1"),
        call("object", "refcount", "{k}missing"),
        call("keys", "{k}*"),
        call("unlink", "{k}3"),
        call("delete", "{k}missing"),
        call("delete", "{k}missing", "{k}1"),
        call("dump", "{k}missing"),
        call("set", "{k}dumped", "x"),
        call("__contains__", "{k}dumped"),
        call("__getitem__", "{k}dumped"),
        call("__getitem__", "{k}missing"),
        call("__setitem__", "{k}item", 1),
        call("__delitem__", "{k}item"),
    )
    dumped = await run.record(client.dump, "{k}dumped")
    await run.record(client.restore, "{k}restored", 0, dumped)
    await run.record(client.restore, "{k}restored", 0, b"nonsense", replace=True)


@contract()
async def test_servers(run: Run) -> None:
    """Commands about the server, whose names have two words or none that a table would know."""
    client = run.client
    await run.record_each(
        client,
        call("ping"),
        call("echo", "hello"),
        call("config_get", "maxmemory"),
        call("config_get", "maxmemory", "save"),
        call("config_set", "slowlog-max-len", 100),
        call("config_set", "no-such-directive", 1),
        call("client_no_evict", "ON"),
        call("client_reply", "nonsense"),
        call("acl_whoami"),
        call("acl_getuser", "nobody"),
        call("acl_dryrun", "default", "GET", "key"),
        call("command_getkeys", "MSET", "a", 1, "b", 2),
        call("slowlog_reset"),
        call("latency_reset"),
        call("module_list"),
        call("module_load", "/no/such/file"),
        call("dbsize"),
        call("function_list"),
        call("memory_usage", "missing"),
        call("execute_command", "GET", "missing"),
        call("execute_command", "get", "missing"),
        call("execute_command", b"GET", "missing"),
        call("execute_command", "CONFIG", "GET", "maxmemory"),
        call("execute_command", "config get", "maxmemory"),
        call("execute_command", "NO.SUCH", "a"),
        call("execute_command", "CONFIG", "NO-SUCH"),
        call("execute_command", "GET"),
        call("execute_command", "CONFIG"),
    )
    for method in ("info", "time", "client_id", "client_list", "command_count", "lastsave"):
        run.note(type(await run_quietly(run, method)).__qualname__)


async def run_quietly(run: Run, method: str) -> object:
    """Call a method whose reply differs from one call to the next."""
    steps = len(run.steps)
    reply = await run.record(getattr(run.client, method))
    del run.steps[steps:]
    return reply


@contract(kinds(lambda kind: kind.deployment == "replica"))
async def test_replica(run: Run) -> None:
    """A replica's client reads what was written to the primary, and may not write."""
    (primary,) = run.servers.primary_control.nodes
    primary.set("key", "value")
    primary.hset("hash", mapping={"a": 1})
    primary.execute_command("WAIT", 1, 2000)
    await run.record_each(
        run.client,
        call("get", "key"),
        call("hgetall", "hash"),
        call("set", "key", "other"),
    )
    primary.flushall()
    primary.execute_command("WAIT", 1, 2000)


@contract(kinds(lambda kind: kind.deployment == "redis"))
async def test_client_side_cache(run: Run) -> None:
    """redis-py's own cache answers the second time, and not after a change by somebody else."""
    (other,) = run.control.nodes
    other.set("key", "value")
    for _ in range(3):
        await run.record(run.client.get, "key")
        await run.record(run.client.mget, "key", "missing")
    run.note(run.control.calls("get"))
    other.set("key", "other")
    await run.until(lambda: run.client.get("key") == b"other")
    run.note(run.client.get_cache().size > 0)
