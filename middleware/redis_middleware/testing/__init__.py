"""Testing plugins without a server.

A :class:`Script` runs plugins with the code that runs them on a real client, and in place of the
server it plays what the test says: replies, errors, lost connections, time that passes. It keeps
what was sent, so that the test can look::

    def test_a_slow_command_is_noted():
        clock = FakeClock()
        plugin = SlowLog(SlowLogSettings(threshold=0.1), clock=clock)
        script = Script(plugin, clock=clock).replies(b"value", takes=0.2)
        assert script.run("GET", "k") == b"value"
        assert script.sent == [("GET", "k")]
        assert plugin.entries()[0].duration == 0.2

``run`` takes a single command through the plugins; ``pipeline``, ``transaction``, ``deliver`` and
``connect`` do the same for the other things that hooks are around. Each has a twin for the async
driver, ``run_async`` and so on.

A flow can also be stepped through by hand, being a generator: ``flow = plugin.redis_command(
command("GET", "k"))``, ``next(flow)``, ``flow.send(b"value")``.
"""

from redis_middleware.testing.clock import FakeClock
from redis_middleware.testing.script import Script
from redis_middleware.testing.server import ScriptError
from redis_middleware.testing.stand_ins import client_view, command

__all__ = ["FakeClock", "Script", "ScriptError", "client_view", "command"]
