"""The settings in force: what the file, the profile and the environment come to together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from redis_middleware.settings.origins import KeyPath, Origin, Override
from redis_middleware.settings.problems import Place, place_of

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Settings"]

Model = TypeVar("Model", bound="BaseModel")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings after profile and environment were laid over them.

    Two are equal when the same values come from the same source.

    Attributes:
        plugins: the names of the plugins to run, outermost first.
        blocked: the names of plugins that are never loaded, even when they are listed.
        tables: the table of each plugin that has one, as it was read, not yet checked by the
            plugin's model; plugins that are not enabled may be among them.
        profile: the name of the profile that was laid over the top level, if any.
        origin: the file or mapping they were read from.
        overrides: for each key that a profile or an environment variable set, which one.
    """

    plugins: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    profile: str | None = None
    origin: Origin = field(default_factory=Origin)
    overrides: Mapping[KeyPath, Override] = field(
        default_factory=lambda: MappingProxyType({}), repr=False, compare=False
    )

    def for_plugin(self, name: str, model: type[Model]) -> Model:
        """Return the table of one plugin, checked by its model.

        A key that the model does not know is an error, in nested tables too, unless the model
        there has ``extra="allow"``. A value from an environment variable counts as JSON where that
        fits the model, else as text.

        Args:
            name: the plugin's name, which is the table's.
            model: the plugin's settings model; its defaults are used where there is no table.

        Raises:
            SettingsError: the message lists every problem with its place, the value seen and what
                is allowed.
        """
        from redis_middleware.settings.validation import validated_table

        return validated_table(self, name, model)

    def place(self, path: KeyPath) -> Place:
        """Return where the value at ``path`` was set, for a message.

        Args:
            path: the way from the top of the settings, such as ``("slow_log", "threshold")`` or
                ``("plugins", 0)``.
        """
        return place_of(self.origin, self.overrides, path)
