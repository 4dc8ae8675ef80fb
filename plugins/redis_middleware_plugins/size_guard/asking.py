"""Asking the server a question before a command goes out, wherever the command runs."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from redis.exceptions import ResponseError

from redis_middleware import Call, Command, Place
from redis_middleware.redispy.steps import Steps, call_of
from redis_middleware_plugins.size_guard.growth import length_command

__all__ = ["Question", "ask", "size_of_any"]

Question = tuple[Any, ...]
"""The arguments of a command that reads."""


def ask(
    command: Command, questions: Sequence[Question], *, may_refuse: bool = True
) -> Generator[Any, Any, list[Any]]:
    """Ask in the place of a command; give the answers, ``None`` where the server has none.

    Args:
        command: the command that waits for the answers.
        questions: what is asked.
        may_refuse: whether the command may be refused for the answers. Inside a pipeline or
            transaction they are then asked on another connection, so that nothing of the pipeline
            is sent before.

    Raises:
        Exception: what the questions failed with, but for errors that the server replied with.
    """
    if command.place is Place.TRANSACTION or (command.place is Place.PIPELINE and may_refuse):
        answers: list[Any] = yield _beside(command, questions)
        return answers
    if len(questions) == 1:
        try:
            return [(yield command.replace(questions[0]))]
        except ResponseError:
            return [None]
    replies = yield [command.replace(question) for question in questions]
    for reply in replies:
        if isinstance(reply, Exception) and not isinstance(reply, ResponseError):
            raise reply
    return [None if isinstance(reply, ResponseError) else reply for reply in replies]


def size_of_any(
    command: Command, key: bytes, *, may_refuse: bool = True
) -> Generator[Any, Any, tuple[str, int | None]]:
    """Ask for the size of a key of any type.

    Returns:
        The command that gave it, such as ``"HLEN"``, and the size; ``None`` for a key that is not
        there or of a type without a size.
    """
    (kind,) = yield from ask(command, [("TYPE", key)], may_refuse=may_refuse)
    length = None if kind is None else length_command(kind)
    if length is None:
        return "", None
    (size,) = yield from ask(command, [(length, key)], may_refuse=may_refuse)
    return length, size


def _beside(command: Command, questions: Sequence[Question]) -> Call:
    def steps() -> Steps:
        client: Any = command.client.client
        answers = []
        for question in questions:
            try:
                answers.append((yield client.execute_command(*question)))
            except ResponseError:
                answers.append(None)
        return answers

    return call_of(steps())
