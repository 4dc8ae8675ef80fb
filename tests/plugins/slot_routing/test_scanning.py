"""SCAN over a cluster that changes under way, without a server."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any, Final
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import ClusterDownError

from redis_middleware import Command
from redis_middleware.commands import SLOT_COUNT, key_slot
from redis_middleware.redispy.view import ServerAddress
from redis_middleware.testing import command
from redis_middleware_plugins.slot_routing.cursors import ScanCursorError
from redis_middleware_plugins.slot_routing.scanning import Told, scan
from redis_middleware_plugins.slot_routing.slot_sets import slot_set
from redis_middleware_plugins.slot_routing.topology import Node, Shard, Topology

_BLOCKS: Final = 8
_BLOCK: Final = SLOT_COUNT // _BLOCKS
_KEYS: Final = [b"key:%d" % number for number in range(60)]


class _Cluster:
    """Servers that have slots in blocks, each with its keys in an order of its own.

    Attributes:
        owners: who serves each block.
        generations: how often each server was replaced by a replica.
        former: who served each block at any time: no block returns to any of them.
        targets: to whom the keys of a block are moving.
        moved: keys that are at their target already.
        asked: the IDs of the nodes that were asked how things are.
    """

    def __init__(self, owners: list[int]) -> None:
        self.owners = list(owners)
        self.generations = dict.fromkeys(owners, 0)
        self.former = [{owner} for owner in owners]
        self.targets: dict[int, int] = {}
        self.moved: set[bytes] = set()
        self.asked: list[str] = []

    def node(self, number: int) -> Node:
        generation = self.generations.setdefault(number, 0)
        return Node(ServerAddress(f"node-{number}", 7000 + generation), f"{number}-{generation}")

    def topology(self) -> Topology:
        return Topology(
            [
                Shard(
                    self.node(number),
                    (),
                    tuple(
                        (block * _BLOCK, (block + 1) * _BLOCK - 1)
                        for block, owner in enumerate(self.owners)
                        if owner == number
                    ),
                )
                for number in sorted(set(self.owners))
            ]
        )

    def ask(self, node: Node) -> Generator[Any, Any, Told]:
        yield from ()
        self.asked.append(node.id)
        topology = self.topology()
        leaving = {
            other: _slots_of(
                block
                for block, target in self.targets.items()
                if self.node(self.owners[block]) == node and self.node(target) == other
            )
            for other in topology.primaries
        }
        coming = _slots_of(
            block for block, target in self.targets.items() if self.node(target) == node
        )
        return Told(topology, coming, leaving)

    def give(self, block: int, owner: int) -> bool:
        """Let a block be served by another; not if that leaves nothing to one that keys move to."""
        before, self.owners[block] = self.owners[block], owner
        if before in self.targets.values() and before not in self.owners:
            self.owners[block] = before
            return False
        self.former[block].add(owner)
        return True

    def place_of(self, key: bytes) -> int:
        """The server that has a key."""
        block = key_slot(key) // _BLOCK
        return self.targets[block] if key in self.moved else self.owners[block]

    def answer(self, sent: Command) -> tuple[int, list[bytes]]:
        """One step over the node's keys: the cursor is a place in its own order of all keys."""
        node: Node = sent.target
        number, generation = map(int, node.id.split("-"))
        if self.generations[number] != generation:
            raise AssertionError(f"{node} is not there any more")
        place, count = int(sent.args[1]), 7
        order = sorted(_KEYS, key=lambda key: crc32(key + node.id.encode()))
        keys = [key for key in order[place : place + count] if self.place_of(key) == number]
        following = place + count
        return (following if following < len(order) else 0), keys


def _slots_of(blocks: Iterable[int]) -> int:
    return slot_set((block * _BLOCK, (block + 1) * _BLOCK - 1) for block in blocks)


def _step(
    servers: _Cluster, cursor: Any, topology: Topology, *args: Any
) -> tuple[int, list[bytes]]:
    flow = scan(command("SCAN", cursor, *args), topology, lambda node: node, servers.ask)
    yielded = None
    try:
        while True:
            yielded = flow.send(None if yielded is None else servers.answer(yielded))
    except StopIteration as stop:
        reply: tuple[int, list[bytes]] = stop.value
        return reply


def _walk(
    servers: _Cluster, changes: Mapping[int, Any], *, stale: bool = False
) -> Iterator[tuple[int, list[bytes]]]:
    """Walk to the end; before the step of a number a change is made."""
    cursor, step = 0, 0
    known = servers.topology()
    while True:
        change = changes.get(step)
        if change is not None:
            change(servers)
        if not stale:
            known = servers.topology()
        cursor, keys = _step(servers, cursor, known)
        yield cursor, keys
        step += 1
        if cursor == 0:
            return


def _moved(block: int, owner: int) -> Any:
    """A block moves at once."""

    def change(servers: _Cluster) -> None:
        if block not in servers.targets and owner not in servers.former[block]:
            servers.give(block, owner)

    return change


def _failed_over(number: int) -> Any:
    """A replica takes the place of a server that no keys are moving to or from."""

    def change(servers: _Cluster) -> None:
        moving = {*servers.targets.values(), *(servers.owners[block] for block in servers.targets)}
        if number in servers.owners and number not in moving:
            servers.generations[number] += 1

    return change


def _moving(block: int, share: int) -> Any:
    """Keys of a block move one by one: a share of the third ones, or all and the block too."""

    def change(servers: _Cluster) -> None:
        others = sorted(set(servers.owners) - servers.former[block])
        if block not in servers.targets:
            if not others:
                return
            servers.targets[block] = others[share % len(others)]
        target = servers.targets[block]
        keys = [key for key in _KEYS if key_slot(key) // _BLOCK == block]
        if share < 3:
            servers.moved.update(keys[share::3])
        elif servers.give(block, target):
            servers.moved.difference_update(keys)
            del servers.targets[block]

    return change


_changes = st.dictionaries(
    st.integers(0, 60),
    st.one_of(
        st.builds(_moved, st.integers(0, _BLOCKS - 1), st.integers(0, 3)),
        st.builds(_failed_over, st.integers(0, 2)),
        st.builds(_moving, st.integers(0, _BLOCKS - 1), st.integers(0, 3)),
    ),
    max_size=20,
)
_owners = st.lists(st.integers(0, 2), min_size=_BLOCKS, max_size=_BLOCKS)


@settings(deadline=None)
@given(_owners)
def test_every_key_once_where_nothing_changes(owners: list[int]) -> None:
    """Each node is walked once, however its slots are scattered."""
    servers = _Cluster(owners)
    found = [key for _, keys in _walk(servers, {}) for key in keys]
    assert sorted(found) == sorted(_KEYS)
    assert sorted(servers.asked) == sorted(f"{number}-0" for number in set(owners))


@settings(deadline=None, max_examples=150)
@given(_owners, _changes)
def test_every_key_whatever_changes(owners: list[int], changes: dict[int, Any]) -> None:
    """Slots or their keys may move and primaries fail over: what is there all the time is found.

    The walk comes to an end, even where moves of keys do not. No slot returns to where it was.
    """
    servers = _Cluster(owners)
    found = {key for _, keys in _walk(servers, changes) for key in keys}
    assert found == set(_KEYS)


@settings(deadline=None)
@given(_owners, st.integers(0, 60), st.integers(0, _BLOCKS - 1), st.integers(0, 2))
def test_the_table_may_be_old(owners: list[int], step: int, block: int, owner: int) -> None:
    """A move of which the client has not heard is seen when the nodes are asked."""
    servers = _Cluster(owners)
    if owner not in owners:
        return
    found: set[bytes] = set()
    for number, (_, keys) in enumerate(_walk(servers, {step: _moved(block, owner)}, stale=True)):
        found.update(keys)
        if number > 200:
            break
    assert found == set(_KEYS)


def test_a_walk_goes_on_in_another_process() -> None:
    """All that is known is in the cursor, which may have been stored as text."""
    servers = _Cluster([0, 0, 1, 1, 2, 2, 0, 1])
    cursor: Any = "0"
    found: list[bytes] = []
    while True:
        cursor, keys = _step(servers, cursor, servers.topology())
        found += keys
        if cursor == 0:
            break
        cursor = str(cursor).encode()
    assert sorted(found) == sorted(_KEYS)


def test_arguments_go_to_the_nodes() -> None:
    """MATCH, COUNT and TYPE are the node's to apply, with its own cursor in place of ours."""
    servers = _Cluster([0] * _BLOCKS)
    made = command("SCAN", "0", "MATCH", "k*", "COUNT", 5, "TYPE", "string")
    sent = next(scan(made, servers.topology(), lambda node: node, servers.ask))
    assert sent.args == ("SCAN", 0, "MATCH", "k*", "COUNT", 5, "TYPE", "string")
    assert sent.target == servers.node(0)


def test_a_single_nodes_cursor_is_refused() -> None:
    """Nothing is sent for a cursor that is none of ours."""
    servers = _Cluster([0] * _BLOCKS)
    with pytest.raises(ScanCursorError, match="17 is no cursor"):
        _step(servers, 17, servers.topology())


def test_a_shard_without_a_primary_is_told() -> None:
    """The walk does not leave out what nobody answers for at the moment."""
    topology = Topology([Shard(None, (), ((0, SLOT_COUNT - 1),))])
    with pytest.raises(ClusterDownError, match="slot 0 has no primary"):
        _step(_Cluster([0]), 0, topology)


def test_slots_that_nobody_serves_are_left_out() -> None:
    """In a cluster that does without some slots the walk ends with those that are served."""
    served = Topology([Shard(Node(ServerAddress("node-0", 7000), "0-0"), (), ((5, 100),))])

    class _Part(_Cluster):
        def topology(self) -> Topology:
            return served

    servers = _Part([0] * _BLOCKS)
    assert [cursor for cursor, _ in _walk(servers, {})][-1] == 0


def test_a_scan_without_a_cursor_is_left_to_the_server() -> None:
    """The server tells that an argument is missing."""
    made = command("SCAN")
    assert next(scan(made, _Cluster([0]).topology(), lambda node: node, _Cluster([0]).ask)) is made
