"""Slots are those that a real cluster computes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from hypothesis import example, given, settings
from hypothesis import strategies as st

from redis_middleware.commands import SLOT_COUNT, key_slot
from redis_middleware.embedded import standalone


@pytest.fixture(scope="module")
def cluster_node() -> Iterator[redis.Redis]:
    """Run a server in cluster mode, alone: CLUSTER KEYSLOT needs no other."""
    with (
        standalone(config={"cluster-enabled": "yes"}) as server,
        redis.Redis(host=server.host, port=server.port) as client,
    ):
        yield client


BRACES = st.lists(
    st.sampled_from([b"{", b"}", b"a", b"tag", b"{}", b"{{", b"}}", b"\x00", b"\xff"]), max_size=8
)


@pytest.mark.server
@settings(max_examples=500, deadline=None)
@given(key=st.one_of(st.binary(max_size=40), BRACES.map(b"".join)))
@example(b"")
@example(b"{}")
@example(b"{}{tag}")
@example(b"{tag")
@example(b"tag}")
@example(b"}{tag}")
@example(b"{{tag}}")
@example(b"a{tag}b{other}")
@example(b"a{}b{tag}")
@example(b"{\x00}")
def test_slots_are_those_of_cluster_keyslot(cluster_node: redis.Redis, key: bytes) -> None:
    """Any key has the slot the server gives it, with empty, unclosed and nested tags too."""
    slot = key_slot(key)
    assert slot == cluster_node.execute_command("CLUSTER KEYSLOT", key)
    assert 0 <= slot < SLOT_COUNT


def test_keys_with_the_same_tag_share_a_slot() -> None:
    """Only the tag counts where there is one."""
    assert key_slot(b"user:{7}:name") == key_slot(b"{7}") == key_slot(b"7")
    assert key_slot(b"user:7:name") != key_slot(b"user:8:name")
