"""Checking settings with pydantic and wording what it finds. Imports pydantic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from redis_middleware.settings.allowed import (
    Schema,
    choices_of,
    description_of,
    is_free_form,
    is_secret,
    keys_of,
    schemas_at,
)
from redis_middleware.settings.json_schema import model_schema
from redis_middleware.settings.models import TopLevelModel
from redis_middleware.settings.origins import EnvironmentVariable, KeyPath
from redis_middleware.settings.overlays import RESERVED_KEYS, copied
from redis_middleware.settings.problems import Place, did_you_mean, settings_error, shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from redis_middleware.settings.settings import Settings

__all__ = ["top_level_problems", "validated_table"]

Model = TypeVar("Model", bound=BaseModel)
PlaceOf = Callable[[KeyPath], Place]

_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
_CHOICE = ("literal_error", "enum")
_NOT_A_TABLE = ("dict_type", "model_type", "dataclass_type", "mapping_type")
_NOT_A_LIST = ("list_type", "tuple_type")


def validated_table(settings: Settings, name: str, model: type[Model]) -> Model:
    """Return the table of one plugin as its model; the work of ``Settings.for_plugin``."""
    table = copied(settings.tables.get(name, {}))
    try:
        return model.model_validate(table, extra="forbid")
    except ValidationError as first:
        error = first
    as_text = _with_environment_as_text(settings, name, table, error)
    if as_text != table:
        try:
            return model.model_validate(as_text, extra="forbid")
        except ValidationError as second:
            error, table = second, as_text
    schema = model_schema(model)
    located = [
        (path, details)
        for path, details in _located(error, table)
        if details["type"] not in _UNKNOWN_KEY or not is_free_form(schemas_at(schema, path[:-1]))
    ]
    if not located:
        return model.model_validate(table)
    problems = _worded(located, table, schema, lambda path: settings.place((name, *path)))
    # pydantic's error would print secret values in the traceback, and says nothing more.
    raise settings_error(problems) from None


def _with_environment_as_text(
    settings: Settings, name: str, table: dict[str, Any], error: ValidationError
) -> dict[str, Any]:
    """Undo the reading as JSON where a variable's value does not fit: ``123`` may be a name."""
    table = copied(table)
    for path, _ in _located(error, table):
        variable = settings.overrides.get((name, *path))
        if not isinstance(variable, EnvironmentVariable) or not path:
            continue
        parent = _value_at(table, path[:-1])
        if isinstance(parent, dict) and not isinstance(parent.get(path[-1]), (dict, list)):
            parent[path[-1]] = variable.text
    return table


def top_level_problems(data: Mapping[str, Any], place_of: PlaceOf) -> list[str]:
    """Return what is wrong with ``plugins``, ``blocked``, ``profiles`` and the names beside them.

    Args:
        data: the settings, with or without profiles.
        place_of: tells where the value at a path stands.
    """
    problems: list[str] = []
    try:
        TopLevelModel.model_validate(data)
    except ValidationError as error:
        located = _located(error, data)
        stray = [path for path, details in located if _is_stray_key(path, details)]
        problems += [_stray_key(path, data, place_of(path)) for path in stray]
        located = [(path, details) for path, details in located if path not in stray]
        problems += _worded(located, data, model_schema(TopLevelModel), place_of)
        return problems
    profiles = data.get("profiles", {})
    problems += _repeated_names(data, (), place_of)
    for name, profile in profiles.items():
        problems += _repeated_names(profile, ("profiles", name), place_of)
        if "profiles" in profile:
            place = place_of(("profiles", name, "profiles"))
            problems.append(f"{place}: a profile cannot hold profiles: move them to the top level")
    return problems


def _is_stray_key(path: KeyPath, details: ErrorDetails) -> bool:
    level = path[2:] if path[:1] == ("profiles",) else path
    return len(level) == 1 and level[0] not in RESERVED_KEYS and details["type"] in _NOT_A_TABLE


def _stray_key(path: KeyPath, data: Mapping[str, Any], place: Place) -> str:
    listed = [data.get("plugins"), _value_at(data, path[:-1]).get("plugins")]
    if any(isinstance(names, (list, tuple)) and path[-1] in names for names in listed):
        return f"{place}: should be a table: set the keys of {place.header} one by one"
    meant = did_you_mean(place.key, RESERVED_KEYS)
    return (
        f"{place}: unknown key{meant or ';'} known here are "
        f"{', '.join(RESERVED_KEYS)} and a table for each plugin, such as [slow_log]"
    )


def _repeated_names(level: Mapping[str, Any], at: KeyPath, place_of: PlaceOf) -> Iterable[str]:
    names = list(level.get("plugins", ()))
    for name in dict.fromkeys(names):
        items = [str(number) for number, each in enumerate(names, start=1) if each == name]
        if len(items) > 1:
            yield (
                f"{place_of((*at, 'plugins'))}: two plugins of the same name, {name!r} "
                f"(items {' and '.join(items)}): a plugin runs once; remove one"
            )


def _located(error: ValidationError, data: object) -> list[tuple[KeyPath, ErrorDetails]]:
    """Pair pydantic's errors with the way to the value each is about."""
    located = [
        (_path(details, data), details)
        for details in error.errors(include_url=False, include_context=True)
    ]
    paths = {path for path, _ in located}
    # Of a union's alternatives, those that know the value's own keys tell more than the others,
    # which only say that it is not of their type.
    return [
        (path, details)
        for path, details in located
        if not any(len(other) > len(path) and other[: len(path)] == path for other in paths)
    ]


def _path(details: ErrorDetails, data: object) -> KeyPath:
    """Leave out of pydantic's location what is not in the data, such as names of alternatives."""
    path: KeyPath = ()
    value: Any = data
    steps = details["loc"]
    for number, step in enumerate(steps, start=1):
        if _holds(value, step):
            value = value[step]
        elif number < len(steps) or details["type"] not in ("missing", "missing_argument"):
            continue
        path = (*path, step)
    return path


def _holds(value: Any, step: str | int) -> bool:
    if isinstance(value, (list, tuple)):
        return isinstance(step, int) and step < len(value)
    return isinstance(value, Mapping) and step in value


def _value_at(data: object, path: KeyPath) -> Any:
    value: Any = data
    for step in path:
        value = value[step]
    return value


def _worded(
    located: Sequence[tuple[KeyPath, ErrorDetails]],
    data: object,
    schema: Schema,
    place_of: PlaceOf,
) -> list[str]:
    by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for path, details in located:
        by_path.setdefault(path, []).append(details)
    return [
        _problem(path, details, data, schema, place_of(path)) for path, details in by_path.items()
    ]


def _problem(
    path: KeyPath, errors: Sequence[ErrorDetails], data: object, schema: Schema, place: Place
) -> str:
    kind = errors[0]["type"]
    if kind in _UNKNOWN_KEY:
        known = keys_of(schemas_at(schema, path[:-1]))
        meant = did_you_mean(str(path[-1]), known)
        return f"{place}: unknown key{meant or ';'} known keys: {', '.join(known) or 'none'}"
    allowed = description_of(schema, path)
    if kind in ("missing", "missing_argument"):
        return f"{place} is missing: set it" + (f"; allowed: {allowed}" if allowed else "")
    value = _value_at(data, path)
    if isinstance(value, Mapping):
        # Of a union, the alternatives that take a table know what is wrong with this one.
        errors = [each for each in errors if not each["type"].endswith("_type")] or errors
        kind = errors[0]["type"]
    seen = '"**********"' if is_secret(schema, path) else shown(value)
    messages = "; or ".join(dict.fromkeys(_message(details, value, seen) for details in errors))
    if isinstance(value, Mapping) and kind in _NOT_A_LIST and _holds_tables(schema, path):
        return f"{place.of_table()}: should be a list of tables: write [{place.header}] above each"
    if isinstance(value, Mapping) and not kind.endswith("_type"):
        return f"{place.of_table()}: {messages}"
    if kind in _CHOICE and isinstance(value, str):
        messages += did_you_mean(value, choices_of(schemas_at(schema, path)))
    # Choices are listed by pydantic's own message, and our types' messages say what is allowed.
    if allowed and kind not in _CHOICE and "allowed" not in messages:
        messages += f"; allowed: {allowed}"
    return f"{place} = {seen}: {messages}"


def _holds_tables(schema: Schema, path: KeyPath) -> bool:
    return any(item.get("type") == "object" for item in schemas_at(schema, (*path, 0)))


def _message(details: ErrorDetails, value: object, seen: str) -> str:
    kind = details["type"]
    if kind in _NOT_A_TABLE:
        return "should be a table"
    if kind == "value_error":
        return str(details["ctx"]["error"])
    message = details["msg"].removeprefix("Input ").replace("valid dictionary", "table")
    message = message.replace("valid tuple", "valid list")
    if details["loc"][-1:] == ("[key]",):
        message = f"the key itself {message}"
    if kind in _NOT_A_LIST and isinstance(value, str):
        message += f", such as [{seen}]"
    return message[:1].lower() + message[1:]
