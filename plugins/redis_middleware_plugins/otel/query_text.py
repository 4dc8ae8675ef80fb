"""``db.query.text``: the command as redis-cli takes it, without the values."""

from __future__ import annotations

from typing import Any, Final

from redis.exceptions import DataError

from redis_middleware import Batch, Command
from redis_middleware.key_display import KeyDisplay

__all__ = [
    "UNSENDABLE",
    "batch_text",
    "batch_text_with_keys",
    "masked_text",
    "name_of",
    "text_with_keys",
]

UNSENDABLE: Final = (DataError, UnicodeError)
"""What encoding an argument raises that redis-py is about to refuse."""

_CUT: Final = "..."
_BETWEEN: Final = "; "


def masked_text(name: str, arguments: int, length: int) -> str:
    """The name and a ``?`` for each argument.

    Args:
        name: the command's name.
        arguments: how many arguments it has after its name.
        length: how many characters there may be; what is longer is cut and ends in ``...``.
    """
    shown = min(arguments, length // 2 + 1)
    return _cut(name + " ?" * shown, length)


def text_with_keys(command: Command, show: KeyDisplay, length: int) -> str:
    """The command with its keys, and a ``?`` for each other argument."""
    wire = command.wire
    name = name_of(command.name)
    first = name.count(" ") + 1
    try:
        shown = dict(zip((use.position for use in command.key_uses), command.keys, strict=True))
    except UNSENDABLE:
        return masked_text(name, len(wire) - first, length)
    words = [name]
    size = len(name)
    for position in range(first, len(wire)):
        key = shown.get(position)
        word = "?" if key is None else _quoted(show(key))
        words.append(word)
        size += len(word) + 1
        if size > length:
            break
    return _cut(" ".join(words), length)


def batch_text(batch: Batch, length: int) -> str:
    """The masked text that all commands of a batch have, or all their texts joined by ``; ``.

    Both are the conventions':
    https://opentelemetry.io/docs/specs/semconv/db/database-spans/, note on ``db.query.text``.
    """
    texts = {
        (word, count): masked_text(name_of(word), count - 1, length) for word, count in batch.shapes
    }
    if len(texts) == 1:
        return next(iter(texts.values()))
    # Of a long batch no more is joined than is shown.
    most = length // (min(map(len, texts.values())) + len(_BETWEEN)) + 2
    return _cut(
        _BETWEEN.join([texts[args[0], len(args)] for args in batch.arguments[:most]]), length
    )


def batch_text_with_keys(batch: Batch, show: KeyDisplay, length: int) -> str:
    """The same with the keys."""
    texts: list[str] = []
    distinct: set[str] = set()
    size = 0
    for command in batch.commands:
        text = text_with_keys(command, show, length)
        texts.append(text)
        distinct.add(text)
        size += len(text) + len(_BETWEEN)
        if size > length and len(distinct) > 1:
            break
    return _cut(_BETWEEN.join(texts if len(distinct) > 1 else distinct), length)


def name_of(word: Any) -> str:
    """A name as text that can be exported: valid UTF-8, whatever was given."""
    if isinstance(word, bytes | bytearray | memoryview):
        return bytes(word).decode("utf-8", "backslashreplace")
    text = str(word)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _quoted(text: str) -> str:
    if text and not any(letter in text for letter in " \"'\\"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - len(_CUT)] + _CUT
