"""The flows around reads."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Final

from redis_middleware import Command, Flow, Place
from redis_middleware.sizes import size_of
from redis_middleware_plugins.size_guard.asking import ask, size_of_any
from redis_middleware_plugins.size_guard.judging import Judge, encoded
from redis_middleware_plugins.size_guard.notices import Finding
from redis_middleware_plugins.size_guard.reads import READS, is_by_value

__all__ = ["Reads"]

_CONTAINERS: Final = (list, dict, set)


class Reads:
    """Judges reads by how many elements they take, and replies by their bytes.

    Args:
        judge: the limits.
        page_size: how many elements are asked for at once where a read is paged.
    """

    def __init__(self, judge: Judge, page_size: int) -> None:
        self._judge = judge
        self._policies = judge.policies
        self._page_size = page_size

    def whole(self, command: Command) -> Flow:
        """Around a read whose cost grows with the key."""
        spec = command.spec
        read = READS[spec.name]
        wire = command.wire
        key = (encoded(command, wire[read.key]) if 0 < read.key < len(wire) else None) or b""
        most = self._policies.option("max_read", key, spec)
        behaviour = self._policies.option("reads", key, spec)
        pages = read.pages if behaviour == "page" and self._can_page(command) else None
        before: int | None = None
        questions = read.questions(wire)
        if not questions or behaviour == "reject" or pages is not None:
            answers = yield from self._answers(command, questions, refuses=behaviour == "reject")
            before = read.elements(wire, answers) if answers is not None else None
            if before is not None and before > most:
                if behaviour == "reject":
                    self._judge.refuse_read(key, command, before, most)
                if pages is not None and answers:
                    self._judge.notices.note(command, Finding("max_read", "page", command.name))
                    reply = yield from pages(command, self._page_size, answers)
                    self._judge_bytes(command, key, reply)
                    return reply
        reply = yield command
        size = _length(reply) if before is None else before
        if size > most:
            self._judge.report_read(key, command, size, loudly=behaviour != "observe")
        self._judge_bytes(command, key, reply)
        return reply

    def reply(self, command: Command) -> Flow:
        """Around another read whose reply's bytes a rule is about."""
        reply = yield command
        self._judge_bytes(command, command.keys[0] if command.keys else b"", reply)
        return reply

    def _can_page(self, command: Command) -> bool:
        # A transaction has one round, and in a pipeline pages would be read after all the commands
        # behind, which may delete what is read. KEYS asks every node of a cluster, SCAN only one.
        # Servers find a part of a range of scores by counting up to it.
        if command.place in (Place.TRANSACTION, Place.PIPELINE):
            return False
        if command.name == "KEYS":
            return not command.client.is_cluster
        return command.name != "ZRANGE" or not is_by_value(command.wire)

    def _answers(
        self, command: Command, questions: Sequence[tuple[Any, ...]], *, refuses: bool
    ) -> Generator[Any, Any, list[int] | None]:
        if questions and questions[0][0] == "TYPE":
            key = command.wire[1]
            _, size = yield from size_of_any(command, key, may_refuse=refuses)
            return None if size is None else [size]
        answers = (yield from ask(command, questions, may_refuse=refuses)) if questions else []
        return answers if all(isinstance(answer, int) for answer in answers) else None

    def _judge_bytes(self, command: Command, key: bytes, reply: Any) -> None:
        limit = self._policies.limit("reply_bytes", key, command.spec)
        size = size_of(reply)
        if size > limit.lowest:
            self._judge.report(limit, key, command, size)


def _length(reply: Any) -> int:
    return len(reply) if isinstance(reply, _CONTAINERS) else 0
