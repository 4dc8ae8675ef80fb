"""Key patterns: matched as the server does, refused where they cannot be meant."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from redis_middleware.embedded import Server
from redis_middleware.settings.types import KeyPattern

_PIECES = (
    r"a b é - ] ^ * ** ? \* \a \\ [ab] [^a] [a-c] [c-a] [^b-]] [a-]] [-a] [\]a] [\a-c] [^^] [*?[] "
    r"[a-\]"
)
_PATTERNS = st.one_of(
    st.lists(st.sampled_from([*_PIECES.split(), "\n"]), max_size=6).map("".join),
    st.text("ab*?[]^-\\é", max_size=8),
)
_KEYS = st.lists(
    st.text("abc-]^\\*?é\n", max_size=6).map(str.encode) | st.binary(max_size=3), max_size=30
)


@pytest.fixture(scope="module")
def client(standalone_server: Server) -> Iterator[redis.Redis]:
    """Return a client whose database is only for these keys."""
    with redis.Redis.from_url(standalone_server.url, db=7) as client:
        yield client
        client.flushdb()


def test_it_matches_what_the_server_matches(client: redis.Redis) -> None:
    """For every pattern that is not refused, KEYS of a real server gives the same keys."""

    @settings(max_examples=300, deadline=None)
    @given(pattern=_PATTERNS, keys=_KEYS)
    def same(pattern: str, keys: list[bytes]) -> None:
        try:
            compiled = KeyPattern(pattern)
        except ValueError:
            return
        with client.pipeline(transaction=False) as pipeline:
            pipeline.flushdb()
            for key in keys:
                pipeline.set(key, 1)
            pipeline.keys(pattern)
            found = pipeline.execute()[-1]
        assert sorted(found) == sorted(key for key in set(keys) if compiled.matches(key))

    same()


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("config:*", [b"config:", b"config:a:b", b"config:\n"], [b"config", b"xconfig:a"]),
        ("user:?", [b"user:1"], [b"user:", b"user:12"]),
        ("h[ae]llo", [b"hallo", b"hello"], [b"hillo", b"hllo"]),
        ("h[^e]llo", [b"hallo", b"h\xffllo"], [b"hello"]),
        ("[a-c]", [b"a", b"b", b"c"], [b"d", b"-"]),
        ("[c-a]", [b"b"], [b"d"]),
        (r"a\*b", [b"a*b"], [b"axb"]),
        (r"[\]]", [b"]"], [b"\\"]),
        ("*", [b"", b"a"], []),
        ("**", [b"a"], [b""]),
        ("é*", ["é".encode(), "école".replace("e", "é").encode()], [b"e"]),
    ],
)
def test_the_rules(pattern: str, matching: list[bytes], others: list[bytes]) -> None:
    """The rules one by one, on whole keys as bytes."""
    compiled = KeyPattern(pattern)
    assert [key for key in matching if not compiled.matches(key)] == []
    assert [key for key in others if compiled.matches(key)] == []


def test_no_pattern_makes_matching_slow() -> None:
    """Many stars on a long key that does not match: done at once instead of never."""
    assert not KeyPattern("*a" * 20 + "*b").matches(b"a" * 5_000)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", r"matches only the empty key: write \* to match every key"),
        ("user[12", r"'user\[12', character 5: the \[ is never closed"),
        ("é[a-]", r"'é\[a-\]', character 2: the \[ is never closed: close it \(a - just before"),
        ("a[]b]", r"character 2: the brackets are empty: .*\(a \] among them is written \\\]"),
        ("[^]", "character 1: the brackets are empty"),
        ("[éè]x", "character 1: brackets stand for one byte, and letters outside ASCII have sever"),
        ("[a-é]", "letters outside ASCII"),
        ("a\\", r"'a\\\\' ends in a backslash with nothing to escape: write two for"),
    ],
)
def test_what_cannot_be_meant_is_refused(pattern: str, message: str) -> None:
    """The message has the pattern, the character and what to write."""
    with pytest.raises(ValueError, match=message):
        KeyPattern(pattern)


def test_equal_patterns_are_equal_and_can_be_copied() -> None:
    """They are values: usable as keys, copied and pickled."""
    pattern = KeyPattern("a*")
    assert {pattern: 1}[KeyPattern("a*")] == 1
    assert pattern != KeyPattern("b*")
    assert copy.deepcopy(pattern) == pickle.loads(pickle.dumps(pattern)) == pattern
    assert str(pattern) == "a*"
    assert repr(pattern) == "KeyPattern('a*')"


class Model(BaseModel):
    """Settings with patterns as values and as keys."""

    keys: KeyPattern = KeyPattern("*")
    thresholds: dict[KeyPattern, float] = {}


def test_models_read_and_write_patterns() -> None:
    """As values and as the keys of a table; written back as text."""
    model = Model.model_validate({"keys": "a*", "thresholds": {"b*": 1}})
    assert model.keys.matches(b"ab")
    assert model.thresholds == {KeyPattern("b*"): 1.0}
    assert Model.model_validate_json(model.model_dump_json()) == model
    assert Model(keys=KeyPattern("c")).keys == KeyPattern("c")


@pytest.mark.parametrize(
    ("value", "message"), [("[", "never closed"), (5, "not a key pattern; allowed is text, such a")]
)
def test_models_refuse_what_is_no_pattern(value: object, message: str) -> None:
    """With the message of the pattern itself."""
    with pytest.raises(ValidationError, match=message):
        Model.model_validate({"keys": value})
