"""The hooks of all plugins, compiled: for each command the tuple of those who want it.

pluggy registers, validates and orders the hooks. It does not run them: its call loop drops
``None``, forbids a second ``yield`` and cannot await.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from redis_middleware.command import Command, spec_for
from redis_middleware.commands.specs import CommandSpec, is_container, spec_of
from redis_middleware.errors import PluginError

__all__ = ["Chain", "Chains", "Hook"]

logger = logging.getLogger("redis_middleware")

Wants = Callable[[CommandSpec], bool]

# A program that makes up names of commands must not grow the table without bound.
_MOST_CHAINS = 4096


class Hook:
    """One plugin's implementation of one hook.

    Attributes:
        plugin: the plugin's name.
        name: the hook's name.
        function: the flow function, of one argument.
        position: its place in the pipeline, 0 outermost.
        observes: whether its bugs are kept from the application.
    """

    __slots__ = ("bugs", "function", "name", "observes", "plugin", "position", "wants")

    def __init__(
        self,
        plugin: str,
        name: str,
        function: Callable[[Any], Any],
        position: int,
        *,
        observes: bool = False,
        wants: Wants | None = None,
        bugs: Counter[str] | None = None,
    ) -> None:
        self.plugin = plugin
        self.name = name
        self.function = function
        self.position = position
        self.observes = observes
        self.wants = wants
        self.bugs: Counter[str] = Counter() if bugs is None else bugs

    def error(self, subject: object, problem: str) -> PluginError:
        """The error that names this plugin, this hook and what it was called with."""
        described = subject.name if isinstance(subject, Command) else repr(subject)
        return PluginError(self.plugin, self.name, described, problem)

    def translate(self, error: BaseException, subject: object) -> BaseException:
        """What the application gets for an exception that started in this plugin."""
        if not is_bug(error):
            return error
        bug = self.error(subject, f"{type(error).__name__}: {error}")
        bug.__cause__ = error
        return bug

    def report(self, error: BaseException, subject: object, *, ending: bool = False) -> None:
        """Count a bug that is kept from the application, and log the first of its type.

        Args:
            error: what the flow raised.
            subject: what the hook was called with.
            ending: whether the flow was being closed or interrupted; else the plugin only observes.
        """
        kind = type(error).__name__
        # Read once: with two threads here, one of them sees the 1.
        self.bugs[kind] = count = self.bugs[kind] + 1
        if count == 1:
            logger.error(
                "plugin %r, hook %s, %s: %s: %s; %s (logged once, counted in middleware.bugs)",
                self.plugin,
                self.name,
                subject.name if isinstance(subject, Command) else repr(subject),
                kind,
                error,
                "its flow was being ended"
                if ending
                else "it only observes, so the command went on without it",
                exc_info=error,
            )


def is_bug(error: BaseException) -> bool:
    """Whether an exception that started in a plugin is a bug rather than raised on purpose.

    Built-in exceptions are bugs, but for those of the operating system (``OSError``, which
    includes ``TimeoutError`` and ``ConnectionError``) and interrupts.
    """
    return (
        isinstance(error, Exception)
        and type(error).__module__ == "builtins"
        and not isinstance(error, OSError)
    )


class Chain:
    """The hooks that want a command, outermost first; immutable.

    Attributes:
        hooks: the hooks.
        functions: their flow functions.
        item_class: the class of what goes through.
        spec: the command's specification; ``None`` for chains of other things than commands.
        chains: the table that the chain is of; ``None`` likewise.
        by_subcommand: whether the hooks depend on a second word that the name did not have.
    """

    __slots__ = ("by_subcommand", "chains", "functions", "hooks", "item_class", "spec")

    def __init__(
        self,
        hooks: Sequence[Hook],
        item_class: type,
        spec: CommandSpec | None = None,
        chains: Chains | None = None,
        *,
        by_subcommand: bool = False,
    ) -> None:
        self.hooks = tuple(hooks)
        self.functions = tuple([hook.function for hook in hooks])
        self.item_class = item_class
        self.spec = spec
        self.chains = chains
        self.by_subcommand = by_subcommand


class Chains(dict[Any, Chain | None]):
    """The chain of each command by its first argument; ``None`` where no plugin wants it.

    A chain is compiled on the command's first use. The table is never changed after that: other
    plugins, another table.
    """

    def __init__(self, hooks: Sequence[Hook]) -> None:
        super().__init__()
        self._hooks = tuple(hooks)

    def __missing__(self, word: Any) -> Chain | None:
        chain = self._compile(word)
        if len(self) < _MOST_CHAINS:
            self[word] = chain
        return chain

    def _compile(self, word: Any) -> Chain | None:
        if not self._hooks:
            return None
        spec = spec_for((word,))
        if is_container(spec.name):
            return Chain((), Command, spec, self, by_subcommand=True)
        return self._chain_of(spec)

    def _chain_of(self, spec: CommandSpec) -> Chain | None:
        hooks = [hook for hook in self._hooks if _is_wanted(hook, spec)]
        return Chain(hooks, Command, spec, self) if hooks else None

    def of(self, args: tuple[Any, ...]) -> Chain | None:
        """The chain for these arguments, the command's name first."""
        chain = self[args[0]]
        if chain is not None and chain.by_subcommand:
            spec = spec_for(args)
            return self[spec.name] if " " in spec.name else self._alone(spec)
        return chain

    def _alone(self, spec: CommandSpec) -> Chain | None:
        # A container called without a subcommand that the table knows.
        return self._chain_of(spec_of(spec.name))

    def behind(self, hook: Hook, command: Command) -> tuple[Chain, int] | None:
        """Where a command goes that ``hook`` yielded: the chain and the index in it."""
        chain = self.of(command.args)
        if chain is not None:
            for index, inner in enumerate(chain.hooks):
                if inner.position > hook.position:
                    return chain, index
        return None


def _is_wanted(hook: Hook, spec: CommandSpec) -> bool:
    if hook.wants is None:
        return True
    try:
        return bool(hook.wants(spec))
    except Exception as error:
        if not hook.observes:
            raise PluginError(
                hook.plugin, "wants", spec.name, f"{type(error).__name__}: {error}"
            ) from error
        hook.report(error, spec.name)
        return False
