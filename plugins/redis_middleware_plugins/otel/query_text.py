"""``db.query.text``: the command as redis-cli takes it, without the values."""

from __future__ import annotations

from typing import Any

from redis_middleware import Batch, Command
from redis_middleware_plugins.slow_log.key_display import KeyDisplay

__all__ = ["batch_text", "masked_text", "name_of", "text_with_keys"]

_CUT = "..."


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
    name = command.name
    first = name.count(" ") + 1
    shown = dict(zip((use.position for use in command.key_uses), command.keys, strict=True))
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
    """The masked text that all commands of a batch have, or all their texts joined by ``; ``."""
    if len(batch.shapes) == 1:
        ((word, count),) = batch.shapes
        return masked_text(name_of(word), count - 1, length)
    texts: list[str] = []
    size = 0
    for args in batch.arguments:
        text = masked_text(name_of(args[0]), len(args) - 1, length)
        texts.append(text)
        size += len(text) + 2
        if size > length:
            break
    return _cut("; ".join(texts), length)


def name_of(word: Any) -> str:
    """A name as text."""
    if isinstance(word, bytes | bytearray | memoryview):
        return bytes(word).decode("utf-8", "backslashreplace")
    return str(word)


def _quoted(text: str) -> str:
    if text and not any(letter in text for letter in " \"'\\"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - len(_CUT)] + _CUT
