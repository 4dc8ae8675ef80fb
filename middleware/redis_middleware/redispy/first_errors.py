"""redis-py's own retries of a whole pipeline, kept although every flow gets a reply of its own.

redis-py raises the first error among a pipeline's replies within its retries: the pipeline is sent
again where that is an error to retry on (``retry_on_error``, a cluster that is down). A round of
the lockstep raises it there too, and keeps the replies for the flows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from redis_middleware.redispy.steps import Steps

__all__ = ["FirstErrors"]


class FirstErrors:
    """What executes a round: a plain pipeline, or the strategy of a cluster's pipeline.

    A pipeline shows no other public names than redis-py's: these methods are for the rounds only.
    """

    _in_round = False
    _kept: Sequence[Any] | None = None

    def _begin_round(self) -> None:
        """From now on the first error is raised as it is, and the replies are kept."""
        self._in_round = True
        self._kept = None

    def _end_round(self) -> None:
        """From now on errors are raised as redis-py does it."""
        self._in_round = False
        self._kept = None

    def _replies_with(self, error: Exception) -> Sequence[Any] | None:
        """The replies whose first error was raised; ``None`` where it came from elsewhere."""
        kept = self._kept
        if kept is None or _first_error(kept) is not error:
            return None
        # Its frames hold the replies, and so the error itself.
        error.__traceback__ = None
        return kept

    def _attempt(self, execute: Callable[[bool], Any], raise_on_error: bool) -> Steps:
        """Execute once; the function is given whether to raise errors."""
        if not (self._in_round and raise_on_error):
            return (yield execute(raise_on_error))
        return self._raise_first((yield execute(False)))

    def _raise_first(self, replies: Sequence[Any]) -> Sequence[Any]:
        error = _first_error(replies)
        if error is not None:
            self._kept = replies
            raise error
        return replies


def _first_error(replies: Sequence[Any]) -> Exception | None:
    return next((reply for reply in replies if isinstance(reply, Exception)), None)
