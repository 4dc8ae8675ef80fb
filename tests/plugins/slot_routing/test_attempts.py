"""What comes after a failure, step by step, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    ConnectionError,
    MaxConnectionsError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)
from tests.plugins.slot_routing.pretended import HALVES, A, B, C, Pretended, moved

from redis_middleware import notes
from redis_middleware.commands import key_slot
from redis_middleware.redispy.view import ServerAddress
from redis_middleware_plugins.slot_routing.deployment import UNKNOWN_KEYS

LOW, HIGH = "b", "a"
"""Keys whose slots are at ``A`` and at ``B``."""


def _never_sent() -> ConnectionError:
    error = ConnectionError("refused")
    error._redis_middleware_never_sent = True  # type: ignore[attr-defined]
    return error


def test_commands_go_to_the_primary_of_their_slot() -> None:
    """By the topology that the first server told, which was asked for once."""
    cluster = Pretended()
    assert (cluster.get(LOW, b"1"), cluster.get(HIGH, b"2")) == (b"1", b"2")
    assert cluster.sent == ["a.test", "b.test"]
    assert cluster.servers[A].asked == 1


def test_moved_changes_the_slot_at_once_and_all_others_in_the_background() -> None:
    """The command is sent again without a wait; the refresh asks the node that was named."""
    cluster = Pretended()
    cluster.get(LOW, b"1")
    assert cluster.get(LOW, moved(key_slot(LOW.encode()), B), b"2") == b"2"
    assert cluster.sent == ["a.test", "a.test", "b.test"]
    assert cluster.slept == []
    assert cluster.get(LOW, b"3") == b"3"
    assert cluster.sent[-1] == "b.test"
    assert cluster.get("{bb}other slot of a", b"4") == b"4"
    assert len(cluster.background) == 1
    cluster.run_background()
    assert cluster.servers[B].asked == 1
    assert cluster.get(LOW, b"5") == b"5"
    assert cluster.sent[-1] == "a.test"


def test_ask_is_for_once() -> None:
    """The next command goes to the slot's primary again."""
    cluster = Pretended()
    slot = key_slot(LOW.encode())
    assert cluster.get(LOW, AskError(f"{slot} c.test:6379"), b"1") == b"1"
    assert cluster.get(LOW, b"2") == b"2"
    assert cluster.sent == ["a.test", "c.test ASKING", "a.test"]
    assert cluster.background == []


@pytest.mark.parametrize(
    "error",
    [
        TryAgainError("not yet"),
        ClusterDownError("Hash slot not served"),
        BusyLoadingError("loading"),
        ReadOnlyError("a replica"),
        ResponseError("UNBLOCKED force unblock from blocking operation"),
        _never_sent(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("name", ["GET", "INCR"])
def test_it_waits_longer_each_time_where_that_is_safe(name: str, error: Exception) -> None:
    """Nothing was done, so that writes are sent again too."""
    cluster = Pretended()
    flow = cluster.deployment.send(cluster.view.command(name, LOW))
    assert cluster.run(flow, error, error, error, 7) == 7
    assert cluster.slept == sorted(cluster.slept)
    assert cluster.slept[0] < 0.02
    assert cluster.sent == ["a.test"] * 4


@pytest.mark.parametrize("error", [ConnectionError("lost"), TimeoutError("too late")], ids=str)
def test_a_read_is_sent_again_after_a_lost_connection(error: Exception) -> None:
    """To whoever has the slot by then, as the refreshed table says."""
    cluster = Pretended()
    cluster.get(LOW, b"1")
    cluster.servers[A].plays = [ConnectionError("down")]
    cluster.at(B).plays = [[[0, 16383, [b"b.test", 6379, b"b"]]]]
    cluster.clock.advance(1)
    assert cluster.get(LOW, error, b"2") == b"2"
    assert cluster.sent == ["a.test", "a.test", "b.test"]
    assert cluster.forgotten == [A]


def test_a_write_of_unknown_outcome_is_not_sent_again() -> None:
    """It may have been carried out: the error says so, and redis-py's own is raised."""
    cluster = Pretended()
    error = ConnectionError("lost")
    with pytest.raises(ConnectionError) as caught:
        cluster.run(cluster.deployment.send(cluster.view.command("INCR", LOW)), error)
    assert caught.value is error
    assert "may have carried it out" in caught.value.__notes__[0]
    assert len(cluster.background) == 1


def test_writes_are_sent_again_where_the_settings_say_so() -> None:
    """``resend_writes``: at least once instead of at most once."""
    cluster = Pretended(resend_writes=True)
    flow = cluster.deployment.send(cluster.view.command("INCR", LOW))
    assert cluster.run(flow, ConnectionError("lost"), 2) == 2


@pytest.mark.parametrize(
    "error",
    [
        ResponseError("WRONGTYPE"),
        AuthenticationError("wrong password"),
        MaxConnectionsError("too many"),
        ResponseError("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
    ],
    ids=str,
)
def test_other_failures_are_raised_as_they_are(error: Exception) -> None:
    """Nothing else would come of another try."""
    cluster = Pretended()
    with pytest.raises(type(error)) as caught:
        cluster.get(LOW, error)
    assert caught.value is error
    assert cluster.sent == ["a.test"]


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (TryAgainError("x"), TryAgainError),
        (ClusterDownError("x"), ClusterDownError),
        (TimeoutError("x"), TimeoutError),
        (ConnectionError("x"), ConnectionError),
        (BusyLoadingError("x"), ConnectionError),
    ],
    ids=lambda value: getattr(value, "__name__", "") or type(value).__name__,
)
def test_the_deadline_counts_from_the_first_try(error: Exception, raised: type) -> None:
    """Also where the tries themselves take long; the error tells slot, nodes, time and the last."""
    cluster = Pretended(deadline=2)
    cluster.get(LOW, b"1")
    began = cluster.clock()
    with pytest.raises(
        raised, match=r"GET in slot 3300 after 2\.\d\d s.*a\.test:6379 \("
    ) as caught:
        cluster.get(LOW, *[(0.7, error)] * 10)
    assert cluster.clock() - began < 2 + 0.7 + 0.01
    assert caught.value.__cause__ is error


def test_the_number_of_redirections_is_limited() -> None:
    """Two nodes that send a command to each other; it waits in between, that they may agree."""
    cluster = Pretended(max_redirections=4)
    slot = key_slot(LOW.encode())
    with pytest.raises(ClusterError, match=r"redirected 5 times.*a\.test:6379 \(MovedError, 3"):
        cluster.get(LOW, *[moved(slot, to) for to in (B, A, B, A, B)])
    assert len(cluster.slept) == 2


def test_keys_that_are_apart_are_waited_for_until_the_deadline() -> None:
    """Each TRYAGAIN comes after an ASK: those are no redirections in a row."""
    cluster = Pretended(max_redirections=2)
    ask = AskError(f"{key_slot(LOW.encode())} c.test:6379")
    assert cluster.get(LOW, *[ask, TryAgainError("apart")] * 8, ask, b"1") == b"1"
    assert cluster.sent == ["a.test", "c.test ASKING"] * 9


def test_a_redirection_to_the_host_that_was_asked_or_is_not_told() -> None:
    """An empty host is that of the server that sent it; ``?`` is looked for among those known."""
    cluster = Pretended()
    slot = key_slot(LOW.encode())
    cluster.get(LOW, moved(slot, ServerAddress("", 7000)), b"1")
    assert cluster.sent[-1] == "a.test"
    assert cluster.deployment.table.endpoints[slot] is not None
    assert cluster.deployment.table.endpoints[slot].address == ("a.test", 7000)  # type: ignore[union-attr]
    cluster = Pretended()
    cluster.at(A).plays = [[[0, 16383, [b"c.test", 9, b"c"]]]]
    cluster.get(LOW, moved(slot, ServerAddress("?", 9)), b"1")
    assert cluster.sent == ["c.test", "c.test"]


def test_a_redirection_is_translated() -> None:
    """As every address that servers tell."""
    cluster = Pretended(remap={"10.0.0.9:1": "c.test:6379"})
    cluster.get(LOW, moved(key_slot(LOW.encode()), ServerAddress("10.0.0.9", 1)), b"1")
    assert cluster.sent == ["a.test", "c.test"]


def test_a_slot_that_nobody_serves_yet() -> None:
    """Its commands wait, with refreshes; those of other slots go on."""
    cluster = Pretended()
    cluster.at(A).plays = [HALVES[:1], HALVES[:1], HALVES]
    cluster.at(B).plays = [HALVES[:1]]
    assert cluster.get(LOW, b"1") == b"1"
    cluster.clock.advance(1)
    assert cluster.get(HIGH, b"2") == b"2"
    assert cluster.slept


def test_retries_are_noted_for_other_plugins() -> None:
    """How often, and the node that it went to at last."""
    cluster = Pretended()
    command = cluster.view.command("GET", LOW)
    slot = key_slot(LOW.encode())
    flow = cluster.deployment.send(command)
    cluster.run(flow, TryAgainError("x"), TryAgainError("x"), moved(slot, C), b"1")
    assert command.notes[notes.RETRIES] == 2
    assert command.notes[notes.MOVED] == 1
    assert command.notes[notes.NODE] == "c.test:6379"
    assert command.notes[notes.SLOT] == slot


@pytest.mark.parametrize("options", [{}, {"keys": [LOW]}], ids=str)
def test_a_command_that_is_not_known(options: dict[str, Any]) -> None:
    """It goes by redis-py's option ``keys``, or by chance with a note; MOVED helps it on."""
    cluster = Pretended()
    command = cluster.view.command("MODULE.COMMAND", LOW, **options)
    slot = key_slot(LOW.encode())
    outcomes = [b"1"] if options else [moved(slot, A), b"1"]
    assert cluster.run(cluster.deployment.send(command), *outcomes) == b"1"
    assert cluster.sent[-1] == "a.test"
    assert command.notes.get(UNKNOWN_KEYS, False) is not bool(options)


def test_commands_without_keys_stay_where_the_client_points() -> None:
    """While that is a primary; when it is gone, at another one."""
    cluster = Pretended(own=B)
    send = cluster.deployment.send
    for _ in range(3):
        assert cluster.run(send(cluster.view.command("LASTSAVE")), 1) == 1
    assert cluster.sent == ["b.test"] * 3
    assert cluster.run(send(cluster.view.command("LASTSAVE")), _never_sent(), 1) == 1
    assert cluster.run(send(cluster.view.command("LASTSAVE")), 1) == 1
    assert cluster.sent[3:] == ["b.test", "a.test", "a.test"]
