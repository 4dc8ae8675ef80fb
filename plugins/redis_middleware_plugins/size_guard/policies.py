"""Which limit holds for a key and a command, and what is to be done at a size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

from redis_middleware.commands import CommandSpec
from redis_middleware_plugins.size_guard.settings import (
    Counts,
    Rule,
    SizeGuardSettings,
    Sizes,
)

__all__ = ["Action", "Limit", "Policies"]

Action = Literal["observe", "warn", "reject"]
_STRENGTH: Final[dict[str, int]] = {"observe": 0, "warn": 1, "reject": 2}
_MOST_CACHED: Final = 4096


class Limit(NamedTuple):
    """A limit as it holds for a key: sizes above a threshold get its action.

    Attributes:
        name: its name in the settings, such as ``"max_value"``.
        path: the way to it in the settings, from the guard's table.
        observe: what is larger is counted.
        warn: what is larger is logged.
        reject: what is larger is refused.
        lowest: the smallest of the thresholds; infinite where there is none.
    """

    name: str
    path: tuple[str | int, ...]
    observe: float = math.inf
    warn: float = math.inf
    reject: float = math.inf
    lowest: float = math.inf

    def action(self, size: float) -> Action | None:
        """What is to be done about a size."""
        if size > self.reject:
            return "reject"
        if size > self.warn:
            return "warn"
        return "observe" if size > self.observe else None


class Policies:
    """The settings' limits and rules: the first rule that is for key and command and sets a value
    decides it, else the table itself does.

    Args:
        settings: the table ``[size_guard]``.
    """

    def __init__(self, settings: SizeGuardSettings) -> None:
        self._settings = settings
        self._rules: list[tuple[int, Rule]] = list(enumerate(settings.rules))
        self._of_command: dict[str, tuple[tuple[int, Rule], ...]] = {}
        self._limits: dict[tuple[str, tuple[int, ...]], Limit] = {}
        self._batch = self._build("max_batch", ())

    def rules_for(self, spec: CommandSpec) -> tuple[tuple[int, Rule], ...]:
        """The rules that are for a command, whatever its key, with their places in the list."""
        rules = self._of_command.get(spec.name)
        if rules is None:
            rules = tuple(each for each in self._rules if _is_for(each[1], spec))
            if len(self._of_command) < _MOST_CACHED:
                self._of_command[spec.name] = rules
        return rules

    def limit(self, name: str, key: bytes, spec: CommandSpec) -> Limit:
        """The limit that holds for a key and a command."""
        rules = self.rules_for(spec)
        if rules:
            rules = tuple(each for each in rules if each[1].keys.matches(key))
        cached = (name, tuple([index for index, _ in rules]))
        limit = self._limits.get(cached)
        if limit is None:
            limit = self._build(name, rules)
            if len(self._limits) < _MOST_CACHED:
                self._limits[cached] = limit
        return limit

    def floor(self, name: str, spec: CommandSpec) -> float:
        """The smallest threshold of a limit among all the keys that a command can have."""
        limits = [self._build(name, ())]
        limits += [self._build(name, (rule,)) for rule in self.rules_for(spec)]
        return min(limit.lowest for limit in limits)

    def option(self, name: str, key: bytes, spec: CommandSpec) -> Any:
        """What the settings say for a key and a command, of what is no limit."""
        for _, rule in self.rules_for(spec):
            value = getattr(rule, name)
            if value is not None and rule.keys.matches(key):
                return value
        return getattr(self._settings, name)

    def path(self, name: str, key: bytes, spec: CommandSpec) -> tuple[str | int, ...]:
        """The way to what ``option`` gives, from the guard's table."""
        for index, rule in self.rules_for(spec):
            if getattr(rule, name) is not None and rule.keys.matches(key):
                return ("rules", index, name)
        return (name,)

    @property
    def batch(self) -> Limit:
        """The limit of whole pipelines and transactions."""
        return self._batch

    def options(self, name: str, spec: CommandSpec) -> set[Any]:
        """Every value that ``option`` may give for a command."""
        values = {getattr(self._settings, name)}
        for _, rule in self.rules_for(spec):
            values.add(getattr(rule, name))
        return values - {None}

    def names_commands(self, name: str, spec: CommandSpec) -> bool:
        """Whether a rule that names its commands sets something for this one."""
        return any(
            rule.commands is not None and getattr(rule, name) is not None
            for _, rule in self.rules_for(spec)
        )

    def _build(self, name: str, rules: Sequence[tuple[int, Rule]]) -> Limit:
        mode = next((rule.mode for _, rule in rules if rule.mode is not None), self._settings.mode)
        for index, rule in rules:
            value = getattr(rule, name, None)
            if value is not None:
                return _limit(name, ("rules", index, name), value, mode)
        return _limit(name, (name,), getattr(self._settings, name), mode)


def _is_for(rule: Rule, spec: CommandSpec) -> bool:
    if rule.commands is None:
        return True
    return any(_means(name, spec) for name in rule.commands)


def _means(name: str, spec: CommandSpec) -> bool:
    # "SET" is the command and "set" the class; of no other word there are both.
    if name.upper() == "SET":
        return spec.name == "SET" if name == "SET" else spec.group == "set"
    name = name.lower()
    return (
        name in (spec.name.lower(), spec.group)
        or (name == "write" and spec.is_write)
        or (name == "read" and spec.is_read)
    )


def _limit(
    name: str, path: tuple[str | int, ...], value: int | Sizes | Counts, mode: Action
) -> Limit:
    """A limit whose actions are no stronger than the mode: what is beyond it gets the mode's."""
    thresholds = {mode: value} if isinstance(value, int) else value.model_dump(exclude_none=True)
    actions: dict[str, float] = {}
    for action, threshold in thresholds.items():
        done = mode if _STRENGTH[action] > _STRENGTH[mode] else action
        actions[done] = min(actions.get(done, math.inf), threshold)
    return Limit(name, path, **actions, lowest=min(actions.values()))
