"""What every command is: the specifications of the commands that Redis and Valkey have.

They come from ``redis_middleware.commands.table``, which is made from the ``COMMAND`` replies of
real servers. A specification is built when it is first asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from redis_middleware.commands.key_specs import (
    IndexSearch,
    KeyRange,
    KeySpec,
    KeyUse,
    parse_key_specs,
)
from redis_middleware.commands.key_uses import key_uses
from redis_middleware.commands.table import COMMANDS

__all__ = ["CommandSpec", "all_specs", "is_container", "spec_of"]

_ONE_KEY: Final = KeyRange(last_key=0, step=1, limit=0)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CommandSpec:
    """What a command is, as the server describes it. Immutable; compared by identity."""

    name: str
    """In upper case; a subcommand is two words, such as ``"CONFIG GET"``."""
    known: bool = False
    """Whether the table has the command; if not, nothing else here is known."""
    container: bool = False
    """Whether it is the first word of commands of two words, such as ``CONFIG``."""
    arity: int = 0
    """How many arguments, the words of the name counted; negative: at least so many."""
    flags: frozenset[str] = frozenset()
    """The command's flags, such as ``readonly``, ``write``, ``denyoom``, ``fast``, ``noscript``."""
    categories: frozenset[str] = frozenset()
    """The ACL categories, without ``@``."""
    group: str = ""
    """The group the servers' documentation has it in, such as ``"sorted-set"``; may be empty."""
    tips: frozenset[str] = frozenset()
    """The command tips, such as ``nondeterministic_output`` or ``request_policy:all_shards``."""
    key_specs: tuple[KeySpec, ...] = ()
    """Where the keys are; ``redis_middleware.commands.find_keys`` applies them."""

    request_policy: str | None = field(init=False)
    """Where a cluster client sends it: None (by its keys, or to any node), ``"all_nodes"``,
    ``"all_shards"``, ``"multi_shard"`` or ``"special"``."""
    response_policy: str | None = field(init=False)
    """How a cluster client puts several replies together, such as ``"agg_sum"``; None: by the
    order of the keys."""
    is_read: bool = field(init=False)
    """It changes no data: the ``readonly`` flag."""
    is_write: bool = field(init=False)
    """It may change data: the ``write`` flag. Scripts have neither this nor ``readonly``."""
    is_blocking: bool = field(init=False)
    """It may wait on the server: the ``blocking`` flag."""
    is_admin: bool = field(init=False)
    """It administers the server: the ``admin`` flag."""
    is_pubsub: bool = field(init=False)
    """It publishes, subscribes or asks about channels: the ``pubsub`` flag."""
    movable_keys: bool = field(init=False)
    """Other arguments decide where its keys are: the ``movablekeys`` flag."""
    keys_complete: bool = field(init=False)
    """False: it may also use keys that its arguments do not name, as SORT does with BY and GET."""
    first_key: int = field(init=False)
    """The index of its key among the wire arguments if it always has one key and always there,
    such as 1 for GET and 2 for MEMORY USAGE; else 0."""
    fixed_uses: tuple[KeyUse, ...] | None = field(init=False)
    """What ``find_keys`` finds in every complete invocation; None if that depends on the
    arguments."""

    def __post_init__(self) -> None:
        flags = self.flags
        first_key = 0
        fixed_uses: tuple[KeyUse, ...] | None = None if self.key_specs else ()
        match self.key_specs:
            case (KeySpec(IndexSearch(index), keys, key_flags),) if (
                keys == _ONE_KEY and "not_key" not in key_flags
            ):
                first_key = index
                if "variable_flags" not in key_flags:
                    fixed_uses = key_uses(key_flags, range(index, index + 1))
        derived = {
            "request_policy": self._tip("request_policy:"),
            "response_policy": self._tip("response_policy:"),
            "is_read": "readonly" in flags,
            "is_write": "write" in flags,
            "is_blocking": "blocking" in flags,
            "is_admin": "admin" in flags,
            "is_pubsub": "pubsub" in flags,
            "movable_keys": "movablekeys" in flags,
            "keys_complete": all(spec.begin_search is not None for spec in self.key_specs),
            "first_key": first_key,
            "fixed_uses": fixed_uses,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def _tip(self, prefix: str) -> str | None:
        return next((tip.removeprefix(prefix) for tip in self.tips if tip.startswith(prefix)), None)

    def __repr__(self) -> str:
        return f"<CommandSpec {self.name}{'' if self.known else ' (unknown)'}>"


_CONTAINERS: Final = frozenset(name.partition(" ")[0] for name in COMMANDS if " " in name)
_specs: Final[dict[str, CommandSpec]] = {}


def spec_of(name: str) -> CommandSpec:
    """Return the specification of a command.

    Args:
        name: the command's name, a subcommand with both words; upper case is fastest. A second
            word that is an argument and no subcommand (``"DEBUG OBJECT"``, ``"LOLWUT VERSION"``)
            is disregarded, as redis-py's own names have such.

    Returns:
        The one specification of that command. For a command that the table does not have, one
        with ``known`` False; it may be another object the next time.
    """
    spec = _specs.get(name)
    return spec if spec is not None else _look_up(" ".join(name.upper().split()))


def is_container(word: str) -> bool:
    """Tell whether a word is the first of commands of two words, such as ``CONFIG``."""
    return word in _CONTAINERS or word.upper() in _CONTAINERS


def all_specs() -> tuple[CommandSpec, ...]:
    """Return the specification of every command of the table, in the order of their names."""
    return tuple(map(spec_of, COMMANDS))


def _look_up(name: str) -> CommandSpec:
    if name in COMMANDS:
        return _specs.get(name) or _specs.setdefault(name, _build(name))
    first_word = name.partition(" ")[0]
    if first_word != name and first_word in COMMANDS and first_word not in _CONTAINERS:
        return _look_up(first_word)
    return _unknown(name)


def _build(name: str) -> CommandSpec:
    columns = ["" if column == "-" else column for column in COMMANDS[name].split(" | ")]
    arity, flags, categories, group, tips, keys = columns
    return CommandSpec(
        name=name,
        known=True,
        container=name in _CONTAINERS,
        arity=int(arity),
        flags=_words(flags),
        categories=_words(categories),
        group=group,
        tips=_words(tips),
        key_specs=parse_key_specs(keys),
    )


@lru_cache(maxsize=1024)
def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@lru_cache(maxsize=256)
def _unknown(name: str) -> CommandSpec:
    return CommandSpec(name)
