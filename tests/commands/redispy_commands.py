"""Finds every command that the installed redis-py can send, by reading its source."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import redis

_SENDING = {
    "execute_command",
    "immediate_execute_command",
    "pipeline_execute_command",
    "send_command",
}


def commands_of_redispy() -> set[str]:
    """Return the names that redis-py passes to ``execute_command``, as it writes them.

    Followed are constants, names of modules' constants, variables that are assigned such, lists
    and tuples that begin with such, and parameters through which another method passes such.
    """
    root = Path(redis.__file__).parent
    modules = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(root.rglob("*.py"))]
    constants: dict[str, set[str]] = {}
    for module in modules:
        for name, value in _assignments(module.body):
            constants.setdefault(name, set()).update(_resolve(value, constants))
    for module in modules:
        for function in _functions(module):
            constants.setdefault(f".{function.name}", set()).update(_returned(function, constants))
    found: set[str] = set()
    passed_on: dict[str, int] = {}
    for module in modules:
        for function in _functions(module):
            parameters = {f"<{argument.arg}>": index for index, argument in _parameters(function)}
            local = _local_names(function, constants)
            for call in _calls(function):
                if _called(call) in _SENDING and call.args:
                    sent = _resolve(call.args[0], local)
                    found |= sent
                    for parameter in sent & parameters.keys():
                        passed_on[function.name] = parameters[parameter]
    for module in modules:
        for call in _calls(module):
            position = passed_on.get(_called(call))
            if position is not None and len(call.args) > position:
                found |= _resolve(call.args[position], constants)
    return {name for name in found if name.isupper()}


def _parameters(
    function: ast.FunctionDef | ast.AsyncFunctionDef,
) -> Iterator[tuple[int, ast.arg]]:
    """Give the parameters after ``self`` with their positions in a call."""
    return enumerate(function.args.args[1:])


def _functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _assignments(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for statement in body:
        match statement:
            case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), _, value):
                if value is not None:
                    yield name, value


def _local_names(
    function: ast.FunctionDef | ast.AsyncFunctionDef, constants: Mapping[str, set[str]]
) -> dict[str, set[str]]:
    names = dict(constants)
    names |= {argument.arg: {f"<{argument.arg}>"} for _, argument in _parameters(function)}
    statements = [node for node in ast.walk(function) if isinstance(node, ast.stmt)]
    for name, value in _assignments(statements):
        names[name] = names.get(name, set()) | _resolve(value, names)
    return names


def _returned(
    function: ast.FunctionDef | ast.AsyncFunctionDef, constants: Mapping[str, set[str]]
) -> set[str]:
    """Resolve what a property returns; what other functions return is not followed."""
    if not any(
        isinstance(mark, ast.Name) and mark.id == "property" for mark in function.decorator_list
    ):
        return set()
    names = _local_names(function, constants)
    returns = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    return {name for value in returns if value is not None for name in _resolve(value, names)}


def _resolve(value: ast.expr, names: Mapping[str, set[str]]) -> set[str]:
    match value:
        case ast.Constant(str(text)):
            return {text}
        case ast.JoinedStr(parts):
            texts = [_resolve(part, names) or {""} for part in parts]
            return {"".join(words).strip() for words in itertools.product(*texts)}
        case ast.FormattedValue(inner):
            return _resolve(inner, names)
        case ast.Name(name):
            return names.get(name, set())
        case ast.Attribute(_, name):
            return names.get(f".{name}", set())
        case ast.Starred(inner) | ast.Await(inner):
            return _resolve(inner, names)
        case ast.List([first, *_]) | ast.Tuple([first, *_]):
            return _resolve(first, names)
        case ast.BinOp(left, ast.Add(), _):
            return _resolve(left, names)
        case ast.IfExp(_, body, other):
            return _resolve(body, names) | _resolve(other, names)
    return set()
