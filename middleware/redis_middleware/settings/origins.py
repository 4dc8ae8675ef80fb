"""Where a settings value came from: a file, a mapping given in code, a profile, the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

__all__ = [
    "EnvironmentVariable",
    "FileStamp",
    "KeyPath",
    "Origin",
    "Override",
    "ProfileTable",
    "override_of",
]

KeyPath: TypeAlias = tuple[str | int, ...]
"""The way to a value from the top of the settings: table and key names, list indexes from 0."""


class FileStamp(NamedTuple):
    """What tells one version of a file from the next without reading it."""

    modified_ns: int
    inode: int
    device: int
    size: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileStamp:
        """Return the stamp in a ``stat`` result."""
        return cls(status.st_mtime_ns, status.st_ino, status.st_dev, status.st_size)


@dataclass(frozen=True, slots=True)
class Origin:
    """The source that settings were read from.

    Attributes:
        path: the file; None where the settings came from a mapping or nothing was found.
        prefix: the table of the file that holds the settings: ``("tool", "redis-middleware")`` in
            a ``pyproject.toml``, else empty.
        given_in_code: the settings are a mapping that the application passed.
        stamp: the version of the file that was read.
    """

    path: Path | None = None
    prefix: tuple[str, ...] = ()
    given_in_code: bool = False
    stamp: FileStamp | None = field(default=None, compare=False)

    def __str__(self) -> str:
        if self.path is not None:
            return str(self.path)
        if self.given_in_code:
            return "the settings mapping given in code"
        return "the empty settings (no settings file was found)"


@dataclass(frozen=True, slots=True)
class EnvironmentVariable:
    """A value that an environment variable sets.

    Attributes:
        name: the variable's name as it stands in the environment.
        text: its value before anything was parsed.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ProfileTable:
    """A value that the table ``[profiles.NAME]`` sets."""

    name: str


Override: TypeAlias = EnvironmentVariable | ProfileTable


def override_of(overrides: Mapping[KeyPath, Override], path: KeyPath) -> Override | None:
    """Return what set the value at ``path``, or None where the top level of the source did."""
    ways = (path[:end] for end in range(len(path), 0, -1))
    return next((overrides[way] for way in ways if way in overrides), None)
