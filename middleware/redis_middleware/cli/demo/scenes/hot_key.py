"""A key goes viral; key_access finds it while it happens."""

from __future__ import annotations

import time

from redis_middleware.cli.demo.shop import VIRAL
from redis_middleware.cli.demo.stage import Play, SceneFailed, Stage, Tell, address_of
from redis_middleware.cli.demo.wording import amount, milliseconds, percent
from redis_middleware_plugins.key_access import HotKeyEvent, KeyAccess

__all__ = ["HotKey"]

_FOUND_WITHIN = 10.0


class HotKey:
    """Nearly everybody looks at one product."""

    name = "hot key"
    title = "One key goes viral, and key_access finds it"

    def play(self, stage: Stage, tell: Tell) -> Play:
        """Wait for the plugin to find the key; look what it does to its server."""
        found: list[tuple[float, HotKeyEvent]] = []

        def hear(event: HotKeyEvent) -> None:
            if event.change == "became hot" and event.hot_key.key == VIRAL.encode():
                found.append((time.perf_counter(), event))

        key_access: KeyAccess = stage.plugins["key_access"]
        unsubscribe = key_access.subscribe(hear)
        try:
            begun = time.perf_counter()
            stage.shop.has_gone_viral = True
            tell("A celebrity names one of the products: everybody asks for it now.")
            yield from stage.wait_until(
                lambda: bool(found), f"key_access finds {VIRAL}", _FOUND_WITHIN
            )
        finally:
            unsubscribe()
        at, event = found[0]
        hot = event.hot_key
        if hot.slot is None:
            raise SceneFailed(f"key_access does not know the slot of {hot.name}")
        owner = address_of(stage.servers.primary_of(hot.slot))
        tell(f"key_access, {at - begun:.1f} s later: {hot.name} {event.change},")
        tell(
            f"  {percent(hot.share.estimate)} of all accesses and {amount(hot.rate.estimate)} a "
            f"second, mostly to {hot.kind}."
        )
        tell(f"  Its slot, {hot.slot}, is on {owner}.")
        mark = stage.meter.mark()
        yield stage.pause(5)
        stage.before = reading = stage.meter.since(mark)
        busy = reading.server(owner)
        others = [server for server in reading.servers if server.address != owner]
        if reading.busiest is not busy:
            raise SceneFailed(f"{owner} is not the busiest server, but {reading.busiest.address}")
        rest = " and ".join(f"{amount(server.commands)}/s" for server in others)
        tell(
            f"That server carries out {amount(busy.commands)} commands/s and uses "
            f"{percent(busy.cpu)} of a core; the others {rest}."
        )
        tell(f"{amount(reading.rate)} requests/s, p99 {milliseconds(reading.p99)}.")
        yield stage.pause(2)
        return (
            f"{hot.name} found after {at - begun:.1f} s; its server does "
            f"{amount(busy.commands)} commands/s, the others {rest}"
        )
