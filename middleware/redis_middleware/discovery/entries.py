"""The plugins that installed distributions offer through entry points."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from redis_middleware.discovery.extras import normalized
from redis_middleware.discovery.failures import load_failure
from redis_middleware.errors import PluginLoadError
from redis_middleware.hookspecs import PROJECT_NAME

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

__all__ = ["PluginEntry", "installed_plugins"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """A plugin that an installed distribution offers, not yet imported.

    Attributes:
        name: the plugin's name, which is the entry point's.
        value: where it is: ``"module:attribute"``.
        distribution: the name of the distribution.
        version: the version of the distribution.
        entry_point: the entry point itself.
        requirements: what the distribution requires, as its metadata puts it.
        rivals: the same name offered by other distributions, which makes it unusable.
    """

    name: str
    value: str
    distribution: str
    version: str
    entry_point: EntryPoint = field(repr=False)
    requirements: tuple[str, ...] = field(default=(), repr=False)
    rivals: tuple[PluginEntry, ...] = ()

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.value})"

    def load(self) -> object:
        """Import and return what the entry point names: a class, or an object that is a plugin.

        Raises:
            PluginLoadError: the import fails, or several distributions offer the name.
            MissingExtraError: the import fails for a package of an extra that is not installed.
        """
        if self.rivals:
            offers = " and ".join(str(entry) for entry in (self, *self.rivals))
            raise PluginLoadError(
                f"several distributions offer a plugin {self.name!r}: {offers}; uninstall all but "
                "one, or give the class itself in code"
            )
        try:
            return self.entry_point.load()
        except (Exception, SystemExit) as error:
            # A module may be a script, which ends the program: that is the plugin's fault too.
            raise load_failure(self.name, str(self), self, "be imported", error) from error


def installed_plugins() -> Mapping[str, PluginEntry]:
    """Return the plugins that installed distributions offer, by name, without importing any.

    A distribution whose metadata cannot be read is logged and left out.
    """
    from importlib.metadata import distributions

    entries: dict[str, PluginEntry] = {}
    seen: set[str] = set()
    for distribution in distributions():
        try:
            offered = _offered_by(distribution, seen)
        except Exception:
            # Whichever way it is broken, it must not stop programs that do not use it.
            _logger.warning(
                "an installed distribution (%s) has metadata that cannot be read: plugins that it "
                "may offer are not found",
                distribution.locate_file(""),
                exc_info=True,
            )
            continue
        for entry in offered:
            first = entries.setdefault(entry.name, entry)
            if first is not entry:
                entries[entry.name] = replace(first, rivals=(*first.rivals, entry))
    return dict(sorted(entries.items()))


def _offered_by(found: Distribution, seen: set[str]) -> list[PluginEntry]:
    from importlib.metadata import distribution

    if not found.entry_points.select(group=PROJECT_NAME):
        return []
    name = found.metadata["Name"]
    if normalized(name) in seen:
        return []
    seen.add(normalized(name))
    # Of several versions on the import path, the first is the one that would be imported.
    used = distribution(name)
    return [
        PluginEntry(
            name=entry_point.name,
            value=entry_point.value,
            distribution=name,
            version=used.version,
            entry_point=entry_point,
            requirements=tuple(used.requires or ()),
        )
        for entry_point in used.entry_points.select(group=PROJECT_NAME)
    ]
