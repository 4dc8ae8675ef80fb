"""A slot moves from one server to another while it is written to."""

from __future__ import annotations

from typing import NamedTuple

from redis_middleware.cli.demo.shop import ORDER_KEYS, ORDERS_SLOT
from redis_middleware.cli.demo.stage import Play, SceneFailed, Stage, Tell, address_of
from redis_middleware.cli.demo.tracing import traced_request
from redis_middleware.cli.demo.wording import amount, milliseconds
from redis_middleware.embedded import SlotMigration
from redis_middleware_plugins.slot_routing import SlotRouting

__all__ = ["SlotMove"]

_STEPS = 10


class SlotMove:
    """The slot of the orders, which are counted: none may be lost, none counted twice."""

    name = "slot move"
    title = "A slot moves to another server under load"

    def play(self, stage: Stage, tell: Tell) -> Play:
        """Move it step by step, tracing one request meanwhile; then count."""
        migration = self._migration(stage)
        mark = stage.meter.mark()
        before = _redirections(stage)
        errors = stage.load.errors.total()
        tell(
            f"Slot {migration.slot} with {len(ORDER_KEYS)} counters, from "
            f"{address_of(migration.source)} to {address_of(migration.target)}:"
        )
        migration.start()
        for step in range(1, _STEPS + 1):
            migration.move_keys(len(ORDER_KEYS) // _STEPS)
            yield stage.pause(0.4)
            if step == _STEPS // 2:
                ask = _redirections(stage).ask - before.ask
                tell(f"Half of them are there: {amount(ask)} requests were sent on by ASK so far.")
                stage.traced = traced_request(stage, _moved_key(migration))
        migration.finish()
        yield stage.pause(1.5)
        after = _redirections(stage)
        ask, told_of_move = after.ask - before.ask, after.moved - before.moved
        reading = stage.meter.since(mark)
        errors = stage.load.errors.total() - errors
        tell(
            f"Moved: {amount(ask)} ASK, {amount(told_of_move)} MOVED, {errors} errors "
            f"among {amount(len(reading.durations))} requests, p99 {milliseconds(reading.p99)}."
        )
        # In flight, an order would be counted by one side only.
        stage.load.stop()
        acknowledged, counted = stage.load.orders, stage.shop.count_orders()
        stage.load.start()
        tell(f"Orders acknowledged: {amount(acknowledged)}; counted: {amount(counted)}.")
        yield stage.pause(2.5)
        if acknowledged != counted:
            raise SceneFailed(f"{acknowledged} orders were acknowledged, {counted} counted")
        if not ask or stage.servers.primary_of(migration.slot) is not migration.target:
            raise SceneFailed(f"slot {migration.slot} was not moved under load")
        return (
            f"slot {migration.slot} moved with {errors} errors; {amount(ask)} ASK, "
            f"{amount(told_of_move)} MOVED; all {amount(counted)} orders counted once"
        )

    def _migration(self, stage: Stage) -> SlotMigration:
        source = stage.servers.primary_of(ORDERS_SLOT)
        target = next(server for server in stage.servers.primaries if server is not source)
        return stage.servers.migration(ORDERS_SLOT, target)


class _Redirections(NamedTuple):
    ask: int
    moved: int


def _redirections(stage: Stage) -> _Redirections:
    slot_routing: SlotRouting = stage.plugins["slot_routing"]
    nodes = [node.redirections for node in slot_routing.counters.nodes.values()]
    return _Redirections(
        ask=sum([node.get("ask", 0) for node in nodes]),
        moved=sum([node.get("moved", 0) for node in nodes]),
    )


def _moved_key(migration: SlotMigration) -> str:
    left = migration.source.command("CLUSTER GETKEYSINSLOT", migration.slot, len(ORDER_KEYS))
    return next(key for key in ORDER_KEYS if key not in left)
