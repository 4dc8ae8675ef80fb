"""The error for keys of several slots."""

from __future__ import annotations

import copy
import pickle

import pytest
from redis.exceptions import (
    ClusterCrossSlotError,
    CrossSlotTransactionError,
    RedisClusterException,
    RedisError,
)

from redis_middleware_plugins.slot_routing.refusing import (
    CrossSlotError,
    CrossSlotTransaction,
    not_split,
)


def test_it_names_keys_and_slots_and_tells_what_helps() -> None:
    """Command, reason, keys with their slots, and hash tags are in the message."""
    error = CrossSlotError("RENAME", [b"user:1", b"user:2"])
    assert error.slots == (10778, 6777)
    assert str(error) == (
        "RENAME is refused and was not sent: a server runs it on the keys of one slot only, and "
        "its keys are in 2 slots: b'user:1' in slot 10778, b'user:2' in slot 6777. Give keys that "
        "are used together the same hash tag, the part between { and } that alone decides the "
        "slot: {user:7}:name and {user:7}:visits are in one slot"
    )


def test_it_tells_which_setting_refused() -> None:
    """A command that could be split names the setting."""
    error = CrossSlotError("MSET", [b"a", b"b"], not_split("reads"))
    assert 'split = "reads"' in str(error)


def test_it_is_what_applications_guard_against() -> None:
    """It is caught as the server's own error and as that of RedisCluster."""
    for kind in (RedisError, ClusterCrossSlotError, RedisClusterException):
        with pytest.raises(kind):
            raise CrossSlotError("RENAME", [b"a", b"b"])
    with pytest.raises(CrossSlotTransactionError):
        raise CrossSlotTransaction("TRANSACTION", [b"a", b"b"])


def test_it_can_be_copied_and_pickled() -> None:
    """Across threads and processes it stays what it is."""
    error = CrossSlotError("RENAME", [b"a", b"b"])
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert str(other) == str(error)
        assert other.keys == (b"a", b"b")


def test_it_stays_short() -> None:
    """Of many keys one of each of a few slots is named, and of long ones the beginning."""
    keys = [b"{a}%d" % number for number in range(100)] + [b"k" * 1000, b"c", b"d", b"e", b"f"]
    text = str(CrossSlotError("SUNION", keys))
    assert len(text) < 600
    assert "b'{a}0' in slot 15495" in text
    assert "(1000 bytes)" in text
    assert "and 101 more" in text
