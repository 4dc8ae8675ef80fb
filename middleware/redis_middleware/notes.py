"""Notes with agreed names, by which plugins tell those who watch what they did.

``command.notes`` and ``batch.notes`` are dictionaries that stay with a command through
``replace``. A note whose name has a dot in it is meant for everybody: plugins that trace, count or
explain pass it on as it is. Its value is a string, a whole number, a float or a bool, and none of
them ever holds a value of the application's. Names without a dot are for whoever agreed on them.

These have a fixed meaning, and functions here to write them:

=======================================  =================================================
``redis_middleware.answered_by``         the plugin that answered without the server
``redis_middleware.cache``               ``hit``, ``miss``, ``stale``; ``bypass``: the server was
                                         asked past the cache, as in a transaction
``redis_middleware.refused_by``          the plugin that refused the command
``redis_middleware.refusal``             why, in one word from a fixed set of the plugin's
``redis_middleware.redirections.moved``  how often the command was redirected with MOVED
``redis_middleware.redirections.ask``    the same with ASK
``redis_middleware.retries``             how often a plugin sent it again
``redis_middleware.nodes``               over how many nodes it was split
``redis_middleware.node``                the node it went to at last, ``host:port``
``redis_middleware.slot``                its hash slot
``redis_middleware.big_key``             true where a key or value over a limit was met
=======================================  =================================================

A plugin of somebody else's writes its own under its own name: ``command.notes["tenants.tier"]``.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from redis_middleware.command import Batch, Command

__all__ = [
    "ANSWERED_BY",
    "ASK",
    "BIG_KEY",
    "CACHE",
    "MOVED",
    "NODE",
    "NODES",
    "REFUSAL",
    "REFUSED_BY",
    "RETRIES",
    "SLOT",
    "note_answer",
    "note_cache",
    "note_redirection",
    "note_refusal",
    "note_retry",
    "note_split",
    "public_notes",
]

ANSWERED_BY: Final = "redis_middleware.answered_by"
CACHE: Final = "redis_middleware.cache"
REFUSED_BY: Final = "redis_middleware.refused_by"
REFUSAL: Final = "redis_middleware.refusal"
MOVED: Final = "redis_middleware.redirections.moved"
ASK: Final = "redis_middleware.redirections.ask"
RETRIES: Final = "redis_middleware.retries"
NODES: Final = "redis_middleware.nodes"
NODE: Final = "redis_middleware.node"
SLOT: Final = "redis_middleware.slot"
BIG_KEY: Final = "redis_middleware.big_key"

Noted = Command | Batch


def note_answer(subject: Noted, plugin: str) -> None:
    """Note that a plugin answered in the server's place."""
    subject.notes[ANSWERED_BY] = plugin


def note_cache(subject: Noted, outcome: Literal["hit", "miss", "stale", "bypass"]) -> None:
    """Note what looking into a cache gave; ``bypass``: it went to the server past the cache."""
    subject.notes[CACHE] = outcome


def note_refusal(subject: Noted, plugin: str, reason: str) -> None:
    """Note that a plugin is about to refuse: nothing is sent.

    Args:
        subject: what it refuses.
        plugin: its name.
        reason: one word from a fixed set, such as ``"value_too_big"``; it becomes a label of
            metrics, so it never holds a key, a size or a name from outside.
    """
    subject.notes[REFUSED_BY] = plugin
    subject.notes[REFUSAL] = reason


def note_redirection(subject: Noted, kind: Literal["MOVED", "ASK"], node: str) -> None:
    """Note one redirection, to the node ``host:port``."""
    name = MOVED if kind == "MOVED" else ASK
    subject.notes[name] = subject.notes.get(name, 0) + 1
    subject.notes[NODE] = node


def note_retry(subject: Noted) -> None:
    """Note that it is sent once more."""
    subject.notes[RETRIES] = subject.notes.get(RETRIES, 0) + 1


def note_split(subject: Noted, nodes: int) -> None:
    """Note over how many nodes it is split."""
    subject.notes[NODES] = nodes


def public_notes(notes: dict[str, Any]) -> dict[str, str | int | float | bool]:
    """Those of the notes that are meant for everybody."""
    return {
        name: value
        for name, value in notes.items()
        if isinstance(name, str) and "." in name and isinstance(value, str | int | float)
    }
