"""The table ``[size_guard]`` of the settings."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from redis_middleware.commands import all_specs, spec_of
from redis_middleware.settings.problems import did_you_mean
from redis_middleware.settings.types import Bytes, Duration, KeyPattern

__all__ = [
    "CountLimit",
    "Counts",
    "Limits",
    "Rule",
    "SizeGuardSettings",
    "SizeLimit",
    "Sizes",
]

_MIB = 2**20
_CLASSES = frozenset({"read", "write"})

Mode = Literal["observe", "warn", "reject"]
Reads = Literal["observe", "warn", "reject", "page"]
Unlink = Literal["auto", "always", "never"]


class Sizes(BaseModel):
    """Sizes in bytes from which something is done; one that is not set is never reached."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    observe: Bytes | None = Field(default=None, description="Larger is counted.")
    warn: Bytes | None = Field(default=None, description="Larger is logged, once a minute a key.")
    reject: Bytes | None = Field(default=None, description="Larger is refused.")

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        _ascending(self)
        return self


class Counts(BaseModel):
    """Numbers from which something is done; one that is not set is never reached."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    observe: int | None = Field(default=None, ge=0, description="More are counted.")
    warn: int | None = Field(default=None, ge=0, description="More are logged, once a minute.")
    reject: int | None = Field(default=None, ge=0, description="More are refused.")

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        _ascending(self)
        return self


def _ascending(limits: Sizes | Counts) -> None:
    given = [
        (name, value)
        for name in ("observe", "warn", "reject")
        if (value := getattr(limits, name)) is not None
    ]
    if not given:
        raise ValueError("no threshold is set: set observe, warn or reject")
    for (name, value), (stronger, larger) in pairwise(given):
        if value > larger:
            raise ValueError(
                f"{name} = {value} is above {stronger} = {larger}: the stronger action cannot "
                "begin before the weaker one"
            )


SizeLimit = Bytes | Sizes
CountLimit = Annotated[int, Field(ge=0)] | Counts


class Limits(BaseModel):
    """What a rule may set, and the table itself."""

    model_config = ConfigDict(frozen=True)

    mode: Mode | None = Field(
        default=None,
        description="The strongest thing that is done about writes: observe counts, warn logs, "
        "reject refuses. It is also what a limit given as one number does.",
    )
    max_value: SizeLimit | None = Field(
        default=None,
        description="Bytes of a string's value, and of all that one command adds to another key.",
    )
    max_element: SizeLimit | None = Field(
        default=None,
        description="Bytes of one element: a list's, a set's or sorted set's member, a hash's "
        "field with its value, a stream's entry.",
    )
    max_elements: CountLimit | None = Field(
        default=None, description="Elements of a list, set, sorted set, hash or stream."
    )
    max_key: SizeLimit | None = Field(default=None, description="Bytes of a key's name.")
    max_arguments: CountLimit | None = Field(
        default=None, description="Arguments of one write, its name included."
    )
    reads: Reads | None = Field(
        default=None,
        description="What is done about reads of more than max_read elements at once: observe "
        "counts, warn logs, reject refuses (the length is asked first), page answers them in "
        "batches that do not block the server.",
    )
    max_read: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Elements from which a read is a big one."
    )
    reply_bytes: SizeLimit | None = Field(
        default=None,
        description="Bytes of a reply from which it is reported after it came; reject warns.",
    )
    strict: bool | None = Field(
        default=None,
        description="Growing writes are checked and done by a script, atomically: no other writer "
        "can get in between.",
    )
    unlink: Unlink | None = Field(
        default=None,
        description="DEL, and EXPIRE and its kin with no time left, are sent as UNLINK: always, "
        "never, or auto: where the server does not free big keys in the background by itself.",
    )
    ttl: Annotated[Duration, Field(gt=0)] | None = Field(
        default=None, description="The time to live given to keys that are written without one."
    )
    max_length: Annotated[int, Field(gt=0)] | None = Field(
        default=None,
        description="Elements that a stream, list or sorted set is trimmed to with the write that "
        "makes it longer: the newest of a stream or list, the highest of a sorted set stay.",
    )


class Rule(Limits):
    """What is different for some keys or commands."""

    keys: KeyPattern = Field(default=KeyPattern("*"), description="The keys the rule is for.")
    commands: list[Annotated[str, Field(min_length=1)]] | None = Field(
        default=None,
        description="The commands it is for: names, such as RPUSH, or classes: read, write, or a "
        "group such as string, hash, list, set, sorted-set, stream (SET is the command, set the "
        "group). All, where it is not set.",
    )

    @model_validator(mode="after")
    def _known_commands(self) -> Self:
        groups = {spec.group for spec in all_specs() if spec.group} | _CLASSES
        for name in self.commands or ():
            if name.lower() not in groups and not spec_of(name).known:
                names = [spec.name for spec in all_specs()]
                meant = did_you_mean(name, [*groups, *names])
                raise ValueError(
                    f"commands: {name!r} is neither a command nor a class{meant or ''}; classes "
                    f"are {', '.join(sorted(groups))}"
                )
        if not (self.model_fields_set - {"keys", "commands"}):
            raise ValueError("the rule sets nothing: set a limit, mode, reads, strict, ttl …")
        return self


class SizeGuardSettings(Limits):
    """Limits for all keys, and rules for some; the first rule that sets something decides it."""

    mode: Mode = Field(default="warn", description=Limits.model_fields["mode"].description)
    max_value: SizeLimit = Field(
        default=Sizes(warn=_MIB, reject=10 * _MIB),
        description=Limits.model_fields["max_value"].description,
    )
    max_elements: CountLimit = Field(
        default=Counts(warn=10_000, reject=100_000),
        description=Limits.model_fields["max_elements"].description,
    )
    max_element: SizeLimit = Field(
        default=Sizes(warn=_MIB, reject=10 * _MIB),
        description=Limits.model_fields["max_element"].description,
    )
    max_key: SizeLimit = Field(
        default=Sizes(warn=1024), description=Limits.model_fields["max_key"].description
    )
    max_arguments: CountLimit = Field(
        default=Counts(warn=10_000, reject=1_000_000),
        description=Limits.model_fields["max_arguments"].description,
    )
    max_batch: SizeLimit = Field(
        default=Sizes(warn=64 * _MIB, reject=256 * _MIB),
        description="Bytes of all the arguments of one pipeline or transaction.",
    )
    reads: Reads = Field(default="warn", description=Limits.model_fields["reads"].description)
    max_read: Annotated[int, Field(ge=0)] = Field(
        default=10_000, description=Limits.model_fields["max_read"].description
    )
    reply_bytes: SizeLimit = Field(
        default=Sizes(warn=10 * _MIB),
        description="Bytes of a reply from which it is reported after it came, of the reads that "
        "max_read is for; a rule with commands adds others, such as GET.",
    )
    strict: bool = Field(default=False, description=Limits.model_fields["strict"].description)
    unlink: Unlink = Field(default="auto", description=Limits.model_fields["unlink"].description)
    ttl_jitter: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="By how much a ttl varies, up and down, as a share of it, so that keys "
        "written together do not expire together.",
    )
    page_size: int = Field(
        default=1000, ge=1, description="Elements asked for at once where reads are paged."
    )
    sampling: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="How often the size of a key that grows is asked with the write, from 0 to 1, "
        "while it is far from its limit; near it, always.",
    )
    tracked_keys: int = Field(
        default=10_000, ge=1, description="How many keys' sizes are kept in memory."
    )
    ask_sources: bool = Field(
        default=True,
        description="COPY and RENAME ask for the size of their source first, with two round trips.",
    )
    rules: list[Rule] = Field(default=[], description="What is different for some keys.")
