"""The guard's counts as metrics, for plugins that export such."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from redis_middleware.readings import Kind, Metric, Reading
from redis_middleware_plugins.size_guard.notices import Finding

__all__ = ["metrics_of"]


def metrics_of(counts: Mapping[Finding, int]) -> Iterator[Metric]:
    """The metrics ``size_guard.findings`` and ``size_guard.commands``; no attribute has a key."""
    findings: list[Reading] = []
    commands: list[Reading] = []
    for finding, count in counts.items():
        attributes = {"action": finding.action, "db.operation.name": finding.command}
        if finding.is_about_size:
            findings.append(Reading(count, {**attributes, "limit": finding.limit}))
        else:
            commands.append(Reading(count, {**attributes, "sent": finding.limit}))
    yield Metric(
        "size_guard.findings",
        Kind.COUNTER,
        "{finding}",
        "Commands with a key, value or reply over a limit, by what was done.",
        findings,
    )
    yield Metric(
        "size_guard.commands",
        Kind.COUNTER,
        "{command}",
        "Commands that the guard sent in the place of others or along with them.",
        commands,
    )
