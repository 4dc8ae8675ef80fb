"""Commands taken apart by slot and put together again, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError, DataError, ResponseError

from redis_middleware import Command
from redis_middleware.commands import key_slot
from redis_middleware.testing import client_view, command
from redis_middleware_plugins.slot_routing.outcomes import partly_done
from redis_middleware_plugins.slot_routing.slots import SlotsOfKeys
from redis_middleware_plugins.slot_routing.splitting import (
    Split,
    Splitting,
    splitting_of,
)

_slots_of = SlotsOfKeys(client_view().encode)

# Few keys, so that many are equal or in one slot, of every type that redis-py takes.
_tags = st.sampled_from(["", "{}", "{a}", "{b}", "{", "}"])
_texts = st.builds(str.__add__, _tags, st.sampled_from(["", "x", "y", "é", "1", "1.5"]))
_encoded = _texts.map(str.encode)
_keys = st.one_of(
    _texts,
    _encoded,
    _encoded.map(bytearray),
    _encoded.map(lambda key: memoryview(key)),
    st.sampled_from([1, 1.5, -7]),
)


def _splitting(made: Command) -> Splitting:
    splitting = splitting_of(made.spec)
    assert splitting is not None
    return splitting


def _split(made: Command) -> Split[int]:
    splitting = _splitting(made)
    return Split(splitting, made, _slots_of(splitting.keys(made)))


def _wire(key: Any) -> bytes:
    return bytes(command("GET").client.encode(key))


class _OneServer:
    """What a server does with the commands that can be split."""

    def __init__(self, keys: dict[bytes, bytes]) -> None:
        self.keys = dict(keys)

    def answer(self, sent: Command) -> Any:
        keys = [_wire(argument) for argument in sent.args[1:]]
        match sent.name:
            case "MGET":
                return [self.keys.get(key) for key in keys]
            case "MSET":
                self.keys.update(zip(keys[::2], keys[1::2], strict=True))
                return True
            case "DEL" | "UNLINK":
                return sum(self.keys.pop(key, None) is not None for key in keys)
            case _:
                return sum(key in self.keys for key in keys)


@settings(deadline=None)
@given(
    name=st.sampled_from(["MGET", "DEL", "UNLINK", "EXISTS", "TOUCH"]),
    keys=st.lists(_keys, min_size=1, max_size=30),
    there=st.dictionaries(_encoded, st.just(b"v")),
)
def test_parts_do_what_the_whole_does(
    name: str, keys: list[Any], there: dict[bytes, bytes]
) -> None:
    """Part by part a server answers, and is left, as by the whole; each part is of one slot."""
    made = command(name, *keys)
    whole, parts = _OneServer(there), _OneServer(there)
    split = _split(made)
    assert split.merge([parts.answer(part) for part in split.parts]) == whole.answer(made)
    assert parts.keys == whole.keys
    for part, slot in zip(split.parts, split.places, strict=True):
        assert {key_slot(_wire(key)) for key in part.args[1:]} == {slot}
        assert part.slot == slot
    assert len(set(split.places)) == len(split.parts)


@settings(deadline=None)
@given(st.lists(st.tuples(_keys, st.binary(max_size=3)), min_size=1, max_size=30))
def test_of_equal_keys_the_last_value_is_set(pairs: list[tuple[Any, bytes]]) -> None:
    """MSET keeps the order of what it sets within a slot, and so of what it sets a key to."""
    made = command("MSET", *[element for pair in pairs for element in pair])
    whole, parts = _OneServer({}), _OneServer({})
    split = _split(made)
    assert split.merge([parts.answer(part) for part in split.parts]) is whole.answer(made)
    assert parts.keys == whole.keys


@settings(deadline=None)
@given(st.lists(_keys))
def test_slots_of_many_keys_are_those_of_each(keys: list[Any]) -> None:
    """All at once, the slots come out as one by one, whatever the keys' types."""
    assert _slots_of(keys) == [key_slot(_wire(key)) for key in keys]


def test_slots_go_by_the_clients_encoding() -> None:
    """The slot of a text depends on the bytes that the client makes of it."""
    latin = client_view(is_async=True, encoding="latin-1")
    assert SlotsOfKeys(latin.encode)(["é", "a"]) == [key_slot(b"\xe9"), key_slot(b"a")]
    lenient = client_view(is_async=True, encoding_errors="surrogatepass")
    lone = "\ud800"
    assert SlotsOfKeys(lenient.encode)([lone]) == [key_slot(lone.encode(errors="surrogatepass"))]


def test_keys_of_other_types_are_refused() -> None:
    """What redis-py does not send has no slot."""
    with pytest.raises(DataError):
        _slots_of(["a", None])
    with pytest.raises(UnicodeEncodeError):
        _slots_of(["\ud800"])


def test_parts_are_like_the_command() -> None:
    """Name as it was given, options, place and position go with the parts."""
    made = command("mget", "a", "b", position=3, NEVER_DECODE=True)
    for part, key in zip(_split(made).parts, "ab", strict=True):
        assert part.args == ("mget", key)
        assert part.options == {"NEVER_DECODE": True}
        assert (part.place, part.position, part.spec) == (made.place, 3, made.spec)


def test_what_the_server_refuses_is_left_to_it() -> None:
    """A command without keys, or with a key that lacks its value, is not taken apart."""
    for args in (("MGET",), ("MSET",), ("MSET", "a", 1, "b")):
        made = command(*args)
        assert not _splitting(made).keys(made)


def test_other_commands_are_not_split() -> None:
    """Where parts would not add up to the whole there is no way to split."""
    for name in ("MSETNX", "RENAME", "SINTERSTORE", "PFCOUNT", "EVAL", "GET", "PING"):
        assert splitting_of(command(name).spec) is None


@pytest.mark.parametrize(
    ("setting", "allowed"),
    [
        ("refuse", set()),
        ("reads", {"MGET", "EXISTS", "TOUCH"}),
        ("all", {"MGET", "EXISTS", "TOUCH", "MSET", "DEL", "UNLINK"}),
    ],
)
def test_what_the_setting_lets_be_split(setting: Any, allowed: set[str]) -> None:
    """The three values of the setting ``split``."""
    names = ("MGET", "EXISTS", "TOUCH", "MSET", "DEL", "UNLINK")
    may = {name for name in names if _splitting(command(name)).is_allowed(setting)}
    assert may == allowed


def test_a_failed_read_is_the_failure() -> None:
    """The first failure of a read is raised as it came."""
    split = _split(command("MGET", "a", "b", "c"))
    failures = [ConnectionError("gone"), ResponseError("no")]
    with pytest.raises(ConnectionError, match=r"^gone$") as raised:
        split.merge([[1], *failures])
    assert raised.value is failures[0]
    assert partly_done(raised.value) is None


def test_a_failed_write_tells_what_was_done() -> None:
    """The first failure keeps its type, and tells the keys that were set, not set, and unknown."""
    split = _split(command("MSET", "a", 1, "b", 2, "c", 3))
    error = ConnectionError("connection lost")
    with pytest.raises(ConnectionError) as raised:
        split.merge([True, error, ResponseError("OOM")])
    assert raised.value is error
    outcome = partly_done(error)
    assert outcome is not None
    assert (outcome.done, outcome.unknown, outcome.refused) == (("b'a'",), ("b'b'",), ("b'c'",))
    assert str(error) == (
        "MSET was sent in 3 parts: done for b'a', not for b'c', perhaps for b'b': connection lost"
    )


def test_a_write_of_which_nothing_was_done_fails_plainly() -> None:
    """Where no part was carried out, there is nothing to tell."""
    split = _split(command("DEL", "a", "b"))
    with pytest.raises(ResponseError, match=r"^READONLY$") as raised:
        split.merge([ResponseError("READONLY"), ResponseError("READONLY")])
    assert partly_done(raised.value) is None


def test_messages_stay_short() -> None:
    """Of many keys a few are named, and of long ones the beginning."""
    keys = ["k" * 1000, *map(str, range(100))]
    split = _split(command("UNLINK", *keys))
    replies: list[Any] = [1] * (len(split.parts) - 1)
    with pytest.raises(ResponseError) as raised:
        split.merge([*replies, ResponseError("no")])
    assert len(str(raised.value)) < 300
    assert "and 96 more" in str(raised.value)
