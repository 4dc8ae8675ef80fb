"""Which deployment keys are of."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from redis.exceptions import RedisError

from redis_middleware_plugins.slot_routing.rollout import RolloutSettings
from redis_middleware_plugins.slot_routing.routes import (
    CrossDeploymentError,
    DeploymentSettings,
    Destination,
    Routes,
    RouteSettings,
    route_problems,
)


def _routes(**patterns: str) -> list[RouteSettings]:
    return [
        RouteSettings.model_validate({"keys": pattern, "to": name})
        for name, pattern in patterns.items()
    ]


def _rollout(**values: Any) -> RolloutSettings:
    return RolloutSettings.model_validate(values)


def test_keys_go_where_the_first_route_that_matches_says() -> None:
    """Other keys are of the client's own deployment."""
    routes = Routes(_routes(carts="sessions:cart:*", sessions="sessions:*"))
    assert routes.of(b"sessions:cart:1") == Destination("carts")
    assert routes.of(b"sessions:1") == Destination("sessions")
    assert routes.of(b"user:1") == Destination("client")


def test_without_routes_there_is_nothing_to_look_up() -> None:
    """What costs nothing says so."""
    assert Routes().is_trivial
    assert not Routes(_routes(sessions="sessions:*")).is_trivial
    assert not Routes(rollout=_rollout(to="new")).is_trivial


def test_a_rollout_divides_the_keys_of_its_old_side() -> None:
    """Keys of other routes are none of its business."""
    routes = Routes(_routes(sessions="sessions:*"), _rollout(to="new", percent=50))
    found = {routes.of(b"user:%d" % number) for number in range(100)}
    assert found == {Destination("client", "old"), Destination("new", "new")}
    assert routes.of(b"sessions:1") == Destination("sessions")


def test_a_rollout_may_start_from_a_route() -> None:
    """Keys that a route sends to the old side take part, the client's own do not."""
    routes = Routes(_routes(proxy="sessions:*"), _rollout(route="proxy", to="cluster", percent=100))
    assert routes.of(b"sessions:1") == Destination("cluster", "new")
    assert routes.of(b"user:1") == Destination("client")


def test_keys_of_one_slot_are_of_one_deployment_at_any_percentage() -> None:
    """What may be used together in a cluster may be used together during a rollout."""
    routes = Routes(rollout=_rollout(to="new", percent=37))
    for number in range(200):
        keys = [b"{%d}:%s" % (number, name) for name in (b"a", b"b")]
        assert routes.of_all("SINTERSTORE", keys) == routes.of(keys[0])


def test_keys_of_several_deployments_are_refused_by_name() -> None:
    """The error names command, deployments and keys, is one of redis-py's, and says what to do."""
    routes = Routes(_routes(sessions="sessions:*"))
    keys = [b"sessions:1", b"user:1", b"user:2", b"user:3", b"user:4"]
    with pytest.raises(CrossDeploymentError) as refused:
        routes.of_all("SINTERSTORE", keys)
    message = str(refused.value)
    assert isinstance(refused.value, RedisError)
    assert message.startswith("SINTERSTORE was not sent")
    assert "client: b'user:1', b'user:2', b'user:3' and 1 more; sessions: b'sessions:1'" in message
    assert "slot_routing.routes" in message
    assert refused.value.deployments["sessions"] == (b"sessions:1",)


def test_commands_without_keys_are_for_the_client_s_own_deployment() -> None:
    """As without routes."""
    assert Routes(_routes(sessions="*")).of_all("PING", []) == Destination("client")


def test_names_of_deployments_are_checked() -> None:
    """The message names the place, what there is, and what to write."""
    problem = route_problems(_routes(sesions="s:*"), None, ["sessions"])
    assert problem is not None
    assert "routes.0.to" in problem
    assert "'sesions'" in problem
    assert "client, sessions" in problem
    assert route_problems(_routes(sessions="s:*"), None, ["sessions"]) is None
    assert "rollout.to" in str(route_problems([], _rollout(to="cluster"), []))
    assert "to itself" in str(route_problems([], _rollout(to="client"), []))
    assert "another name" in str(route_problems([], None, ["client"]))


def test_urls_are_checked_and_never_shown() -> None:
    """A URL without a scheme is refused; one with a password does not end up in a log."""
    with pytest.raises(ValidationError, match="redis://"):
        DeploymentSettings.model_validate({"url": "sessions.internal:6379"})
    settings = DeploymentSettings.model_validate({"url": "redis://:secret@host:1"})
    assert "secret" not in repr(settings)
    assert settings.url.get_secret_value() == "redis://:secret@host:1"
