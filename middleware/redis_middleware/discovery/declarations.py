"""What a plugin's class declares, checked before it runs: its hooks and its constructor."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import pluggy

from redis_middleware import hookspecs
from redis_middleware.settings.problems import did_you_mean

__all__ = ["constructor_problem", "hook_problem"]

_WITHOUT_DEFAULT = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)

_manager = pluggy.PluginManager(hookspecs.PROJECT_NAME)
_ARGUMENTS = {
    name: tuple(inspect.signature(getattr(hookspecs, name)).parameters)
    for name in sorted(vars(hookspecs))
    if _manager.parse_hookspec_opts(hookspecs, name) is not None
}
"""The arguments of each hook."""


def hook_problem(plugin: object) -> str:
    """Return what is wrong with the hooks of a plugin, a class or an object; else nothing.

    Returns:
        Such as ``"hook redis_command: its argument is 'cmd': call it `command`"``.
    """
    declared = list(_declared(plugin))
    if not declared:
        return "it implements no hook; decorate its methods with @redis_middleware.hookimpl"
    return next(
        filter(None, (_problem(plugin, attribute, marks) for attribute, marks in declared)), ""
    )


def _declared(plugin: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the attributes that are decorated as hooks, with pluggy's marks."""
    for attribute in dir(plugin):
        # Of the class where it is there: an object's properties would run.
        of_class = not isinstance(plugin, type | ModuleType) and hasattr(type(plugin), attribute)
        marks = _manager.parse_hookimpl_opts(type(plugin) if of_class else plugin, attribute)
        if marks is not None:
            yield attribute, marks


def _problem(plugin: object, attribute: str, marks: Mapping[str, Any]) -> str:
    name = marks["specname"] or attribute
    function = getattr(plugin, attribute)
    if name not in _ARGUMENTS:
        if marks["optionalhook"]:
            return ""
        meant = did_you_mean(name, _ARGUMENTS) or ";"
        return f"there is no hook {name!r}{meant} the hooks are {_listed(_ARGUMENTS)}"
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        problem = (
            "it is an async function, and hooks are plain generator functions (def with yield): "
            "the same one serves sync and async clients; for other I/O yield "
            "redis_middleware.Call(function, async_function)"
        )
    elif marks["wrapper"] or marks["hookwrapper"]:
        problem = (
            "it is a wrapper of pluggy's, which does not run these hooks; every flow is around "
            "what is inside of it: decorate it with @hookimpl(tryfirst=True) or plain @hookimpl"
        )
    else:
        given = _required(function)
        if isinstance(plugin, type) and inspect.isfunction(
            inspect.getattr_static(plugin, attribute)
        ):
            # Not bound yet: its first argument is the plugin.
            del given[:1]
        problem = _arguments_problem(given, _ARGUMENTS[name])
    return f"hook {name}: {problem}" if problem else ""


def _required(function: Callable[..., Any]) -> list[str]:
    return [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind in _WITHOUT_DEFAULT and parameter.default is parameter.empty
    ]


def _arguments_problem(given: Sequence[str], right: Sequence[str]) -> str:
    if set(given) <= set(right):
        return ""
    is_one = len(given) == 1
    said = f"its argument{' is' if is_one else 's are'} {_listed(map(repr, given))}: "
    if not right:
        return said + "it is called without arguments"
    return said + (f"call it `{right[0]}`" if is_one else f"it is called with `{right[0]}` alone")


def constructor_problem(cls: type, *, with_settings: bool) -> str:
    """Return why a plugin's class cannot be made, as far as its signature tells; else nothing.

    Args:
        cls: the class.
        with_settings: whether it has a settings model, of which it is given an instance.
    """
    try:
        inspect.signature(cls).bind(*[None] * with_settings)
    except ValueError:
        # A class made in C may not tell what it takes.
        return ""
    except TypeError:
        names = _required(cls)
    else:
        return ""
    if not with_settings:
        return (
            f"its __init__ takes {_listed(map(repr, names))}, but it has no class Settings: "
            "give it one, derived from pydantic.BaseModel, or give what it takes a default"
        )
    if names:
        return (
            f"its __init__ takes {_listed(map(repr, names))}, and is called with the settings "
            "alone: give the others a default"
        )
    return (
        "it has a class Settings, but its __init__ takes no settings: "
        "write def __init__(self, settings)"
    )


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else str(last)
