"""The emergency answer: a rule in the settings file, and the local cache takes the key over."""

from __future__ import annotations

import time

from rich.text import Text

from redis_middleware.cli.demo.comparison import comparison
from redis_middleware.cli.demo.shop import VIRAL
from redis_middleware.cli.demo.stage import Play, SceneFailed, Stage, Tell
from redis_middleware.cli.demo.wording import amount, change, milliseconds, percent
from redis_middleware_plugins.local_cache import LocalCache

__all__ = ["Emergency"]

_TAKEN_WITHIN = 10.0
_LEAST_HIT_RATIO = 0.9
_RULE = f"""
[[local_cache.rules]]
keys = "{VIRAL}"
ttl = "10 s"
"""


class Emergency:
    """No restart, no deployment: the running client takes the changed file."""

    name = "local cache"
    title = "The emergency answer: three lines, and local_cache takes the key over"

    def play(self, stage: Stage, tell: Tell) -> Play:
        """Change the file, and measure before and after."""
        before = stage.before
        if before is None:
            raise SceneFailed("there is no hot key to take over")
        tell(f"Added to {stage.settings.name}, while the shop goes on:")
        tell(Text(_RULE, style="cyan"))
        yield stage.pause(1.5)
        written = time.perf_counter()
        stage.change_settings(_RULE)
        cache: LocalCache = stage.plugins["local_cache"]
        yield from stage.wait_until(
            lambda: _hits_and_misses(cache)[0] > 0,
            f"local_cache answers reads of {VIRAL}",
            _TAKEN_WITHIN,
        )
        taken = time.perf_counter() - written
        tell(f"The first read was answered from memory {taken:.1f} s later.")
        # The old state is to be out of what is measured.
        yield stage.pause(0.5)
        mark = stage.meter.mark()
        hits, misses = _hits_and_misses(cache)
        yield stage.pause(5)
        stage.after = after = stage.meter.since(mark)
        later_hits, later_misses = _hits_and_misses(cache)
        hits, misses = later_hits - hits, later_misses - misses
        ratio = hits / max(hits + misses, 1)
        tell(f"{percent(ratio)} of its reads never leave the process now:")
        tell(comparison(before, after))
        yield stage.pause(2.5)
        if ratio < _LEAST_HIT_RATIO:
            state = cache.statistics().state
            raise SceneFailed(f"local_cache is {state} and answers {percent(ratio)} of the reads")
        busiest = before.busiest
        still = after.server(busiest.address).commands / max(after.rate, 1.0)
        # By request: both rates fall together where the machine has other things to do.
        if still > busiest.commands / max(before.rate, 1.0) / 2:
            raise SceneFailed(
                f"{busiest.address} still gets a command for {percent(still)} of the requests"
            )
        return (
            f"{amount(before.rate)} to {amount(after.rate)} requests/s "
            f"({change(before.rate, after.rate)}), p99 {milliseconds(before.p99)} to "
            f"{milliseconds(after.p99)}"
        )


def _hits_and_misses(cache: LocalCache) -> tuple[int, int]:
    statistics = cache.statistics()
    return statistics.hits, statistics.misses
