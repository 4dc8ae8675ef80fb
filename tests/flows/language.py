"""A small language of plugin behaviours, and a model of what a pipeline of such plugins does.

A command is ``GET <path>``. What a plugin does with it depends on the path; fanning out and
rewriting make longer paths, so that no two commands under way have the same one. The server fails
some paths the first few times, and numbers its replies: each is different from all others.

The model says, without any of the engine's machinery, which rounds of sends there are and what the
application gets. It knows two ways of putting sends together: one after the other, and side by
side, where the k-th rounds of all go out together.
"""

from __future__ import annotations

import inspect
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from redis_middleware import NIL, Call, Command, Flow, Once, PluginError, Sleep, hookimpl

__all__ = ["BEHAVIOURS", "Journal", "Model", "Outcome", "Player", "Server", "outcome_of"]

Rounds = list[list[str]]
NOTHING: dict[str, str] = {}


class Outcome(NamedTuple):
    """What the application gets for a command."""

    failed: bool
    value: Any


class RefusedError(Exception):
    """Raised by plugins on purpose."""


def outcome_of(value: Any) -> Outcome:
    """A reply or an exception in a form that can be compared."""
    if isinstance(value, PluginError):
        return Outcome(True, ("bug", value.plugin))
    if isinstance(value, Exception):
        return Outcome(True, (type(value).__name__, str(value)))
    return Outcome(False, value)


def _side_by_side(parts: Sequence[Rounds]) -> Rounds:
    return [
        [path for round_ in rounds for path in round_]
        for rounds in zip_longest(*parts, fillvalue=[])
    ]


class Server:
    """Answers paths: the first ``n % 3`` sends of a path fail, where n is a hash of the path."""

    def __init__(self) -> None:
        self._sends: Counter[str] = Counter()

    def answer(self, path: str) -> Any:
        """The reply, or the error."""
        self._sends[path] += 1
        number = self._sends[path]
        if number <= zlib.crc32(path.encode()) % 3:
            return ResponseError(f"LOADING {path} {number}")
        return f"{path} {number}"


class Model:
    """What plugins do, said plainly."""

    def __init__(self, plugins: Sequence[Sequence[Behaviour]]) -> None:
        self._plugins = plugins
        self._server = Server()

    def run(self, path: str, plugin: int = 0) -> tuple[Rounds, Outcome]:
        """The rounds and the outcome of one command, from this plugin inwards."""
        if plugin == len(self._plugins):
            return [[path]], outcome_of(self._server.answer(path))
        behaviour = behaviour_of(self._plugins[plugin], path)

        def inner(path: str) -> tuple[Rounds, Outcome]:
            return self.run(path, plugin + 1)

        return behaviour.model(inner, path, plugin)

    def pipeline(self, paths: Sequence[str]) -> tuple[Rounds, list[Outcome]]:
        """The rounds and the outcomes of a pipeline that is not refused."""
        parts = [self.run(path) for path in paths]
        return _side_by_side([rounds for rounds, _ in parts]), [outcome for _, outcome in parts]


Inner = Callable[[str], tuple[Rounds, Outcome]]


@dataclass(frozen=True)
class Behaviour:
    """What a plugin does with a command: as a flow, and as the model has it."""

    name: str
    flow: Callable[[Command, str, int], Flow | None]
    model: Callable[[Inner, str, int], tuple[Rounds, Outcome]]

    def __repr__(self) -> str:
        return self.name


def behaviour_of(behaviours: Sequence[Behaviour], path: str) -> Behaviour:
    """Which of a plugin's behaviours a command meets."""
    return behaviours[zlib.crc32(path.encode(), 7) % len(behaviours)]


class Journal:
    """The flows that there were, in the order in which they began and ended."""

    def __init__(self) -> None:
        self._events: list[tuple[str, int, int, str]] = []
        # A flow that nobody else remembers is not ended by its being garbage.
        self._flows: list[Flow] = []

    def keep(self, plugin: int, path: str, flow: Flow) -> Flow:
        """The flow, with its beginning and end noted."""
        number = len(self._flows)

        def noted() -> Flow:
            self._events.append(("begins", number, plugin, path))
            try:
                return (yield from flow)
            finally:
                self._events.append(("ends", number, plugin, path))

        made = noted()
        self._flows.append(made)
        return made

    def check(self) -> None:
        """Check that each flow ended once, and those inside of another before that one."""
        states = [inspect.getgeneratorstate(flow) for flow in self._flows]
        assert set(states) <= {inspect.GEN_CLOSED}, states
        begun: dict[int, int] = {}
        spans: list[tuple[int, int, int, str]] = []
        for time, (what, number, plugin, path) in enumerate(self._events):
            if what == "begins":
                assert number not in begun
                begun[number] = time
            else:
                spans.append((begun.pop(number), time, plugin, path))
        assert not begun
        for begin, end, plugin, path in spans:
            for inner_begin, inner_end, inner_plugin, inner_path in spans:
                is_inside = inner_plugin > plugin and inner_path.startswith(path)
                if is_inside and begin < inner_begin < end:
                    assert inner_end < end, "an inner flow ended after the one outside of it"


class Player:
    """A plugin that behaves as it is told."""

    def __init__(self, number: int, behaviours: Sequence[Behaviour], journal: Journal) -> None:
        self.name = f"plugin{number}"
        self._number = number
        self._behaviours = behaviours
        self._journal = journal

    @hookimpl
    def redis_command(self, command: Command) -> Flow | None:
        """Behave."""
        path = str(command.args[1])
        flow = behaviour_of(self._behaviours, path).flow(command, path, self._number)
        return None if flow is None else self._journal.keep(self._number, path, flow)


def _passes(command: Command, path: str, plugin: int) -> Flow:
    return (yield command)


def _stands_aside(command: Command, path: str, plugin: int) -> None:
    return None


def _answers(command: Command, path: str, plugin: int) -> Flow:
    return f"answer of {plugin} to {path}"
    yield


def _answers_nil(command: Command, path: str, plugin: int) -> Flow:
    return NIL
    yield


def _refuses(command: Command, path: str, plugin: int) -> Flow:
    raise RefusedError(f"{plugin} refuses {path}")
    yield


def _has_a_bug(command: Command, path: str, plugin: int) -> Flow:
    return NOTHING[path]
    yield


def _raises_late(command: Command, path: str, plugin: int) -> Flow:
    reply = yield command
    raise RefusedError(f"{plugin} dislikes {reply}")


def _changes(command: Command, path: str, plugin: int) -> Flow:
    return (plugin, (yield command))


def _recovers(command: Command, path: str, plugin: int) -> Flow:
    try:
        return (yield command)
    except Exception as error:
        return f"{plugin} recovers from {outcome_of(error).value}"


def _rewrites(command: Command, path: str, plugin: int) -> Flow:
    return (yield command.replace(("GET", f"{path}~{plugin}")))


def _sleeps(command: Command, path: str, plugin: int) -> Flow:
    yield Sleep(1)
    reply = yield command
    yield Sleep(2)
    return reply


def _calls(command: Command, path: str, plugin: int) -> Flow:
    before = yield Call(lambda: path)
    reply = yield command
    return (before, reply, (yield Call(lambda: plugin)))


def _shares(command: Command, path: str, plugin: int) -> Flow:
    return (yield Once(path, command))


def _asks_twice(command: Command, path: str, plugin: int) -> Flow:
    first = yield command
    return (first, (yield command))


def _retries(times: int) -> Callable[[Command, str, int], Flow]:
    def flow(command: Command, path: str, plugin: int) -> Flow:
        for _ in range(times):
            try:
                return (yield command)
            except ResponseError:
                yield Sleep(1)
        return (yield command)

    return flow


def _fans_out(width: int) -> Callable[[Command, str, int], Flow]:
    def flow(command: Command, path: str, plugin: int) -> Flow:
        replies = yield [command.replace(("GET", f"{path}/{plugin}.{i}")) for i in range(width)]
        for reply in replies:
            if isinstance(reply, RefusedError):
                return reply
        return [outcome_of(reply) for reply in replies]

    return flow


def _on_success(
    change: Callable[[Any, str, int], Outcome],
) -> Callable[[Inner, str, int], tuple[Rounds, Outcome]]:
    def model(inner: Inner, path: str, plugin: int) -> tuple[Rounds, Outcome]:
        rounds, outcome = inner(path)
        return rounds, outcome if outcome.failed else change(outcome.value, path, plugin)

    return model


def _without_a_send(
    outcome: Callable[[str, int], Outcome],
) -> Callable[[Inner, str, int], tuple[Rounds, Outcome]]:
    return lambda inner, path, plugin: ([], outcome(path, plugin))


def _model_of_recovering(inner: Inner, path: str, plugin: int) -> tuple[Rounds, Outcome]:
    rounds, outcome = inner(path)
    if outcome.failed:
        outcome = Outcome(False, f"{plugin} recovers from {outcome.value}")
    return rounds, outcome


def _model_of_asking_twice(inner: Inner, path: str, plugin: int) -> tuple[Rounds, Outcome]:
    rounds, first = inner(path)
    if first.failed:
        return rounds, first
    more, second = inner(path)
    outcome = second if second.failed else Outcome(False, (first.value, second.value))
    return rounds + more, outcome


def _model_of_retrying(
    times: int,
) -> Callable[[Inner, str, int], tuple[Rounds, Outcome]]:
    def model(inner: Inner, path: str, plugin: int) -> tuple[Rounds, Outcome]:
        rounds: Rounds = []
        for _ in range(times + 1):
            more, outcome = inner(path)
            rounds += more
            if not (outcome.failed and outcome.value[0] == "ResponseError"):
                break
        return rounds, outcome

    return model


def _model_of_fanning_out(
    width: int,
) -> Callable[[Inner, str, int], tuple[Rounds, Outcome]]:
    def model(inner: Inner, path: str, plugin: int) -> tuple[Rounds, Outcome]:
        parts = [inner(f"{path}/{plugin}.{i}") for i in range(width)]
        outcomes = [outcome for _, outcome in parts]
        refusals = [
            outcome for outcome in outcomes if outcome.failed and outcome.value[0] == "RefusedError"
        ]
        outcome = refusals[0] if refusals else Outcome(False, outcomes)
        return _side_by_side([rounds for rounds, _ in parts]), outcome

    return model


def _unchanged(inner: Inner, path: str, plugin: int) -> tuple[Rounds, Outcome]:
    return inner(path)


BEHAVIOURS = (
    Behaviour("passes", _passes, _unchanged),
    Behaviour("stands aside", _stands_aside, _unchanged),
    Behaviour(
        "answers",
        _answers,
        _without_a_send(lambda path, plugin: Outcome(False, f"answer of {plugin} to {path}")),
    ),
    Behaviour("answers nil", _answers_nil, _without_a_send(lambda *_: Outcome(False, None))),
    Behaviour(
        "refuses",
        _refuses,
        _without_a_send(
            lambda path, plugin: Outcome(True, ("RefusedError", f"{plugin} refuses {path}"))
        ),
    ),
    Behaviour(
        "has a bug",
        _has_a_bug,
        _without_a_send(lambda path, plugin: Outcome(True, ("bug", f"plugin{plugin}"))),
    ),
    Behaviour(
        "raises late",
        _raises_late,
        _on_success(
            lambda value, path, plugin: Outcome(
                True, ("RefusedError", f"{plugin} dislikes {value}")
            )
        ),
    ),
    Behaviour(
        "changes",
        _changes,
        _on_success(lambda value, path, plugin: Outcome(False, (plugin, value))),
    ),
    Behaviour("recovers", _recovers, _model_of_recovering),
    Behaviour("rewrites", _rewrites, lambda inner, path, plugin: inner(f"{path}~{plugin}")),
    Behaviour("sleeps", _sleeps, _unchanged),
    Behaviour(
        "calls",
        _calls,
        _on_success(lambda value, path, plugin: Outcome(False, (path, value, plugin))),
    ),
    Behaviour("shares", _shares, _unchanged),
    Behaviour("asks twice", _asks_twice, _model_of_asking_twice),
    Behaviour("retries once", _retries(1), _model_of_retrying(1)),
    Behaviour("retries twice", _retries(2), _model_of_retrying(2)),
    Behaviour("fans out to none", _fans_out(0), _model_of_fanning_out(0)),
    Behaviour("fans out to two", _fans_out(2), _model_of_fanning_out(2)),
    Behaviour("fans out to three", _fans_out(3), _model_of_fanning_out(3)),
)
