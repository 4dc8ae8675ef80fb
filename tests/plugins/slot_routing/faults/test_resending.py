"""A write whose reply did not come in time: the server has done it all the same."""

from __future__ import annotations

import pytest
import redis
from tests.plugins.slot_routing.routed import routed

from redis_middleware.commands import key_slot
from redis_middleware.embedded import Cluster

pytestmark = pytest.mark.server

_KEY = "counter"
# Between two and ten tenths of a second.
_COUNTS_AND_TAKES_LONG = "redis.call('INCR', KEYS[1]) for step = 1, 1e8 do end"


@pytest.mark.parametrize("resend_writes", [False, True])
def test_write_that_timed_out(clean_cluster: Cluster, resend_writes: bool) -> None:
    """It is sent again only where the settings say so, for then it is done twice or more often."""
    table = {"resend_writes": resend_writes, "deadline": 1.5}
    with routed(clean_cluster, table=table, socket_timeout=0.05) as client:
        with pytest.raises(redis.TimeoutError, match="gave up" if resend_writes else None):
            client.eval(_COUNTS_AND_TAKES_LONG, 1, _KEY)
        primary = clean_cluster.primary_of(key_slot(_KEY.encode()))
        times = int(primary.command("GET", _KEY))
    assert times > 1 if resend_writes else times == 1
