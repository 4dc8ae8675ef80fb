"""A plain client becomes one that runs five plugins, and finds its way in a cluster."""

from __future__ import annotations

import redis
from rich.text import Text

from redis_middleware.cli.demo.stage import Play, SceneFailed, Stage, Tell, address_of
from redis_middleware.cli.demo.wording import amount, milliseconds

__all__ = ["OneLine"]


class OneLine:
    """The line, the settings file, and the load as it is every day."""

    name = "wrap"
    title = "One line wraps a plain redis.Redis"

    def play(self, stage: Stage, tell: Tell) -> Play:
        """Show both, and start the load."""
        first = stage.servers.primaries[0]
        tell(Text(f'client = redis.Redis.from_url("redis://{address_of(first)}")', style="dim"))
        tell(Text(f'wrap(client, "{stage.settings.name}")', style="bold green"))
        tell(Text(f"\n{stage.settings.read_text(encoding='utf-8')}", style="cyan"))
        if type(stage.client) is not redis.Redis:
            raise SceneFailed(f"the client is a {type(stage.client).__qualname__} now")
        yield stage.pause(3)
        stage.shop.fill()
        mark = stage.meter.mark()
        stage.load.start()
        tell(
            f"{stage.load.threads} threads ask for products by Zipf's law, through that one client:"
        )
        tell(f"the pipeline is {' > '.join(stage.plugins)} > the cluster.")
        yield stage.pause(3)
        reading = stage.meter.since(mark)
        idle = [server.address for server in reading.servers if server.commands < 10]
        if idle:
            raise SceneFailed(f"no requests reached {', '.join(idle)}")
        shares = ", ".join(f"{amount(server.commands)}/s" for server in reading.servers)
        return (
            f"{amount(reading.rate)} requests/s, p99 {milliseconds(reading.p99)}; the servers get "
            f"{shares}"
        )
