"""Commands over several deployments, without servers."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError, ResponseError

from redis_middleware import Batch, Command, Flow, hookimpl
from redis_middleware.command import Place
from redis_middleware.testing import FakeClock, Script
from redis_middleware_plugins.slot_routing.counters import Counters
from redis_middleware_plugins.slot_routing.destinations import ROUTE, Destinations
from redis_middleware_plugins.slot_routing.mirroring import Mirror, MirrorSettings
from redis_middleware_plugins.slot_routing.outcomes import partly_done
from redis_middleware_plugins.slot_routing.rollout import RolloutSettings
from redis_middleware_plugins.slot_routing.routes import (
    CrossDeploymentError,
    Routes,
    RouteSettings,
)
from redis_middleware_plugins.slot_routing.splitting import MaySplit


class Side:
    """A deployment whose servers are known by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def send(self, command: Command) -> Flow | None:
        """Its target says it all."""
        command.target = self.name
        return None

    watched = send

    def transaction(self, batch: Batch) -> Flow:
        """Every command is marked with the deployment."""
        for command in batch.commands:
            command.target = self.name
        return (yield batch)


class Deployments:
    """Three deployments, and a script of what they answer."""

    name = "deployments"

    def __init__(
        self,
        *,
        rollout: dict[str, Any] | None = None,
        split: MaySplit = "all",
        mirror: Mirror | None = None,
    ) -> None:
        routes = Routes(
            [RouteSettings.model_validate({"keys": "sessions:*", "to": "sessions"})],
            None if rollout is None else RolloutSettings.model_validate(rollout),
        )
        self.clock = FakeClock()
        self.counters = Counters(self.clock)
        members = {name: Side(name) for name in ("client", "sessions", "new")}
        self.destinations = Destinations(routes, members, self.counters, split, mirror)
        self.script = Script(self, clock=self.clock).answers(lambda command: command.args[-1])

    @hookimpl
    def redis_command(self, command: Command) -> Flow | None:
        """Route it."""
        if command.place is Place.TRANSACTION:
            return None
        return self.destinations.send(command)

    @hookimpl
    def redis_batch(self, batch: Batch) -> Flow | None:
        """Route transactions."""
        if batch.place is not Place.TRANSACTION:
            return None
        return self.destinations.transaction(batch)

    @property
    def sent(self) -> list[tuple[Any, tuple[Any, ...]]]:
        """Each command's target and arguments."""
        return [(sent.target, sent.args) for sent in self.script.commands]


def test_keys_go_to_their_deployment() -> None:
    """Commands without keys to the client's own."""
    deployments = Deployments()
    deployments.script.run("GET", "sessions:1")
    deployments.script.run("GET", "user:1")
    deployments.script.run("PING")
    assert deployments.sent == [
        ("sessions", ("GET", "sessions:1")),
        ("client", ("GET", "user:1")),
        ("client", ("PING",)),
    ]


def test_where_it_went_is_noted() -> None:
    """For plugins that trace."""
    deployments = Deployments()
    deployments.script.run("GET", "sessions:1")
    assert deployments.script.commands[0].notes[ROUTE] == "sessions"


def test_commands_of_several_deployments_are_split_and_merged_in_order() -> None:
    """Replies of MGET come in the order of the keys, those of DEL are added up."""
    deployments = Deployments()
    deployments.script.replies([b"s1", b"s2"], [b"u"])
    keys = ["sessions:1", "user:1", "sessions:2"]
    assert deployments.script.run("MGET", *keys) == [b"s1", b"u", b"s2"]
    assert deployments.sent == [
        ("sessions", ("MGET", "sessions:1", "sessions:2")),
        ("client", ("MGET", "user:1")),
    ]
    deployments.script.replies(2, 1)
    assert deployments.script.run("DEL", *keys) == 3


def test_a_pipeline_goes_to_all_deployments_in_one_round() -> None:
    """Each command to its own."""
    deployments = Deployments()
    deployments.script.pipeline(("GET", "sessions:1"), ("GET", "user:1"), ("PING",))
    assert len(deployments.script.rounds) == 1
    assert [target for target, _ in deployments.sent] == ["sessions", "client", "client"]


@pytest.mark.parametrize(
    ("split", "args"),
    [
        ("all", ("RENAME", "sessions:1", "user:1")),
        ("all", ("SINTERSTORE", "user:1", "user:2", "sessions:1")),
        ("refuse", ("MGET", "sessions:1", "user:1")),
        ("reads", ("DEL", "sessions:1", "user:1")),
    ],
)
def test_what_cannot_be_split_is_refused(split: MaySplit, args: tuple[Any, ...]) -> None:
    """By its nature, or by the setting: nothing is sent."""
    deployments = Deployments(split=split)
    with pytest.raises(CrossDeploymentError, match=f"{args[0]} was not sent"):
        deployments.script.run(*args)
    assert deployments.sent == []


def test_a_transaction_is_for_one_deployment() -> None:
    """As a whole, or it is refused."""
    deployments = Deployments()
    deployments.script.transaction(("SET", "sessions:1", "a"), ("GET", "sessions:2"))
    assert [target for target, _ in deployments.sent] == ["sessions", "sessions"]
    assert deployments.counters.routes["sessions"].commands == 1
    with pytest.raises(CrossDeploymentError, match="the transaction was not sent"):
        deployments.script.transaction(("SET", "sessions:1", "a"), ("GET", "user:2"))


def test_half_a_write_is_told() -> None:
    """One deployment failed, the other carried out its part."""
    deployments = Deployments()
    deployments.script.replies(2, ResponseError("no"))
    with pytest.raises(ResponseError) as failed:
        deployments.script.run("DEL", "sessions:1", "sessions:2", "user:1")
    outcome = partly_done(failed.value)
    assert outcome is not None
    assert "sessions:1" in str(outcome)


def test_scripts_are_loaded_everywhere() -> None:
    """They can run with any key then."""
    deployments = Deployments()
    assert deployments.script.run("SCRIPT LOAD", "return 1") == "return 1"
    assert [target for target, _ in deployments.sent] == ["client", "sessions", "new"]


def test_each_side_is_counted() -> None:
    """Commands, failures and times; what waits for data has no time."""
    deployments = Deployments(rollout={"to": "new", "percent": 100})
    deployments.script.replies(b"v", takes=0.5)
    deployments.script.run("GET", "user:1")
    deployments.script.replies(ConnectionError("lost"), takes=0.25)
    with pytest.raises(ConnectionError):
        deployments.script.run("GET", "user:2")
    deployments.script.replies(None, takes=30.0)
    deployments.script.run("BLPOP", "user:3", 30)
    deployments.script.run("GET", "sessions:1")
    counts = deployments.counters.routes["new"]
    assert (counts.commands, counts.seconds) == (3, 0.75)
    assert counts.errors == {"ConnectionError": 1}
    assert deployments.counters.routes["sessions"].commands == 1
    assert "client" not in deployments.counters.routes


def test_reads_of_the_old_side_are_mirrored() -> None:
    """Not those of the new side, nor those of routes."""
    mirror = Mirror(MirrorSettings(percent=100), random=lambda: 0.0)
    deployments = Deployments(rollout={"to": "new", "percent": 0}, mirror=mirror)
    deployments.script.run("GET", "user:1")
    deployments.script.run("GET", "sessions:1")
    deployments.script.run("SET", "user:1", "v")
    assert mirror.waiting == 1
    moved = Deployments(rollout={"to": "new", "percent": 100}, mirror=mirror)
    moved.script.run("GET", "user:1")
    assert mirror.waiting == 1


def test_the_mirror_reads_from_the_side_it_is_told() -> None:
    """Whatever the route of the key is."""
    deployments = Deployments(rollout={"to": "new", "percent": 0})
    to_new = deployments.destinations.to_side("new")
    flow = to_new(deployments.script.client.command("GET", "user:1"))
    assert next(flow).target == "new"
