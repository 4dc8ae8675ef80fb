"""The replies of all nodes as one, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError, ResponseError

from redis_middleware import NIL
from redis_middleware.commands import all_specs, spec_of
from redis_middleware.redispy.view import ServerAddress
from redis_middleware.testing import command
from redis_middleware_plugins.slot_routing.everywhere import Everywhere, everywhere_of
from redis_middleware_plugins.slot_routing.outcomes import partly_done
from redis_middleware_plugins.slot_routing.topology import Node, Shard, Topology

_TO_ONE_NODE = {"LATENCY GRAPH", "LATENCY HISTOGRAM"}
"""What the server would have sent to all, but whose replies cannot be one of the same shape."""

_BUSY = ResponseError("NOTBUSY No scripts in execution right now.")


def _everywhere(name: str) -> Everywhere:
    found = everywhere_of(spec_of(name), lambda elements: elements[-1])
    assert found is not None
    return found


def _reply(*args: Any, replies: list[Any]) -> Any:
    nodes = [f"node-{number}" for number in range(len(replies))]
    return _everywhere(command(*args).name).reply(command(*args), nodes, replies)


def test_the_servers_policies_are_followed() -> None:
    """What the server says goes to all nodes or shards does so, and nothing else of it."""
    for spec in all_specs():
        told = spec.request_policy in ("all_nodes", "all_shards")
        everywhere = everywhere_of(spec)
        if told and spec.name not in _TO_ONE_NODE:
            assert everywhere is not None, spec
            assert everywhere.nodes == spec.request_policy, spec
        elif spec.key_specs or spec.name in _TO_ONE_NODE:
            assert everywhere is None, spec


def test_what_the_server_has_no_policy_for() -> None:
    """Where each node knows its own clients and subscribers only, all are asked."""
    without = {
        spec.name for spec in all_specs() if spec.request_policy is None and everywhere_of(spec)
    }
    assert without == {
        "CLIENT KILL",
        "CLIENT LIST",
        "CLIENT PAUSE",
        "CLIENT UNPAUSE",
        "PUBSUB CHANNELS",
        "PUBSUB NUMPAT",
        "PUBSUB NUMSUB",
        "PUBSUB SHARDCHANNELS",
        "PUBSUB SHARDNUMSUB",
    }


@pytest.mark.parametrize(
    ("args", "replies", "reply"),
    [
        (("DBSIZE",), [1, 2, 3], 6),
        (("FLUSHALL",), [True, True], True),
        (("PING",), [True, True], True),
        (("KEYS", "*"), [[b"a", b"b"], [], [b"b", b"c"]], [b"a", b"b", b"c"]),
        (("RANDOMKEY",), [b"a", None, b"c", None], b"c"),
        (("RANDOMKEY",), [None, None], NIL),
        (("WAIT", 1, 0), [2, 1, 1], 1),
        (("WAITAOF", 1, 1, 0), [[1, 2], [0, 3]], [0, 2]),
        (("SCRIPT LOAD", "return 1"), ["e0e1", "e0e1"], "e0e1"),
        (("SCRIPT EXISTS", "a", "b"), [[True, True], [True, False]], [True, False]),
        (("SCRIPT KILL",), [_BUSY, True, _BUSY], True),
        (("PUBSUB CHANNELS",), [[b"a"], [b"b", b"a"]], [b"a", b"b"]),
        (("PUBSUB NUMPAT",), [1, 0, 2], 3),
        (
            ("PUBSUB NUMSUB", "a", "b"),
            [[(b"a", 1), (b"b", 0)], [(b"a", 2), (b"b", 1)]],
            [(b"a", 3), (b"b", 1)],
        ),
        (("CLIENT LIST",), [[{"id": "1"}], [{"id": "1"}]], [{"id": "1"}, {"id": "1"}]),
        (("CLIENT KILL", "ADDR", "h:1"), [0, 1, 0], 1),
        (("CLIENT KILL", "h:1"), [ResponseError("No such client"), True], True),
        (("SLOWLOG LEN",), [3, 4], 7),
        (
            ("SLOWLOG GET", 2),
            [
                [{"id": 3, "start_time": 9}, {"id": 2, "start_time": 5}],
                [{"id": 7, "start_time": 6}],
            ],
            [{"id": 3, "start_time": 9}, {"id": 7, "start_time": 6}],
        ),
        (("SLOWLOG", "GET", -1), [[{"start_time": 1}] * 20, []], [{"start_time": 1}] * 20),
        (("SLOWLOG GET",), [[{"start_time": 1}] * 9, [{"start_time": 0}] * 9], None),
        (("COMMANDLOG GET", 1, "slow"), [[[5, 1, 10]], [[6, 2, 10]]], [[6, 2, 10]]),
        (("CLUSTER SLOT-STATS", "SLOTSRANGE", 0, 1), [[[0, {}]], [[1, {}]]], [[0, {}], [1, {}]]),
        (("CLUSTER SLOT-STATS", "SLOTSRANGE", 0, 1), [{0: {}}, {1: {}}], {0: {}, 1: {}}),
        (("LATENCY HISTORY", "fork"), [[[5, 1], [9, 2]], [[7, 3]]], [[5, 1], [7, 3], [9, 2]]),
        (
            ("LATENCY LATEST",),
            [[[b"fork", 5, 1, 9]], [[b"fork", 7, 2, 3], [b"command", 1, 1, 1]]],
            [[b"fork", 7, 2, 9], [b"command", 1, 1, 1]],
        ),
        (("LATENCY LATEST",), [[["fork", 7, 1, 9, 20, 4]], [["fork", 5, 2, 3, 6, 2]]], None),
        (("MEMORY DOCTOR",), [b"fine", b"fine", b"big"], b"fine\n\nbig"),
        (("LATENCY DOCTOR",), ["fine", "slow"], "fine\n\nslow"),
        (
            ("FUNCTION STATS",),
            [{"running_script": None}, {"running_script": {"name": "f"}}],
            {"running_script": {"name": "f"}},
        ),
        (
            ("FUNCTION STATS",),
            [[b"running_script", None, b"engines", []], [b"running_script", None, b"engines", []]],
            [b"running_script", None, b"engines", []],
        ),
    ],
)
def test_many_replies_make_one(args: tuple[Any, ...], replies: list[Any], reply: Any) -> None:
    """By the server's response policy, or as makes sense of what it calls special."""
    merged = _reply(*args, replies=replies)
    if args == ("SLOWLOG GET",):
        assert merged == [{"start_time": 1}] * 9 + [{"start_time": 0}]
    elif reply is None:
        assert merged == [["fork", 7, 1, 9, 26, 6]]
    else:
        assert merged is reply if reply is NIL else merged == reply


def test_a_failure_tells_which_nodes_did_it() -> None:
    """The first failure keeps its type; nodes are told apart by what is known of them."""
    error = ConnectionError("gone")
    with pytest.raises(ConnectionError) as raised:
        _reply("FLUSHALL", replies=[True, error, ResponseError("READONLY")])
    assert raised.value is error
    assert str(error) == (
        "FLUSHALL was sent in 3 parts: done for node-0, not for node-2, perhaps for node-1: gone"
    )
    outcome = partly_done(error)
    assert outcome is not None
    assert outcome.done == ("node-0",)


def test_where_one_is_enough_all_must_fail() -> None:
    """SCRIPT KILL fails where no node had a script to kill; CLIENT KILL where one was not asked."""
    with pytest.raises(ResponseError, match="NOTBUSY"):
        _reply("SCRIPT KILL", replies=[_BUSY, _BUSY])
    with pytest.raises(ConnectionError, match="gone"):
        _reply("CLIENT KILL", "ADDR", "h:1", replies=[1, ConnectionError("gone")])
    with pytest.raises(ResponseError, match="No such client"):
        _reply("CLIENT KILL", "h:1", replies=[ResponseError("No such client")] * 2)


def _node(name: str, **facts: Any) -> Node:
    return Node(ServerAddress(name, 6379), name, **facts)


def test_which_nodes() -> None:
    """Primaries, or replicas too, but for those that are down or loading; each once."""
    replicas = (
        _node("b", is_primary=False),
        _node("c", is_primary=False, health="failed"),
        _node("d", is_primary=False, health="loading"),
    )
    primary = _node("a")
    shards = [Shard(primary, replicas, ((0, 99),)), Shard(primary, (), ((100, 16_383),))]
    topology = Topology(shards)

    def names(name: str) -> list[str] | None:
        nodes = _everywhere(name).nodes_of(topology)
        return None if nodes is None else [node.id for node in nodes]

    assert names("DBSIZE") == ["a"]
    assert names("CONFIG SET") == ["a", "b"]


def test_nothing_is_left_out_while_a_primary_is_missing() -> None:
    """A shard whose primary is gone has keys, and a replica that will take its place."""
    topology = Topology([Shard(_node("a"), (), ((0, 99),)), Shard(None, (), ((100, 16_383),))])
    assert _everywhere("DBSIZE").nodes_of(topology) is None
    without_slots = Topology([Shard(_node("a"), (), ((0, 16_383),)), Shard(None)])
    assert _everywhere("DBSIZE").nodes_of(without_slots) == [_node("a")]
