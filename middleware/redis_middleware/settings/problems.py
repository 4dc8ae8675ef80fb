"""The wording of settings errors: where a problem is, what was seen, which name was meant."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from redis_middleware.errors import SettingsError
from redis_middleware.settings.origins import (
    EnvironmentVariable,
    KeyPath,
    Origin,
    Override,
    ProfileTable,
    override_of,
)

__all__ = [
    "Place",
    "combined",
    "did_you_mean",
    "nearest",
    "place_of",
    "settings_error",
    "shown",
]

_LONGEST_VALUE = 100
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Place(NamedTuple):
    """Where a value stands; as text ``"/srv/app.toml, line 3: [slow_log] keep"``.

    Attributes:
        where: the file with the line, the environment variable, or the mapping.
        table: the header of the table that holds the key, such as ``[slow_log]`` or
            ``[[local_cache.rules]] #2``; empty at the top level.
        key: the key in that table, with the number of the item where it is one of a list.
    """

    where: str
    table: str
    key: str

    def __str__(self) -> str:
        return f"{self.where}: {f'{self.table} {self.key}'.strip()}"

    @property
    def header(self) -> str:
        """The header of the table that stands here, or belongs here, such as ``[slow_log]``."""
        inside = self.table.removesuffix("]") + "." if self.table else "["
        return f"{inside}{self.key}]"

    def of_table(self) -> str:
        """Return this place as text when what stands here is a table itself."""
        return f"{self.where}: {self.header}"


def place_of(origin: Origin, overrides: Mapping[KeyPath, Override], path: KeyPath) -> Place:
    """Return where the value at ``path`` was set, or would have been if it is missing."""
    override = override_of(overrides, path)
    if isinstance(override, EnvironmentVariable):
        return Place(f"environment variable {override.name}", *_table_and_key(path))
    if isinstance(override, ProfileTable):
        path = ("profiles", override.name, *path)
    full_path = (*origin.prefix, *path)
    line = _line(origin, full_path)
    where = f"{origin}, line {line}" if line else str(origin)
    return Place(where, *_table_and_key(full_path))


def _line(origin: Origin, full_path: KeyPath) -> int | None:
    from redis_middleware.settings.lines import line_of

    if origin.path is None:
        return None
    try:
        text = origin.path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        # The file went away since it was read: the message does without a line.
        return None
    return line_of(text, full_path)


def _table_and_key(path: KeyPath) -> tuple[str, str]:
    """Split a path into its table's header and the key in it: ``("[[a.rules]] #2", "ttl")``."""
    item = ""
    if path and isinstance(path[-1], int):
        item = f", item {path[-1] + 1}"
        path = path[:-1]
    last_index = max((at for at, step in enumerate(path) if isinstance(step, int)), default=None)
    if last_index is None:
        return f"[{_dotted(path[:-1])}]" if path[1:] else "", _dotted(path[-1:]) + item
    number = path[last_index]
    assert isinstance(number, int)
    header = f"[[{_dotted(path[:last_index])}]] #{number + 1}"
    return header, _dotted(path[last_index + 1 :]) + item


def _dotted(path: KeyPath) -> str:
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if _BARE_KEY.fullmatch(step) else json.dumps(step, ensure_ascii=False)
            text += f".{name}" if text else name
    return text


def shown(value: object) -> str:
    """Return a value as an error message shows it: as TOML writes it, cut when long.

    Tables are not shown: what is wrong with a table is said of its keys, and others of its keys
    may be secret.
    """
    if isinstance(value, Mapping):
        return "{...}" if value else "{}"
    if isinstance(value, (list, tuple)):
        text = f"[{', '.join(shown(item) for item in value)}]"
    elif isinstance(value, (str, bool, int, float)):
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."


def nearest(name: str, known: Iterable[str], *, at_least: float = 0.6) -> str | None:
    """Return the name of ``known`` that ``name`` most likely stands for, or None.

    Args:
        name: what was written.
        known: what can have been meant.
        at_least: how alike the two must be, from 0 to 1, as ``difflib`` counts it.
    """
    import difflib

    by_folded = {other.casefold().replace("-", "_"): other for other in known}
    close = difflib.get_close_matches(name.casefold().replace("-", "_"), by_folded, 1, at_least)
    return by_folded[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest of ``known``, or nothing."""
    meant = nearest(name, known)
    return "" if meant is None else f"; did you mean {meant!r}?"


def settings_error(problems: Sequence[str]) -> SettingsError:
    """Return one error that lists every problem."""
    if len(problems) == 1:
        return SettingsError(problems[0])
    lines = "".join(f"\n  - {problem}" for problem in problems)
    return SettingsError(f"{len(problems)} problems in the settings:{lines}")


def combined(errors: Sequence[SettingsError]) -> SettingsError:
    """Return the only error of ``errors``, or one that lists them all and has them as its cause."""
    if len(errors) == 1:
        return errors[0]
    error = settings_error([str(each).replace("\n", "\n    ") for each in errors])
    error.__cause__ = ExceptionGroup("the settings' problems, one by one", list(errors))
    return error
