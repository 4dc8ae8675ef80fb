"""The guard's findings as an OpenTelemetry counter; without a provider it does nothing."""

from __future__ import annotations

from collections.abc import Callable

from redis_middleware import __version__
from redis_middleware_plugins.size_guard.notices import Finding

__all__ = ["meter"]


def meter() -> Callable[[Finding], None]:
    """Return what counts findings.

    What was over a limit is in ``redis_middleware.size_guard.findings``, what the guard sent of its
    own accord in ``redis_middleware.size_guard.commands``. Their attributes have few values each,
    never a key: ``limit`` (or ``sent``), ``action`` and ``db.operation.name``.
    """
    # Code that only names the errors does without it.
    from opentelemetry import metrics

    instruments = metrics.get_meter("redis_middleware.size_guard", __version__)
    findings = instruments.create_counter(
        "redis_middleware.size_guard.findings",
        unit="{finding}",
        description="Commands with a key, value or reply over a limit, by what was done.",
    )
    commands = instruments.create_counter(
        "redis_middleware.size_guard.commands",
        unit="{command}",
        description="Commands that the size guard sent in place of others or along with them.",
    )

    def count(finding: Finding) -> None:
        attributes = {"action": finding.action, "db.operation.name": finding.command}
        if finding.is_about_size:
            findings.add(1, {**attributes, "limit": finding.limit})
        else:
            commands.add(1, {**attributes, "sent": finding.limit})

    return count
