"""Many flows run together, round by round, without I/O.

Each round takes all flows as far as they go without a reply from the server, then sends what they
yielded as one. :class:`Lockstep` decides; a driver does what its ``steps`` ask for:

===================  ======================================================================
step                 the driver's answer
===================  ======================================================================
list of ``Command``  their replies in order, failures among them as exceptions
``Batch``            the same for all of its commands, which no plugin wants
``Calls``            what each function returned or, as an exception, raised
``Sleep``            ``None``, after the time
``Waiting``          ``None``, when one of the futures is done
===================  ======================================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Sequence
from functools import partial
from typing import Any

from redis_middleware.chains import Chain, Chains
from redis_middleware.command import Batch, Command, Place
from redis_middleware.errors import PluginError
from redis_middleware.execution import DONE, Execution
from redis_middleware.flow import Call, Once, Sleep
from redis_middleware.groups import (
    Calls,
    Group,
    Send,
    Turn,
    Waiting,
    execution_of,
    has_exceptions,
    own_copy,
    path_up,
    position_of,
)
from redis_middleware.once import Lead, LeaderInterruptedError, OnceRegistry, fresh_copy
from redis_middleware.usual_way import ascend, descend

__all__ = ["Lockstep"]

_AFTER_TRANSACTION = (
    "it yielded a command after the transaction was sent; inside MULTI/EXEC there is one round "
    "only (look at command.place)"
)


class Lockstep:
    """The rounds of one batch, or of one command whose flow asked for more than a send.

    Args:
        once: where concurrent callers of the same client meet.
        transaction: whether all is sent inside one MULTI/EXEC, and so in one round.

    Attributes:
        failures: what the driver's answers to commands had of failures so far.
        has_failures: whether any command failed, those that plugins made fail among them.
        faultless: a list of replies that is known to hold no failure; ``None`` for none.
        current: the batch under way, as the flows around it yielded it last.
    """

    current: Batch

    def __init__(self, once: OnceRegistry, *, transaction: bool = False) -> None:
        self._once = once
        self._transaction = transaction
        self._sends: list[Send] = []
        self._is_mixed = False
        self._sending: list[Send] = []
        self._whole: tuple[Group, Batch] | None = None
        self._resuming: deque[Turn] = deque()
        self._moving: Execution | None = None
        self._calls: list[tuple[Execution, Call]] = []
        self._sleeps: list[tuple[Execution, Sleep]] = []
        self._follows: list[tuple[Execution, Once, Lead]] = []
        self._sent = False
        self._lost: list[Exception] = []
        self.failures: list[Exception] = []
        self.has_failures = False
        self.faultless: list[Any] | None = None
        self._done = False
        self._result: Any = None
        self._error: Exception | None = None
        self._batch: Batch | None = None
        self._around: Chain | None = None

    @classmethod
    def of_batch(
        cls, batch: Batch, chain: Chain | None, chains: Chains, once: OnceRegistry
    ) -> Lockstep:
        """Run a batch: around it the flows of ``chain``, around each command those of its own."""
        lockstep = cls(once, transaction=batch.place is Place.TRANSACTION)
        lockstep._chains = chains
        lockstep._batch = batch
        lockstep._around = chain
        if chain is None:
            lockstep._begin_with = lambda: lockstep._begin_batch(None, batch)
        else:
            lockstep._begin_with = lambda: lockstep._begin(
                (chain, 0), batch, Group("last", None, 1), 0
            )
        return lockstep

    @classmethod
    def of_request(cls, execution: Execution, request: Any, once: OnceRegistry) -> Lockstep:
        """Go on with a single command's execution that asked for more than a send."""
        lockstep = cls(once)
        execution.group, execution.index = Group("last", None, 1), 0
        lockstep._begin_with = lambda: lockstep._route(execution, request)
        return lockstep

    _begin_with: Callable[[], None] | None
    _chains: Chains

    def steps(self) -> Generator[Any, Any, Any]:
        """What the driver is to do, one step after the other.

        Returns:
            The reply of the single command, or the list of the batch's replies.

        Raises:
            What the single command's flows or the batch's flows raised, what refused the batch, or
            what made its round fail as a whole; a ``PluginError`` where flows around the batch did
            not return a reply for each command, or where a command's reply is one.
        """
        try:
            begin, self._begin_with = self._begin_with, None
            assert begin is not None
            begin()
            while not self._done:
                # Sends come last, so that a flow that waits for something else before its first
                # send can still refuse the batch; those who follow others come after them, so
                # that nobody waits while others wait for what he is about to send.
                if self._calls:
                    yield from self._call_all()
                elif self._sleeps:
                    yield from self._sleep()
                elif self._whole is not None:
                    yield from self._send_whole(*self._whole)
                elif self._sends:
                    yield from self._send_all()
                else:
                    yield from self._follow()
        except BaseException as error:
            self._interrupt(error)
            raise
        if self._error is not None:
            try:
                raise self._error
            finally:
                # The traceback holds this frame, and all that the lockstep knows with it.
                self._error = self._moving = None
                self._lost = []
                self.failures = []
        if self._around is not None or (self._batch is not None and self.has_failures):
            self._check_replies()
        return self._result

    def _check_replies(self) -> None:
        replies, batch = self._result, self._batch
        assert batch is not None
        if not isinstance(replies, list) or len(replies) != len(batch):
            assert self._around is not None
            raise PluginError(
                ", ".join(hook.plugin for hook in self._around.hooks),
                "redis_batch",
                repr(batch),
                f"the flow must return a list of {len(batch)} replies, it returned "
                f"{type(replies).__name__}"
                + (f" of {len(replies)}" if isinstance(replies, list) else ""),
            )
        for reply in replies:
            if isinstance(reply, PluginError):
                raise reply

    def _send_all(self) -> Generator[Any, Any, None]:
        if self._is_mixed:
            self._sends.sort(key=position_of)
            self._is_mixed = False
        sending = self._sending = self._sends
        self._sends = []
        self._sent = True
        replies: Iterable[Any]
        traceback = None
        try:
            replies = yield [send[0] for send in sending]
        except Exception as error:
            self._lost.append(error)
            replies = [error] * len(sending)
            traceback = error.__traceback__
        for send, reply in zip(sending, replies, strict=True):
            command, group, index, execution, chain, flows = send
            if isinstance(reply, Exception):
                self.failures.append(reply)
                execution = execution_of(send)
                if execution is None:
                    self._settle(group, index, reply)
                else:
                    self._advance(execution, execution.throw, reply)
                    if traceback is not None:
                        # Else the frames of every flow that it was raised in would pile up.
                        reply.__traceback__ = traceback
            elif flows is not None and chain is not None:
                # The way of nearly every command: its flows end with the reply they were given.
                try:
                    execution, request = ascend(chain, command, flows, reply)
                except Exception as error:
                    self._settle(group, index, error)
                    continue
                if execution is not None:
                    execution.group, execution.index = group, index
                    self._route(execution, request)
                    continue
                group.outcomes[index] = request
                group.remaining -= 1
                if not group.remaining:
                    self._complete(group)
            elif execution is None:
                self._settle(group, index, reply)
            else:
                self._advance(execution, execution.resume, reply)
        self._sending = []
        # The traceback of a lost round holds this frame.
        replies, reply, traceback = (), None, None

    def _send_whole(self, group: Group, batch: Batch) -> Generator[Any, Any, None]:
        # Nobody wants any of these commands: there are no flows to resume one by one.
        self._sent = True
        outcomes: list[Any]
        try:
            outcomes = list((yield batch))
        except Exception as error:
            self._lost.append(error)
            outcomes = [error] * len(batch)
        self._whole = None
        if has_exceptions(outcomes):
            self.has_failures = True
            self.failures += [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        else:
            self.faultless = outcomes
        group.outcomes = outcomes
        group.remaining = 0
        # The traceback of a lost round holds this frame.
        del outcomes
        self._complete(group)

    def _call_all(self) -> Generator[Any, Any, None]:
        outcomes = yield Calls([call for _, call in self._calls])
        waiting, self._calls = self._calls, []
        turns: deque[Turn] = deque(
            (execution, partial(execution.throw, own=True), outcome)
            if isinstance(outcome, BaseException)
            else (execution, execution.resume, outcome)
            for (execution, _), outcome in zip(waiting, outcomes, strict=True)
        )
        del outcomes
        self._take_turns(turns)

    def _sleep(self) -> Generator[Any, Any, None]:
        yield max((sleep for _, sleep in self._sleeps), key=lambda sleep: sleep.seconds)
        waiting, self._sleeps = self._sleeps, []
        self._take_turns(deque((execution, execution.resume, None) for execution, _ in waiting))

    def _follow(self) -> Generator[Any, Any, None]:
        # What comes now are outcomes of sends, although others did them: no more refusals.
        self._sent = True
        yield Waiting([lead for _, _, lead in self._follows])
        turns: deque[Turn] = deque()
        waiting, self._follows = self._follows, []
        for execution, once, lead in waiting:
            if not lead.done():
                self._follows.append((execution, once, lead))
                continue
            failure = lead.exception()
            if failure is None:
                turns.append((execution, execution.resume, fresh_copy(lead.result())))
            elif isinstance(failure, LeaderInterruptedError):
                turns.append((execution, lambda request: request, once))
            else:
                turns.append((execution, execution.throw, own_copy(failure)))
        self._take_turns(turns)

    def _take_turns(self, turns: deque[Turn]) -> None:
        # Others have yielded their commands meanwhile: the round is sorted before it is sent.
        self._is_mixed = True
        # One of them may refuse the batch: those still in line are then closed with the others.
        self._resuming = turns
        while turns:
            self._advance(*turns.popleft())

    def _advance(self, execution: Execution, move: Callable[[Any], Any], argument: Any) -> None:
        self._moving = execution
        try:
            request = move(argument)
        except Exception as error:
            # The error's traceback holds this frame, and the argument may be the error.
            del argument
            self._settle(execution.group, execution.index, error)
        else:
            self._route(execution, request)

    def _route(self, execution: Execution, request: Any) -> None:
        kind = request.__class__
        if kind is Command and not (self._transaction and self._sent):
            entry = (request, execution.group, execution.index, execution, None, None)
            self._sends.append(entry)
        elif request is DONE:
            self._settle(execution.group, execution.index, execution.outcome)
        elif kind is Sleep:
            self._sleeps.append((execution, request))
        elif kind is Call:
            self._calls.append((execution, request))
        elif kind is Batch:
            self._begin_batch(execution, request)
        elif self._transaction and self._sent:
            self._advance(execution, execution.throw, execution.blame(_AFTER_TRANSACTION))
        elif kind is Once:
            self._share(execution, request)
        elif request:
            self._fan_out(execution, request)
        else:
            self._advance(execution, execution.resume, [])

    def _begin_batch(self, owner: Execution | None, batch: Batch) -> None:
        self._sent = False
        self._lost = []
        self.current = batch
        group = Group("batch", owner, len(batch))
        chains = self._chains
        is_wanted = any([chains[word] for word, _ in batch.shapes])
        if len(batch) and not is_wanted:
            self._whole = (group, batch)
            return
        for index, command in enumerate(batch.commands):
            chain = chains[command.args[0]]
            if chain is not None and chain.by_subcommand:
                chain = chains.of(command.args)
            if chain is None:
                self._sends.append((command, group, index, None, None, None))
                continue
            try:
                flows, execution, request = descend(chain, command)
            except Exception as error:
                self._settle(group, index, error)
            else:
                if execution is None:
                    self._sends.append((command, group, index, None, chain, flows))
                    continue
                execution.group = group
                execution.index = index
                self._route(execution, request)
            if group.refused:
                return
        if not batch.commands:
            self._complete(group)

    def _fan_out(self, owner: Execution, commands: Sequence[Command]) -> None:
        group = Group("fan-out", owner, len(commands))
        inner = [owner.inner(command) for command in commands]
        for index, command in enumerate(commands):
            self._begin(inner[index], command, group, index)

    def _share(self, owner: Execution, once: Once) -> None:
        group = Group("once", owner, 1)
        if not self._transaction:
            key = (owner.plugin, once.key)
            lead, leads = self._once.join(key)
            if not leads:
                self._follows.append((owner, once, lead))
                return
            group.lead = (key, lead)
            del lead
        self._begin(owner.inner(once.command), once.command, group, 0)

    def _begin(
        self, inner: tuple[Chain, int] | None, command: Any, group: Group, index: int
    ) -> None:
        if inner is None:
            self._sends.append((command, group, index, None, None, None))
            return
        execution = Execution()
        execution.group = group
        execution.index = index
        self._moving = execution
        chain, start = inner
        try:
            request = execution.start(chain, command, start)
        except Exception as error:
            self._settle(group, index, error)
        else:
            self._route(execution, request)

    def _settle(self, group: Group, index: int, outcome: Any) -> None:
        group.outcomes[index] = outcome
        group.remaining -= 1
        failed = isinstance(outcome, Exception)
        self.has_failures |= failed
        if failed and not self._sent and group.kind == "batch":
            group.refused = True
            group.outcomes = [outcome]
            del outcome
            self._close_within(group)
            self._fail(group)
        elif not group.remaining:
            del outcome
            self._complete(group)

    def _complete(self, group: Group) -> None:
        if group.kind in ("once", "last"):
            if group.lead is not None:
                self._once.publish(*group.lead, group.outcomes[0])
                group.lead = None
            if isinstance(group.outcomes[0], Exception):
                self._fail(group)
                return
            outcome = group.outcomes[0]
        else:
            if group.kind == "batch" and self._lost:
                lost = {id(error) for error in self._lost}
                failed = [reply for reply in group.outcomes if id(reply) in lost]
                if failed:
                    group.outcomes = failed
                    del failed
                    self._fail(group)
                    return
            outcome = group.outcomes
        group.outcomes = []
        if group.owner is None:
            self._finish(result=outcome)
        else:
            self._advance(group.owner, group.owner.resume, outcome)

    def _fail(self, group: Group) -> None:
        # The first of the outcomes is the error, and is held by nothing else: its traceback may
        # hold this frame and those that called it, and with them all that they hold.
        outcomes, group.outcomes = group.outcomes[:1], []
        if group.owner is None:
            self._finish(error=outcomes.pop())
        else:
            self._advance(group.owner, group.owner.throw, outcomes.pop())

    def _finish(self, *, result: Any = None, error: Exception | None = None) -> None:
        self._done = True
        self._result = result
        self._error = error

    def _close_within(self, group: Group) -> None:
        """Close every other flow of a batch that was refused before anything was sent."""
        self._interrupt(GeneratorExit(), within=group)

    def _interrupt(self, error: BaseException, within: Group | None = None) -> None:
        """Raise the interrupt in all that is under way (within the group), innermost first."""
        waiting: list[Execution] = [
            *[execution for execution, _ in (*self._calls, *self._sleeps)],
            *[execution for execution, _, _ in (*self._follows, *self._resuming)],
        ]
        if self._moving is not None:
            waiting.append(self._moving)
        leaves: list[tuple[Execution | None, Group]] = [
            *[(execution_of(send), send[1]) for send in (*self._sends, *self._sending)],
            *[(execution, execution.group) for execution in waiting],
        ]
        if self._whole is not None:
            leaves.append((None, self._whole[0]))
            self._whole = None
        for queue in (self._sends, self._calls, self._sleeps, self._follows):
            queue.clear()
        self._resuming.clear()
        depths: dict[Execution, int] = {}
        leads: list[tuple[Hashable, Lead]] = []
        for execution, group in leaves:
            path, leads_of_path = path_up(execution, group, within)
            leads += [lead for lead in leads_of_path if lead not in leads]
            for distance, ancestor in enumerate(reversed(path)):
                depths[ancestor] = distance
        for execution in sorted(depths, key=depths.__getitem__, reverse=True):
            execution.interrupt(error)
        for lead in leads:
            self._once.abandon(*lead)
