"""One request of the shop with its trace, and the trace as a tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from random import getrandbits
from typing import TYPE_CHECKING, Final

from rich.text import Text
from rich.tree import Tree

from redis_middleware.cli.demo.shop import PRODUCT_KEYS, VIRAL
from redis_middleware.cli.demo.stage import Stage
from redis_middleware.cli.demo.wording import milliseconds

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from redis_middleware_plugins.otel import Otel

__all__ = ["trace_tree", "traced_request"]

_SIDE_BY_SIDE: Final = 4
# The same in every span of this demo, or told by its name.
_LEFT_OUT: Final = {
    "db.namespace",
    "db.operation.name",
    "db.system.name",
    "network.peer.address",
    "network.peer.port",
    "server.address",
}


def traced_request(stage: Stage, moved_key: str) -> tuple[ReadableSpan, ...]:
    """Do what a web server does for a request that came with a sampled trace.

    Args:
        stage: the stage.
        moved_key: a key that is asked for besides.

    Returns:
        The spans of the request: its own, and those of the commands.
    """
    from opentelemetry import trace

    caller = trace.SpanContext(
        trace_id=getrandbits(128),
        span_id=getrandbits(64),
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
    context = trace.set_span_in_context(trace.NonRecordingSpan(caller))
    client = stage.client
    with trace.get_tracer("shop").start_as_current_span("GET /product", context):
        client.get(VIRAL)
        client.mget(PRODUCT_KEYS[:_SIDE_BY_SIDE])
        client.get(moved_key)
        with client.pipeline(transaction=False) as pipe:
            for key in PRODUCT_KEYS[:_SIDE_BY_SIDE]:
                pipe.strlen(key)
            pipe.execute()
    otel: Otel = stage.plugins["otel"]
    exporter = otel.memory.spans
    finished: Sequence[ReadableSpan] = () if exporter is None else exporter.get_finished_spans()
    return tuple([span for span in finished if span.context.trace_id == caller.trace_id])


def trace_tree(spans: Sequence[ReadableSpan]) -> Tree:
    """The spans of a trace, each below its parent, with their attributes."""
    known = {span.context.span_id for span in spans}
    below: defaultdict[int | None, list[ReadableSpan]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.start_time or 0):
        parent = span.parent.span_id if span.parent is not None else None
        below[parent if parent in known else None].append(span)
    (root,) = below[None]
    tree = Tree(_label(root))
    _grow(tree, root, below)
    return tree


def _grow(
    tree: Tree, span: ReadableSpan, below: defaultdict[int | None, list[ReadableSpan]]
) -> None:
    for child in below[span.context.span_id]:
        _grow(tree.add(_label(child)), child, below)


def _label(span: ReadableSpan) -> Text:
    took = ((span.end_time or 0) - (span.start_time or 0)) / 1e9
    label = Text.assemble((span.name, "bold"), f"  {milliseconds(took)}")
    attributes = {
        name: value for name, value in (span.attributes or {}).items() if name not in _LEFT_OUT
    }
    if attributes:
        label.append("\n")
    for index, (name, value) in enumerate(attributes.items()):
        label.append(", " if index else "")
        label.append(name, style="cyan")
        label.append(f" {' '.join(map(str, value)) if isinstance(value, tuple) else value}")
    return label
