"""Finding keys for any arguments whatever, and where servers disagree among themselves."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_middleware.commands import CommandSpec, all_specs, find_keys, key_positions, spec_of

KEYWORDS = (
    *("GET", "STORE", "STOREDIST", "KEYS", "STREAMS", "GROUP", "COUNT", "BLOCK", "LIMIT", "BY"),
    *("AUTH", "AUTH2", "OVERFLOW", "SET", "INCRBY", "MEMORY", "get", "store", "streams", "keys"),
)
WORDS = st.sampled_from([*KEYWORDS, *(word.encode() for word in KEYWORDS)])
ARGUMENTS = st.one_of(
    WORDS,
    st.integers(-3, 12),
    st.sampled_from([*"0123", "02", "-1", "+1", " 1", "1_0", "²", "1" * 5000, 2**70]),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.binary(max_size=4).map(bytearray),
    st.binary(max_size=4).map(lambda data: memoryview(data)),
    st.floats(),
    st.booleans(),
    st.none(),
)
SPECS = [spec for spec in all_specs() if spec.key_specs]


@settings(max_examples=1500)
@given(spec=st.sampled_from(SPECS), rest=st.lists(ARGUMENTS, max_size=12), not_keys=st.booleans())
def test_no_arguments_make_finding_keys_fail(
    spec: CommandSpec, rest: list[object], not_keys: bool
) -> None:
    """Of any command and any arguments, keys are different arguments after the command's name."""
    arguments = (*spec.name.split(), *rest)
    uses = find_keys(spec, arguments, not_keys)
    positions = [use.position for use in uses]
    assert all(0 < position < len(arguments) for position in positions)
    assert len(set(positions)) == len(positions)
    assert key_positions(spec, arguments, not_keys) == tuple(positions)
    assert all(use.reads or use.writes or "not_key" in use.flags for use in uses)


@settings(max_examples=300)
@given(spec=st.sampled_from(SPECS), arguments=st.lists(ARGUMENTS, max_size=3))
def test_arguments_without_a_name_do_not_make_finding_keys_fail(
    spec: CommandSpec, arguments: list[object]
) -> None:
    """Arguments that are not even a command, none at all included, give keys within them."""
    assert all(use.position < len(arguments) for use in find_keys(spec, arguments))


@pytest.mark.parametrize("last", [15, 16, 17, 100, 1023, 1024, 1025, 5000])
def test_many_keys_are_all_found(last: int) -> None:
    """MGET and MSET find as many keys as there are, whatever the number."""
    mget = find_keys(spec_of("MGET"), ("MGET", *range(last)))
    assert [use.position for use in mget] == list(range(1, last + 1))
    assert all(use.reads and not use.writes for use in mget)
    mset = find_keys(spec_of("MSET"), ("MSET", *range(2 * last)))
    assert [use.position for use in mset] == list(range(1, 2 * last, 2))
    assert all(use.writes and not use.reads for use in mset)


def test_a_channel_is_no_key_but_can_be_asked_for() -> None:
    """Sharded channels are found only on demand, and are neither read nor written."""
    ssubscribe = spec_of("SSUBSCRIBE")
    arguments = ("SSUBSCRIBE", "news", "weather")
    assert find_keys(ssubscribe, arguments) == ()
    assert key_positions(ssubscribe, arguments) == ()
    assert key_positions(ssubscribe, arguments, not_keys=True) == (1, 2)
    channel, _ = find_keys(ssubscribe, arguments, not_keys=True)
    assert channel.flags == {"not_key"}
    assert not channel.reads
    assert not channel.writes


@pytest.mark.parametrize(
    ("arguments", "positions"),
    [
        ("GEORADIUS k 15 37 200 km STORE a STOREDIST b", (1, 9)),
        ("GEORADIUS k 15 37 200 km STOREDIST a STORE b", (1, 9)),
        ("XREADGROUP NOACK COUNT 1 GROUP group streams STREAMS a b > >", (8, 9)),
        ("XREADGROUP GROUP group consumer CLAIM 10 STREAMS a >", (7,)),
        ("SORT k STORE store DESC", (1, 3)),
    ],
)
def test_options_are_read_as_the_command_reads_them(
    arguments: str, positions: tuple[int, ...]
) -> None:
    """Where servers' own tables of keys are wrong or differ, the command's parser counts."""
    words = arguments.split()
    assert key_positions(spec_of(words[0]), words) == positions


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ("JSON.MGET a b c $.path", "abc"),
        ("JSON.MSET a $ 1 b $ 2", "ab"),
        ("JSON.SET a $ 1", "a"),
        ("JSON.DEBUG MEMORY a $", "a"),
        ("JSON.DEBUG HELP", ""),
        ("CMS.MERGE a 2 b c WEIGHTS 1 2", "abc"),
        ("TDIGEST.MERGE a 1 b COMPRESSION 100", "ab"),
        ("TS.MADD a 1 1 b 2 2", "ab"),
        ("TS.NRANGE 2 a b - +", "ab"),
        ("TS.CREATERULE a b AGGREGATION avg 10", "ab"),
        ("TS.MGET FILTER x=y", ""),
        ("FT.SEARCH index query", ""),
        ("FT.SUGADD a text 1", "a"),
        ("FT.ADD index a 1 FIELDS f v", "a"),
        ("HIMPORT SET a fields v w", "a"),
        ("STRALGO LCS KEYS a b IDX", "ab"),
        ("STRALGO LCS STRINGS a b", ""),
        ("SDIFFCARD 2 a b LIMIT 1", "ab"),
        ("BLMOVEM a b LEFT RIGHT 0 COUNT 3", "ab"),
    ],
)
def test_commands_of_modules_and_newer_servers_have_the_documented_keys(
    arguments: str, keys: str
) -> None:
    """The supplement's key specifications find the keys that the documentation names."""
    words = arguments.split()
    spec = spec_of(" ".join(words[:2]))
    spec = spec if spec.known else spec_of(words[0])
    assert "".join(words[position] for position in key_positions(spec, words)) == keys


def test_an_unknown_command_has_no_keys() -> None:
    """Nothing is guessed about a command that the table does not have."""
    assert find_keys(spec_of("MY.COMMAND"), ("MY.COMMAND", "k")) == ()
    assert key_positions(spec_of("MY.COMMAND"), ("MY.COMMAND", "k")) == ()
