"""The settings of plugins and of the framework as Markdown tables, from their pydantic models."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeGuard, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from redis_middleware.cli.values import field_type, written
from redis_middleware.discovery import installed_plugins, settings_model
from redis_middleware.settings.models import ProfileModel, TopLevelModel
from redis_middleware.settings.types import Bytes, Duration, KeyPattern

__all__ = ["framework_tables", "plugin_tables"]

_UNITS: Final = ((get_args(Bytes)[1], "size (bytes)"), (get_args(Duration)[1], "duration (s)"))
_WORDS: Final[dict[Any, str]] = {
    bool: "`true`, `false`",
    int: "whole number",
    float: "number",
    str: "text",
    SecretStr: "text (secret)",
    KeyPattern: "key pattern",
    Any: "any value",
}
_BOUNDS: Final = (
    (annotated_types.Ge, "ge", "≥"),
    (annotated_types.Gt, "gt", ">"),
    (annotated_types.Le, "le", "≤"),
    (annotated_types.Lt, "lt", "<"),
)


def plugin_tables(name: str) -> str:
    """The tables of an installed plugin's settings, one for each table of the settings file.

    Args:
        name: the plugin's name, which is the table's.

    Raises:
        ValueError: the plugin has no settings.
    """
    model = settings_model(installed_plugins()[name].load())
    if model is None:
        raise ValueError(f"plugin {name!r} has no settings: its page needs no table of them")
    return "\n\n".join(_tables(model, name))


def framework_tables() -> str:
    """The tables of the keys that belong to the framework itself."""
    return "\n\n".join(
        (
            _table("The top level of the file", TopLevelModel),
            _table("Each table `[profiles.NAME]`", ProfileModel),
        )
    )


def _tables(model: type[BaseModel], name: str) -> Iterator[str]:
    yield _table(f"Table `[{name}]`", model)
    for inner, places in _inner_models(model, name).items():
        if places[0].startswith("["):
            title = " and ".join(f"`{place}`" for place in places)
            title = f"Each {title}" if places[0].startswith("[[") else f"Table {title}"
        else:
            keys = ", ".join(f"`{key}`" for key in dict.fromkeys(places))
            title = f"{_summary(inner)} What {keys} may be instead of one value"
        yield _table(title, inner, outer=model)


def _inner_models(model: type[BaseModel], path: str) -> dict[type[BaseModel], list[str]]:
    """The models inside of a model.

    Returns:
        For each the tables that it is for, ``[path.key]`` or ``[[path.key]]``, or the keys for
        which it is one of several types.
    """
    found: dict[type[BaseModel], list[str]] = {}
    for name, field in model.model_fields.items():
        members = [member for member, _ in _alternatives(field_type(field))]
        alternatives = [member for member in members if member is not type(None)]
        for member in alternatives:
            inner, place = member, f"[{path}.{name}]" if len(alternatives) == 1 else name
            if get_origin(member) in (list, tuple):
                inner, place = get_args(member)[0], f"[[{path}.{name}]]"
            elif get_origin(member) is dict:
                inner, place = get_args(member)[1], f"[{path}.{name}.NAME]"
            if _is_model(inner):
                found.setdefault(inner, []).append(place)
                for deeper, places in _inner_models(inner, f"{path}.{name}").items():
                    found.setdefault(deeper, []).extend(places)
    return found


def _is_model(type_: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(type_, type) and issubclass(type_, BaseModel)


def _table(title: str, model: type[BaseModel], outer: type[BaseModel] | None = None) -> str:
    known = {} if outer is None else outer.model_fields
    rows = []
    for name, field in model.model_fields.items():
        purpose = _purpose(field)
        if name in known and _purpose(known[name]) == purpose:
            purpose = "As above, for these."
        cells = (
            f"`{field.alias or name}`",
            _type_words(field_type(field)),
            _default(field),
            purpose.replace("*", "\\*"),
        )
        rows.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(
        (f"{title}:", "", "| key | type | default | what for |", "|---|---|---|---|", *rows)
    )


def _purpose(field: FieldInfo) -> str:
    if field.description is None and _is_model(field.annotation):
        return _summary(field.annotation)
    return field.description or ""


def _summary(model: type[BaseModel]) -> str:
    text = " ".join(inspect.cleandoc(model.__doc__ or "").split())
    return text.split("; ")[0].split(". ")[0].rstrip(".") + "."


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be set"
    if _is_model(field.annotation):
        return "see its table"
    value = field.get_default(call_default_factory=True)
    return "not set" if value is None else f"`{written(value, field_type(field))}`"


def _type_words(type_: Any) -> str:
    """What a value may be, in words: its type, its unit, its bounds."""
    return " or ".join(
        dict.fromkeys(
            ", ".join((_words(member, marks), *_bounds(marks)))
            for member, marks in _alternatives(type_)
            if member is not type(None)
        )
    )


def _words(member: Any, marks: tuple[Any, ...]) -> str:
    for mark in marks:
        for unit, words in _UNITS:
            if mark is unit:
                return words
    origin, arguments = get_origin(member), get_args(member)
    if origin is Literal:
        return ", ".join(f"`{written(choice)}`" for choice in arguments)
    if origin in (list, tuple):
        return "list of tables" if _is_model(arguments[0]) else f"list: {_type_words(arguments[0])}"
    if origin is dict:
        inner = arguments[1]
        return "tables by name" if _is_model(inner) else f"table: {_type_words(inner)}"
    if _is_model(member):
        return "table"
    return _WORDS[member]


def _bounds(marks: tuple[Any, ...]) -> Iterator[str]:
    for mark in marks:
        for kind, attribute, sign in _BOUNDS:
            if isinstance(mark, kind):
                yield f"{sign} {getattr(mark, attribute):,}"


def _alternatives(type_: Any, marks: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """A type, or the members of a union, each with what it is annotated with."""
    origin = get_origin(type_)
    if origin is Annotated:
        inner, *own = get_args(type_)
        # A Field inside of an annotation holds its bounds.
        flat = [each for mark in own for each in getattr(mark, "metadata", (mark,))]
        yield from _alternatives(inner, (*marks, *flat))
    elif origin in (Union, UnionType):
        for member in get_args(type_):
            yield from _alternatives(member, marks)
    else:
        yield type_, marks
