"""What the table knows of commands, and how it is asked."""

from __future__ import annotations

import pytest
from tests.commands.redispy_commands import commands_of_redispy

from redis_middleware.commands import (
    IndexSearch,
    KeyCount,
    KeyRange,
    KeySpec,
    KeywordSearch,
    all_specs,
    is_container,
    spec_of,
)
from redis_middleware.commands.key_specs import parse_key_specs


def test_every_command_of_redispy_is_known() -> None:
    """Whatever the installed redis-py can send has a specification."""
    sent = commands_of_redispy()
    assert not sorted(name for name in sent if not spec_of(name).known)


def test_the_reader_of_redispy_is_not_blind() -> None:
    """The commands that redis-py builds in roundabout ways are found in its source too."""
    sent = commands_of_redispy()
    assert len(sent) > 400
    roundabout = {"BITFIELD", "EVALSHA", "FT.SEARCH", "GEOSEARCH", "TS.MRANGE", "XREADGROUP"}
    assert sent >= roundabout | {"SENTINEL MASTER", "SLOWLOG GET", "ZADD", "ZUNIONSTORE"}


def test_one_command_has_one_specification() -> None:
    """The specification of a known command is the same object, however the name is written."""
    get = spec_of("GET")
    assert get is spec_of("get") is spec_of("Get")
    assert spec_of("CONFIG GET") is spec_of("config get") is spec_of("CONFIG  GET")
    assert get in all_specs()


def test_a_specification_says_what_a_command_is() -> None:
    """Flags, categories, policies and keys are there, and the handy answers follow from them."""
    get = spec_of("GET")
    assert (get.name, get.known, get.arity, get.group) == ("GET", True, 2, "string")
    assert get.flags == {"readonly", "fast"}
    assert get.categories == {"read", "string", "fast"}
    assert (get.is_read, get.is_write, get.first_key, get.movable_keys) == (True, False, 1, False)
    assert get.key_specs == (
        KeySpec(IndexSearch(1), KeyRange(0, 1, 0), frozenset({"RO", "access"})),
    )

    dbsize = spec_of("DBSIZE")
    assert (dbsize.request_policy, dbsize.response_policy) == ("all_shards", "agg_sum")
    assert get.request_policy is None
    assert get.response_policy is None

    assert spec_of("SET").is_write
    assert spec_of("BLPOP").is_blocking
    assert spec_of("CONFIG SET").is_admin
    assert spec_of("SUBSCRIBE").is_pubsub
    assert spec_of("EVAL").movable_keys
    assert not spec_of("EVAL").is_read
    assert not spec_of("EVAL").is_write
    assert "nondeterministic_output" in spec_of("SRANDMEMBER").tips


@pytest.mark.parametrize(
    ("name", "first_key"),
    [
        *[("GET", 1), ("SET", 1), ("MEMORY USAGE", 2), ("XINFO STREAM", 2), ("JSON.GET", 1)],
        *[("MGET", 0), ("RENAME", 0), ("SORT", 0), ("EVAL", 0), ("SPUBLISH", 0), ("PING", 0)],
    ],
)
def test_a_single_fixed_key_is_told_at_once(name: str, first_key: int) -> None:
    """``first_key`` is set where a command always has one key, always in the same place."""
    assert spec_of(name).first_key == first_key


def test_commands_that_use_keys_they_do_not_name_say_so() -> None:
    """SORT's BY and GET patterns name keys by the sorted elements, which no argument shows."""
    assert {spec.name for spec in all_specs() if not spec.keys_complete} == {"SORT", "SORT_RO"}


def test_containers_are_the_first_words_of_commands() -> None:
    """A container is known as such by its word and by its specification."""
    assert is_container("CONFIG")
    assert is_container("config")
    assert spec_of("CONFIG").container
    assert not is_container("GET")
    assert not is_container("GETS")
    assert not spec_of("CONFIG GET").container
    for spec in all_specs():
        assert spec.container is is_container(spec.name)


def test_a_second_word_that_is_an_argument_is_disregarded() -> None:
    """redis-py's "DEBUG OBJECT" and "LOLWUT VERSION" are DEBUG and LOLWUT with an argument."""
    assert spec_of("DEBUG OBJECT") is spec_of("DEBUG")
    assert spec_of("LOLWUT VERSION") is spec_of("LOLWUT")


@pytest.mark.parametrize("name", ["MY.COMMAND", "CONFIG NONSENSE", "MY COMMAND", "", " "])
def test_nothing_is_known_of_other_commands(name: str) -> None:
    """An unknown command has a specification that says so and promises nothing."""
    spec = spec_of(name)
    assert not spec.known
    assert spec.name == " ".join(name.split())
    assert (spec.is_read, spec.is_write, spec.container, spec.first_key) == (False, False, False, 0)
    assert spec.key_specs == ()
    assert spec_of(name.lower()).name == spec.name
    assert spec not in all_specs()


def test_a_specification_cannot_be_changed() -> None:
    """Specifications are shared, so nobody can change one."""
    with pytest.raises(AttributeError):
        spec_of("GET").is_read = False  # type: ignore[misc]


def test_the_notation_of_key_specifications() -> None:
    """Each form of the table's notation gives the parts it stands for."""
    flags = frozenset({"RW", "access"})
    assert parse_key_specs("") == ()
    assert parse_key_specs("2: RW access") == (KeySpec(IndexSearch(2), KeyRange(0, 1, 0), flags),)
    assert parse_key_specs("KEYS -2 range -1 1 2: RW access; 2 keynum 0 1 3: RW access") == (
        KeySpec(KeywordSearch("KEYS", -2), KeyRange(-1, 1, 2), flags),
        KeySpec(IndexSearch(2), KeyCount(0, 1, 3), flags),
    )
    assert parse_key_specs("unknown: RW access") == (KeySpec(None, None, flags),)


@pytest.mark.parametrize("text", ["x: RW", "1 range 0 1: RW", "range 0 1 0: RO", "1 range a 1 0:"])
def test_a_wrong_key_specification_is_quoted(text: str) -> None:
    """What does not follow the notation is an error that shows the text."""
    with pytest.raises(ValueError, match=text.split()[-1]):
        parse_key_specs(text)
