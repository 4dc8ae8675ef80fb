"""What the other plugins noted on a command or batch, as attributes of one span."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from redis_middleware import Batch, Command
from redis_middleware.notes import public_notes
from redis_middleware_plugins.otel.client_facts import Attributes

__all__ = ["combined", "notes_of"]

_MOST_VALUES = 8

Notes = dict[str, str | int | float | bool]


def notes_of(subject: Command | Batch) -> list[Notes]:
    """The public notes of a command; of a batch its own, and those of each noted command."""
    if isinstance(subject, Command):
        return [public_notes(subject.notes)] if subject.has_notes else []
    found = [public_notes(subject.notes)] if subject.notes else []
    if not subject.is_untouched:
        found += [public_notes(command.notes) for command in subject.commands if command.has_notes]
    return found


def combined(all_notes: Iterable[Notes]) -> Attributes:
    """One attribute for each name: numbers added up, words gathered, true where any is true."""
    values: dict[str, list[Any]] = {}
    for notes in all_notes:
        for name, value in notes.items():
            values.setdefault(name, []).append(value)
    return {name: _together(several) for name, several in values.items()}


def _together(values: list[Any]) -> Any:
    if len(values) == 1:
        return values[0]
    if all(isinstance(value, bool) for value in values):
        return any(values)
    if all(isinstance(value, int | float) for value in values):
        return sum(values)
    distinct = sorted({str(value) for value in values})
    return distinct[0] if len(distinct) == 1 else distinct[:_MOST_VALUES]
