"""Files and tables that nobody reads because their names are nearly the right ones."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from redis_middleware.settings.lines import statements
from redis_middleware.settings.problems import nearest

__all__ = ["near_miss_files", "near_miss_tables"]

# Two letters off, or as many separators as you like; a word more is another name.
_AT_LEAST = 0.93


def near_miss_files(folders: Iterable[Path], meant: str) -> Iterator[Path]:
    """Yield the files in ``folders`` whose name is nearly that of a TOML file.

    Args:
        folders: where to look; those that cannot be listed are passed over.
        meant: the right name, such as ``redis-middleware.toml``.
    """
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            # The search for the right name did not need to list it either.
            continue
        for name in names:
            if name.casefold().endswith(".toml") and _is_near(name, meant):
                yield folder / name


def near_miss_tables(text: str, meant: tuple[str, str]) -> Iterator[tuple[int, str]]:
    """Yield the tables of a TOML document whose name is nearly the right one.

    Args:
        text: the document.
        meant: the right name, such as ``("tool", "redis-middleware")``; a table that has the
            second part of it for its own name is near, too.

    Yields:
        The number of the line, from 1, where it begins, and its header, such as
        ``[tool.redis_middleware]``.
    """
    met = set()
    for line, path in statements(text):
        names = path[:2] if path[:1] == meant[:1] else path[:1]
        name = str(names[-1])
        if names not in (meant, meant[:1]) and names not in met and _is_near(name, meant[1]):
            met.add(names)
            yield line, f"[{'.'.join(map(str, names))}]"


def _is_near(name: str, meant: str) -> bool:
    return nearest(_letters(name), (_letters(meant),), at_least=_AT_LEAST) is not None


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.casefold())
