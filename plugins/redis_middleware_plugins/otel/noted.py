"""What the other plugins did to a command or batch, read in one place.

They tell it by notes, and by the ``target`` that they send a command to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from redis_middleware import Batch, Command, ServerAddress
from redis_middleware.notes import NODE, NODES, SLOT, public_notes
from redis_middleware_plugins.otel.templates import Attributes

__all__ = ["Notes", "combined", "notes_of", "server_of", "slot_of"]

_MOST_VALUES: Final = 8

Notes = Mapping[str, str | int | float | bool]


def notes_of(subject: Command | Batch) -> list[Notes]:
    """The public notes of a command; of a batch its own, and those of each noted command."""
    if isinstance(subject, Command):
        return [public_notes(subject.notes)] if subject.has_notes else []
    found: list[Notes] = [public_notes(subject.notes)] if subject.notes else []
    if not subject.is_untouched:
        found += [public_notes(command.notes) for command in subject.commands if command.has_notes]
    return found


def server_of(subject: Command | Batch) -> ServerAddress | None:
    """The server that a plugin sent it to at last.

    ``None`` where that is left to the client, or there are several.
    """
    if isinstance(subject, Batch):
        return _server_of_batch(subject)
    noted = _address_of(subject.notes.get(NODE)) if subject.has_notes else None
    return noted or _target_address(subject)


def slot_of(subject: Command | Batch) -> int | None:
    """The hash slot that a plugin sent a command by; ``None`` where the client chose."""
    if isinstance(subject, Command) and _target_address(subject) is not None:
        return subject.slot
    return None


def _server_of_batch(batch: Batch) -> ServerAddress | None:
    target = _target_address(batch)
    if target is not None or batch.is_untouched:
        return target
    found: ServerAddress | None = None
    for command in batch.commands:
        address = server_of(command)
        if address is None or found not in (None, address):
            return None
        found = address
    return found


def _target_address(subject: Command | Batch) -> ServerAddress | None:
    address = getattr(getattr(subject, "target", None), "address", None)
    return address if isinstance(address, ServerAddress) else None


def _address_of(node: object) -> ServerAddress | None:
    host, _, port = str(node or "").rpartition(":")
    return ServerAddress(host.strip("[]"), int(port)) if host and port.isdecimal() else None


def combined(all_notes: Iterable[Notes]) -> Attributes:
    """One attribute for each name.

    Numbers are added up, words gathered, true where any is true. Of numbers of nodes the largest
    stays, and slots are gathered like words.
    """
    values: dict[str, list[Any]] = {}
    for notes in all_notes:
        for name, value in notes.items():
            values.setdefault(name, []).append(value)
    return {name: _together(name, several) for name, several in values.items()}


def _together(name: str, values: list[Any]) -> Any:
    if len(values) == 1:
        return values[0]
    if name == NODES:
        return max(values)
    if all(isinstance(value, bool) for value in values):
        return any(values)
    if name != SLOT and all(isinstance(value, int | float) for value in values):
        return sum(values)
    distinct = sorted(set(values) if name == SLOT else {str(value) for value in values})
    return distinct[0] if len(distinct) == 1 else distinct[:_MOST_VALUES]
