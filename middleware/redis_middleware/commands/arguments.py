"""Reading a wire argument as a word or a number, in whatever form redis-py takes it."""

from __future__ import annotations

__all__ = ["count_of", "text_of", "word_of"]

_LONGEST_COUNT = 19
"""Digits of the greatest number a server reads: 2**63 - 1."""


def text_of(argument: object) -> str:
    """Return an argument's text, one character for each byte of it where it is bytes.

    Only good for comparison with ASCII text. What redis-py does not send (None, a list) is empty.
    """
    if isinstance(argument, str):
        return argument
    if isinstance(argument, bytes | bytearray):
        return argument.decode("latin-1")
    if isinstance(argument, memoryview):
        return argument.tobytes().decode("latin-1")
    if isinstance(argument, int | float):
        return repr(argument)
    return ""


def word_of(argument: object) -> str:
    """Return an argument in upper case, for comparison with a keyword."""
    return text_of(argument).upper()


def count_of(argument: object) -> int:
    """Return an argument that says how many keys follow, 0 if the server would refuse it.

    Servers take the shortest decimal form only: no sign, no space, no leading zero.
    """
    if isinstance(argument, int):
        return max(int(argument), 0)
    text = text_of(argument)
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_COUNT or text[0] == "0":
        return 0
    return int(text)
