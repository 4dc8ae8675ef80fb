"""Finding the settings and reading them: the argument, the environment, the files around."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from redis_middleware.errors import SettingsError
from redis_middleware.settings.origins import FileStamp, Origin

__all__ = ["FILE_NAME", "PATH_VARIABLE", "PYPROJECT_TABLE", "near_misses", "read_source"]

FILE_NAME = "redis-middleware.toml"
PATH_VARIABLE = "REDIS_MIDDLEWARE_SETTINGS"
PYPROJECT_TABLE = ("tool", "redis-middleware")

_PYPROJECT = "pyproject.toml"
_PYPROJECT_HEADER = f"[{'.'.join(PYPROJECT_TABLE)}]"
# A Path has one slash left of the two; a Windows drive is one letter.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def read_source(
    source: str | os.PathLike[str] | Mapping[str, object] | None,
    environ: Mapping[str, str],
    directory: Path | None,
) -> tuple[dict[str, Any], Origin]:
    """Return the raw settings and where they came from.

    Args:
        source: a file, the settings themselves, or None for the search.
        environ: the environment, for ``REDIS_MIDDLEWARE_SETTINGS``.
        directory: where the search begins; the working directory when None.

    Raises:
        SettingsError: the file that was named, or found, cannot be read or is not TOML.
        TypeError: ``source`` is of another type.
    """
    if isinstance(source, Mapping):
        return _plain(source), Origin(given_in_code=True)
    if isinstance(source, (str, os.PathLike)):
        return _read(Path(source), "the settings argument")
    if source is not None:
        raise TypeError(
            f"settings are a path, a mapping or None (to search), not {type(source).__name__}"
        )
    if environ.get(PATH_VARIABLE):
        return _read(Path(environ[PATH_VARIABLE]), f"environment variable {PATH_VARIABLE}")
    # A directory or a dangling link too: what it stands in place of was meant to be there.
    for path in _candidates(FILE_NAME, directory, os.path.lexists):
        return _read(path, "the search for settings")
    for path in _candidates(_PYPROJECT, directory, os.path.isfile):
        found = _read_pyproject_in_passing(path)
        if found is not None:
            return found
    return {}, Origin()


def near_misses(directory: Path | None) -> Iterator[tuple[str, str]]:
    """Yield what the search for settings passed over, each with what was probably meant.

    Args:
        directory: where the search began; the working directory when None.
    """
    from redis_middleware.settings.near_misses import near_miss_files, near_miss_tables

    for path in near_miss_files(_folders(directory), FILE_NAME):
        yield str(path), str(path.parent / FILE_NAME)
    for path in _candidates(_PYPROJECT, directory, os.path.isfile):
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        for line, header in near_miss_tables(text, PYPROJECT_TABLE):
            yield f"{path}, line {line}: table {header}", _PYPROJECT_HEADER


def _plain(mapping: Mapping[str, object]) -> dict[str, Any]:
    """Copy the tables, which overlays change, and keep every other object as it is."""
    for key in mapping:
        if not isinstance(key, str):
            raise SettingsError(
                f"{Origin(given_in_code=True)}: the key {key!r} is {type(key).__name__}: "
                "names of tables and keys are strings"
            )
    return {
        key: _plain(value) if isinstance(value, Mapping) else value
        for key, value in mapping.items()
    }


def _candidates(
    name: str, directory: Path | None, exists: Callable[[Path], bool]
) -> Iterator[Path]:
    for folder in _folders(directory):
        if exists(folder / name):
            yield folder / name


def _folders(directory: Path | None) -> Sequence[Path]:
    start = Path.cwd() if directory is None else Path(directory).absolute()
    return (start, *start.parents)


def _read(path: Path, named_by: str) -> tuple[dict[str, Any], Origin]:
    if url := _URL.match(str(path)):
        raise SettingsError(
            f"{named_by} looks like a URL ({url[1]}://…, the rest may hold a password and is not "
            "shown): settings are the path of a file or a mapping; the URL of a server makes the "
            "client, as in wrap(redis.Redis.from_url(url))"
        )
    path = path.expanduser()
    content, stamp = _content(path, named_by)
    document = _parsed(content, path)
    if path.name != _PYPROJECT:
        return document, Origin(path, stamp=stamp)
    table = _pyproject_table(document, path)
    if table is None:
        from redis_middleware.settings.near_misses import near_miss_tables

        near = near_miss_tables(content.decode("utf-8-sig"), PYPROJECT_TABLE)
        cure = next((f"; line {line} has {header}: rename it" for line, header in near), ": add it")
        raise SettingsError(
            f"{named_by}: {path} has no table {_PYPROJECT_HEADER}{cure}, or name a {FILE_NAME}"
        )
    return table, Origin(path, PYPROJECT_TABLE, stamp=stamp)


def _read_pyproject_in_passing(path: Path) -> tuple[dict[str, Any], Origin] | None:
    content, stamp = _content(path, "the search for settings")
    # Most projects' files do not name us: they are not parsed, and may be broken for all we care.
    if PYPROJECT_TABLE[1].encode() not in content:
        return None
    table = _pyproject_table(_parsed(content, path), path)
    return None if table is None else (table, Origin(path, PYPROJECT_TABLE, stamp=stamp))


def _pyproject_table(document: dict[str, Any], path: Path) -> dict[str, Any] | None:
    tools = document.get(PYPROJECT_TABLE[0])
    table = tools.get(PYPROJECT_TABLE[1]) if isinstance(tools, dict) else None
    if table is None or isinstance(table, dict):
        return table
    raise SettingsError(f"{path}: {_PYPROJECT_HEADER} is not a table: write it as one")


def _content(path: Path, named_by: str) -> tuple[bytes, FileStamp]:
    try:
        with open(path, "rb") as file:
            # Taken before reading, so that a write in between shows as a change later.
            stamp = FileStamp.of(os.fstat(file.fileno()))
            return file.read(), stamp
    except FileNotFoundError as error:
        raise SettingsError(
            f"{named_by}: the file {path} does not exist: create it, or name another"
            + ("" if path.is_absolute() else f" (the path is relative to {Path.cwd()})")
        ) from error
    except OSError as error:
        if os.path.isdir(path):
            cure = (
                "put a file in its place (a container runtime makes a directory where the file to "
                "mount does not exist)"
                if path.name == FILE_NAME
                else f"name a file, such as {path / FILE_NAME}"
            )
            raise SettingsError(f"{named_by}: {path} is a directory: {cure}") from error
        raise SettingsError(
            f"{named_by}: the file {path} cannot be read ({error.strerror}): "
            "let this process's user read it, or name another"
        ) from error


def _parsed(content: bytes, path: Path) -> dict[str, Any]:
    import tomllib

    try:
        # Editors on Windows write a byte order mark, which TOML 1.0 does not know.
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path} is not UTF-8, which TOML must be: byte {error.start} is "
            f"0x{content[error.start]:02x}; save the file as UTF-8"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
