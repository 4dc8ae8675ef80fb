"""The models of what is the framework's own in the settings. Imports pydantic."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ProfileModel", "TopLevelModel"]

PluginName = Annotated[str, Field(min_length=1)]


class ProfileModel(BaseModel):
    """What a profile sets lies over the top level: lists replace, tables merge key by key."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, Any]]

    plugins: list[PluginName] = Field(
        default=[], description="The names of the plugins to run, outermost first."
    )
    blocked: list[PluginName] = Field(
        default=[], description="The names of plugins that are never loaded, even when listed."
    )


class TopLevelModel(ProfileModel):
    """The settings of redis-middleware: plugins, profiles, and a table for each plugin."""

    profiles: dict[str, ProfileModel] = Field(
        default={},
        description="Named settings over those of the top level, for applications with several "
        "clients or environments.",
    )
