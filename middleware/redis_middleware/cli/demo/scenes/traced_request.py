"""The trace of one request, made while the slot was on its way."""

from __future__ import annotations

from redis_middleware.cli.demo.stage import Play, SceneFailed, Stage, Tell
from redis_middleware.cli.demo.tracing import trace_tree
from redis_middleware.notes import ASK, CACHE, NODES

__all__ = ["TracedRequest"]

_SHOWN = (CACHE, NODES, ASK)


class TracedRequest:
    """What the plugins did, as attributes of the spans."""

    name = "trace"
    title = "The trace of one request, made while the slot was moving"

    def play(self, stage: Stage, tell: Tell) -> Play:
        """Show it as a tree."""
        stage.load.stop()
        spans = stage.traced
        if not spans:
            raise SceneFailed("no request was traced")
        tell(trace_tree(spans))
        yield stage.pause(6)
        names = {name for span in spans for name in span.attributes or ()}
        missing = [name for name in _SHOWN if name not in names]
        if missing:
            raise SceneFailed(f"no span has the attribute {' or '.join(missing)}")
        return (
            f"{len(spans)} spans: one answered from memory, one spread over servers, one sent on "
            "by ASK"
        )
