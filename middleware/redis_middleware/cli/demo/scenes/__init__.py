"""The scenes of the demo, each a module of its own."""

from __future__ import annotations

from redis_middleware.cli.demo.scenes.big_write import BigWrite
from redis_middleware.cli.demo.scenes.emergency import Emergency
from redis_middleware.cli.demo.scenes.hot_key import HotKey
from redis_middleware.cli.demo.scenes.one_line import OneLine
from redis_middleware.cli.demo.scenes.slot_move import SlotMove
from redis_middleware.cli.demo.scenes.traced_request import TracedRequest
from redis_middleware.cli.demo.stage import Scene

__all__ = ["all_scenes"]


def all_scenes() -> list[Scene]:
    """The scenes of the story, in order."""
    return [OneLine(), HotKey(), Emergency(), BigWrite(), SlotMove(), TracedRequest()]
