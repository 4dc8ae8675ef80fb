"""What lies over the top level of the settings: a profile, then environment variables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from redis_middleware.settings.origins import EnvironmentVariable, KeyPath, Override

__all__ = ["PREFIX", "RESERVED_KEYS", "copied", "merge", "merge_environment"]

PREFIX = "REDIS_MIDDLEWARE__"
RESERVED_KEYS = ("plugins", "blocked", "profiles")

_SEPARATOR = "__"


def merge(
    base: dict[str, Any],
    over: Mapping[str, Any],
    by: Override,
    overrides: dict[KeyPath, Override],
    at: KeyPath = (),
) -> None:
    """Lay ``over`` on ``base``: tables are merged key by key, all else is replaced, lists too.

    Args:
        base: what is changed.
        over: what is laid over it.
        by: where ``over`` comes from.
        overrides: gets an entry for each key that was set.
        at: the path of ``base``.
    """
    for key, value in over.items():
        path = (*at, key)
        current = base.get(key)
        if isinstance(value, Mapping) and isinstance(current, dict):
            merge(current, value, by, overrides, path)
            continue
        for outdated in [other for other in overrides if other[: len(path)] == path]:
            del overrides[outdated]
        base[key] = copied(value)
        overrides[path] = by


def copied(value: Any) -> Any:
    """Return ``value`` with its tables copied, nested ones too, and all else as it is."""
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    return value


def merge_environment(
    base: dict[str, Any], environ: Mapping[str, str], overrides: dict[KeyPath, Override]
) -> list[str]:
    """Lay the variables ``REDIS_MIDDLEWARE__TABLE__KEY`` on ``base`` and return the problems met.

    ``blocked`` is the exception to replacing: names given by the environment are added, because
    a kill switch for one plugin must not bring another one back.
    """
    problems = []
    by_name = {name: text for name, text in environ.items() if name.upper().startswith(PREFIX)}
    spelled: dict[str, str] = {}
    # The shallow ones first: X__CACHE='{"ttl": 5}' sets a table that X__CACHE__TTL changes.
    for name in sorted(by_name, key=lambda each: (each.count(_SEPARATOR), each)):
        variable = EnvironmentVariable(name, by_name[name])
        steps = name[len(PREFIX) :].casefold().split(_SEPARATOR)
        rival = spelled.setdefault(name.upper(), name)
        problem = (
            f"environment variable {rival} sets the same key: unset one of the two"
            if rival != name
            else _merge_variable(base, variable, steps, overrides)
        )
        if problem:
            problems.append(f"environment variable {name}: {problem}")
    return problems


def _merge_variable(
    base: dict[str, Any],
    variable: EnvironmentVariable,
    steps: list[str],
    overrides: dict[KeyPath, Override],
) -> str | None:
    if not all(steps):
        return f"the name has an empty part: write {PREFIX}TABLE__KEY"
    if steps[0] == "profiles":
        return "profiles cannot be changed from the environment: set the table's key itself"
    if steps[0] == "profile":
        return "the variable that chooses a profile is REDIS_MIDDLEWARE_PROFILE"
    value: Any
    if steps in (["plugins"], ["blocked"]):
        value = _names(variable.text)
        if value is None:
            return f'{variable.text!r} begins like a JSON list and is none: write ["a", "b"] or a,b'
        if steps == ["blocked"] and isinstance(base.get("blocked"), (list, tuple)):
            value = list(dict.fromkeys([*base["blocked"], *value]))
    else:
        value = _value(variable.text)
    table = base
    path: KeyPath = ()
    for step in steps[:-1]:
        name = _known_spelling(step, table, base if not path else {})
        path = (*path, name)
        inner = table.get(name)
        if not isinstance(inner, dict):
            # The table of a plugin is taken for granted; that one is inside of it is said here.
            if name in table or path[1:]:
                overrides[path] = variable
            inner = table[name] = {}
        table = inner
    key = _known_spelling(steps[-1], table, base if not path else {})
    merge(table, {key: value}, variable, overrides, path)
    return None


def _known_spelling(step: str, table: Mapping[str, Any], top_level: Mapping[str, Any]) -> str:
    """Return how the settings spell what a variable, without case and hyphens, names."""
    plugins = top_level.get("plugins")
    listed = plugins if isinstance(plugins, (list, tuple)) else ()
    for name in (*table, *listed):
        if isinstance(name, str) and name.casefold().replace("-", "_") == step.replace("-", "_"):
            return name
    return step


def _names(text: str) -> list[Any] | None:
    if text.lstrip().startswith("["):
        value = _value(text)
        return value if isinstance(value, list) else None
    return [name.strip() for name in text.split(",") if name.strip()]


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def _refuse_constant(name: str) -> NoReturn:
    # Python reads NaN and Infinity, which are not JSON; a setting called "Infinity" is text.
    raise ValueError(name)
