"""Rules that can never decide anything, and why, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from redis_middleware.commands import CommandSpec, spec_of
from redis_middleware.settings.types import KeyPattern
from redis_middleware_plugins.size_guard.settings import Rule

__all__ = ["idle_rules"]


def idle_rules(rules: Sequence[Rule], is_guarded: Callable[[CommandSpec], bool]) -> Iterator[str]:
    """Tell what is wrong with rules that can never decide anything.

    Args:
        rules: the rules, in order.
        is_guarded: whether the guard does anything about a command.
    """
    for index, rule in enumerate(rules):
        reason = _behind_another(rules[:index], rule) or _of_no_interest(rule, is_guarded)
        if reason:
            yield (
                f'[[size_guard.rules]] #{index + 1}, keys = "{rule.keys}": it never decides '
                f"anything, because {reason}"
            )


def _behind_another(earlier: Sequence[Rule], rule: Rule) -> str:
    for index, other in enumerate(earlier):
        if _covers(other, rule):
            return (
                f'#{index + 1}, keys = "{other.keys}", is for the same keys and commands and sets '
                "the same: put it first, or remove it"
            )
    return ""


def _covers(earlier: Rule, later: Rule) -> bool:
    """Whether all that the later rule sets is decided by the earlier one."""
    if earlier.commands is not None:
        named = {name.lower() for name in earlier.commands}
        if later.commands is None or not named.issuperset(map(str.lower, later.commands)):
            return False
    options = set(Rule.model_fields) - {"keys", "commands"}
    return _covers_keys(earlier.keys, later.keys) and all(
        getattr(earlier, name) is not None for name in options if getattr(later, name) is not None
    )


def _covers_keys(earlier: KeyPattern, later: KeyPattern) -> bool:
    """Whether surely every key of the later pattern is one of the earlier one's too."""
    start, star, rest = str(earlier).partition("*")
    is_prefix = star and not rest and not set(start) & set("?[\\")
    return earlier == later or bool(is_prefix and str(later).startswith(start))


def _of_no_interest(rule: Rule, is_guarded: Callable[[CommandSpec], bool]) -> str:
    specs = [spec_of(name.upper()) for name in rule.commands or ()]
    if not specs or any(not spec.known or is_guarded(spec) for spec in specs):
        return ""
    names = ", ".join(spec.name for spec in specs)
    return f"the guard does nothing about {names}: only reply_bytes can be set for it"
