"""Hooks that are plain functions and answer without the server."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.asyncio
from tests.flows.making import plugin

from redis_middleware import NIL, Answer, Command, Flow, hookimpl, wrap
from redis_middleware.embedded import Server
from redis_middleware.testing import Script


class _Answers:
    name = "answers"

    def __init__(self, reply: Any) -> None:
        self.answer = Answer(reply)

    @hookimpl
    def redis_command(self, command: Command) -> Answer | None:
        return self.answer if command.name == "GET" else None


class _AnswersToNobody(_Answers):
    observes = True


def _outer(seen: list[Any]) -> object:
    def flow(command: Command) -> Flow:
        reply = yield command
        seen.append(reply)
        return reply

    return plugin(flow, name="outer")


@pytest.mark.parametrize("reply", [b"v", None, 0, "", [b"a", {"b": 1}]])
def test_single_and_in_pipelines(reply: Any) -> None:
    """The reply is the object itself, or nil, and nothing is sent."""
    seen: list[Any] = []
    script = Script(_outer(seen), _Answers(reply))
    assert script.run("GET", "k") is reply
    script.replies(b"OK")
    assert script.pipeline(("GET", "k"), ("SET", "k", 1), ("GET", "k")) == [reply, b"OK", reply]
    assert script.sent == [("SET", "k", 1)]
    assert sorted(map(repr, seen)) == sorted(map(repr, [reply, reply, b"OK", reply]))


@pytest.mark.parametrize("nil", [None, NIL])
def test_nil(clean_standalone: Server, nil: Any) -> None:
    """Both words for it are nil to the application, by itself and in pipelines."""
    with wrap(redis.Redis(port=clean_standalone.port), {}, plugins=[_Answers(nil)]) as client:
        client.execute_command("SET", "k", "v")
        assert client.get("k") is None
        pipe = client.pipeline()
        pipe.get("k")
        assert pipe.execute() == [None]


def test_real_client(clean_standalone: Server) -> None:
    """So it is under a sync client, whose outer plugins get the reply too."""
    seen: list[Any] = []
    client = redis.Redis(port=clean_standalone.port)
    with wrap(client, {}, plugins=[_outer(seen), _Answers(b"v")]):
        assert client.get("k") == b"v"
        assert client.set("k", "other")
        assert client.get("k") == b"v"
    assert seen == [b"v", True, b"v"]


async def test_real_async_client(clean_standalone: Server) -> None:
    """So it is under an asyncio client."""
    client = redis.asyncio.Redis(port=clean_standalone.port)
    async with wrap(client, {}, plugins=[_Answers(None)]):
        await client.set("k", "v")
        assert await client.get("k") is None


def test_observers_do_not_answer(clean_standalone: Server) -> None:
    """A plugin that only observes cannot answer: the command goes on without it."""
    client = redis.Redis(port=clean_standalone.port)
    with wrap(client, {}, plugins=[_AnswersToNobody(b"v")]):
        assert client.get("k") is None


def test_exceptions_are_no_answers() -> None:
    """An exception is raised by a hook, not answered."""
    with pytest.raises(TypeError, match="raises"):
        Answer(ValueError("problem"))
