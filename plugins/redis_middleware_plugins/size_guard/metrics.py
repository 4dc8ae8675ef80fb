"""The guard's findings as an OpenTelemetry counter; without a provider it does nothing."""

from __future__ import annotations

from collections.abc import Callable

from redis_middleware import __version__
from redis_middleware_plugins.size_guard.notices import Finding

__all__ = ["meter"]


def meter() -> Callable[[Finding], None]:
    """Return what counts findings in ``redis_middleware.size_guard.findings``.

    Its attributes are few values each: ``limit``, ``action`` and ``db.operation.name``, never a
    key.
    """
    # The command line and code that only names the errors do without it.
    from opentelemetry import metrics

    counter = metrics.get_meter("redis_middleware.size_guard", __version__).create_counter(
        "redis_middleware.size_guard.findings",
        unit="{finding}",
        description="Commands that the size guard counted, warned of, refused or changed.",
    )

    def count(finding: Finding) -> None:
        counter.add(
            1,
            {
                "limit": finding.limit,
                "action": finding.action,
                "db.operation.name": finding.command,
            },
        )

    return count
