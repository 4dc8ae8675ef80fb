"""From the replies of all nodes to one, of the shape that a single server's reply has.

Replies are as redis-py gives them: after its callbacks, in the shapes of RESP2 or RESP3, decoded or
not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Final

from redis.exceptions import ResponseError

from redis_middleware import Command

__all__ = [
    "Merge",
    "by_time",
    "column_by_column",
    "first",
    "first_success",
    "killed",
    "latest_entries",
    "latest_events",
    "random_key",
    "running_script",
    "subscribers",
    "texts",
    "together",
    "union",
]

Merge = Callable[[Command, Sequence[Any]], Any]
"""From a command and the replies to it to the one reply."""

_LOG_ENTRIES: Final = 10
"""How many SLOWLOG GET gives without a number."""


def first(command: Command, replies: Sequence[Any]) -> Any:
    """The first node's, where all say the same."""
    return replies[0]


def first_success(command: Command, replies: Sequence[Any]) -> Any:
    """The first that is no failure; else the first failure is raised."""
    for reply in replies:
        if not isinstance(reply, Exception):
            return reply
    raise replies[0]


def column_by_column(function: Callable[[Iterable[Any]], Any]) -> Merge:
    """A function of the replies; for lists, of their first elements, their second ones ..."""

    def merge(command: Command, replies: Sequence[Any]) -> Any:
        if isinstance(replies[0], list):
            return [function(column) for column in zip(*replies, strict=True)]
        return function(replies)

    return merge


def together(command: Command, replies: Sequence[Any]) -> Any:
    """All elements, of lists or of dictionaries; of anything else the first node's."""
    if isinstance(replies[0], list):
        return list(chain.from_iterable(replies))
    if isinstance(replies[0], dict):
        return {name: value for reply in replies for name, value in reply.items()}
    return replies[0]


def union(command: Command, replies: Sequence[Any]) -> list[Any]:
    """All elements, each once."""
    return list(dict.fromkeys(chain.from_iterable(replies)))


def random_key(
    choose: Callable[[Sequence[Any]], Any], command: Command, replies: Sequence[Any]
) -> Any:
    """One of the keys that the nodes gave; ``None`` where no node has any."""
    keys = [reply for reply in replies if reply is not None]
    return choose(keys) if keys else None


def subscribers(command: Command, replies: Sequence[Any]) -> list[Any]:
    """Each channel with the sum of its numbers: in pairs, or flat where redis-py left it so."""
    elements = list(chain.from_iterable(replies))
    in_pairs = all(isinstance(element, tuple) for element in elements)
    totals: dict[Any, int] = {}
    for channel, number in elements if in_pairs else zip(*[iter(elements)] * 2, strict=True):
        totals[channel] = totals.get(channel, 0) + number
    return list(totals.items()) if in_pairs else list(chain.from_iterable(totals.items()))


def killed(command: Command, replies: Sequence[Any]) -> Any:
    """How many clients were killed; in the old form, by address, whether any node had it."""
    for reply in replies:
        if isinstance(reply, Exception) and not isinstance(reply, ResponseError):
            raise reply
    counts = [reply for reply in replies if type(reply) is int]
    return sum(counts) if len(counts) == len(replies) else first_success(command, replies)


def latest_entries(command: Command, replies: Sequence[Any]) -> list[Any]:
    """The latest entries of the logs, as many as were asked for: ``... GET [count [type]]``."""
    entries = list(chain.from_iterable(replies))
    entries.sort(key=lambda entry: entry["start_time" if isinstance(entry, dict) else 1])
    entries.reverse()
    wire = command.wire
    count = int(wire[2]) if len(wire) > 2 else _LOG_ENTRIES
    return entries if count < 0 else entries[:count]


def by_time(command: Command, replies: Sequence[Any]) -> list[Any]:
    """The samples of LATENCY HISTORY, ``[time, latency]`` each, the oldest first."""
    return sorted(chain.from_iterable(replies), key=lambda sample: sample[0])


def latest_events(command: Command, replies: Sequence[Any]) -> list[Any]:
    """The rows of LATENCY LATEST, one for each event: when it last was, with the highest maximum.

    A row is ``[event, time, latency, maximum]``; from Valkey 8.1 sum and number of samples follow.
    """
    latest: dict[Any, list[Any]] = {}
    for row in chain.from_iterable(replies):
        event, known = row[0], latest.get(row[0])
        if known is None:
            latest[event] = list(row)
            continue
        newer = row if row[1] > known[1] else known
        totals = [one + other for one, other in zip(known[4:], row[4:], strict=True)]
        latest[event] = [*newer[:3], max(known[3], row[3]), *totals]
    return list(latest.values())


def running_script(command: Command, replies: Sequence[Any]) -> Any:
    """FUNCTION STATS of a node that runs a script, if any does; the engines are the same."""

    def is_running(reply: Any) -> bool:
        fields = reply if isinstance(reply, dict) else dict(zip(*[iter(reply)] * 2, strict=True))
        return (fields.get("running_script") or fields.get(b"running_script")) is not None

    return next(filter(is_running, replies), replies[0])


def texts(command: Command, replies: Sequence[Any]) -> Any:
    """Reports in words, one below the other, each different one once."""
    different = list(dict.fromkeys(replies))
    return (b"\n\n" if isinstance(different[0], bytes) else "\n\n").join(different)
