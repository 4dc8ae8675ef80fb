"""What the author of a plugin is told about its hooks and its constructor."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from tests.discovery.distributions import Installer

from redis_middleware import Flow, hookimpl
from redis_middleware.command import Command
from redis_middleware.discovery import check_plugin, installed_plugins, load_plugin
from redis_middleware.errors import PluginLoadError
from redis_middleware.settings import Settings
from redis_middleware.testing import Script

HOOKS = "redis_attach, redis_batch, redis_command, redis_connect, redis_detach and redis_message"


class MisspeltHook:
    """A hook with a letter too few."""

    @hookimpl
    def redis_comand(self, command: Command) -> Flow:
        """Pass the command on."""
        return (yield command)


class StrangeHook:
    """A hook that is none at all."""

    @hookimpl
    def on_startup(self) -> None:
        """Never called."""


class MisspeltArgument:
    """A hook whose argument has a name of its own."""

    @hookimpl
    def redis_command(self, cmd: Command) -> Flow:
        """Pass the command on."""
        return (yield cmd)


class TooManyArguments:
    """A hook that wants more than there is."""

    @hookimpl
    def redis_command(self, command: Command, settings: object) -> Flow:
        """Pass the command on."""
        return (yield command)


class NeedlessArgument:
    """A hook with an argument where there is none."""

    @hookimpl
    def redis_detach(self, middleware: object) -> None:
        """Never called."""


class Static:
    """A hook without ``self``."""

    @staticmethod
    @hookimpl
    def redis_command(cmd: Command) -> Flow:
        """Pass the command on."""
        return (yield cmd)


class Asynchronous:
    """A hook that is a coroutine function."""

    @hookimpl
    async def redis_command(self, command: Command) -> object:
        """Never called."""
        return command


class Wrapper:
    """A wrapper of pluggy's."""

    @hookimpl(wrapper=True)
    def redis_command(self, command: Command) -> Any:
        """Never called."""
        return (yield)


class NoHook:
    """Methods without the decorator."""

    def redis_command(self, command: Command) -> Flow:
        """Never called."""
        return (yield command)


WRONG_HOOKS: list[tuple[type, str]] = [
    (
        MisspeltHook,
        f"there is no hook 'redis_comand'; did you mean 'redis_command'? the hooks are {HOOKS}",
    ),
    (StrangeHook, f"there is no hook 'on_startup'; the hooks are {HOOKS}"),
    (MisspeltArgument, "hook redis_command: its argument is 'cmd': call it `command`"),
    (
        TooManyArguments,
        "hook redis_command: its arguments are 'command' and 'settings': "
        "it is called with `command` alone",
    ),
    (
        NeedlessArgument,
        "hook redis_detach: its argument is 'middleware': it is called without arguments",
    ),
    (Static, "hook redis_command: its argument is 'cmd': call it `command`"),
    (Asynchronous, "hook redis_command: it is an async function"),
    (Wrapper, "hook redis_command: it is a wrapper of pluggy's"),
    (NoHook, "implements no hook; decorate its methods with @redis_middleware.hookimpl"),
]


@pytest.mark.parametrize(("plugin", "problem"), WRONG_HOOKS)
def test_a_wrong_hook_is_told_with_what_is_right(plugin: type, problem: str) -> None:
    """Where the plugin becomes part of a client: its name, its class, the hook and the cure."""
    with pytest.raises(PluginLoadError) as caught:
        Script(plugin)
    assert problem in str(caught.value)
    assert f"given in code ({__name__}.{plugin.__name__})" in str(caught.value)
    assert " object at 0x" not in str(caught.value)


def test_an_optional_hook_need_not_exist() -> None:
    """pluggy's ``optionalhook``: a plugin may serve later versions of this package too."""

    class Ahead:
        @hookimpl(optionalhook=True)
        def redis_of_tomorrow(self, anything: object) -> None:
            """Never called."""

        @hookimpl(specname="redis_command")
        def around(self, command: Command, seen: tuple[str, ...] = ()) -> Flow:
            """Pass the command on; arguments with a default are the plugin's own."""
            return (yield command)

    assert Script(Ahead).replies(b"v").run("GET", "k") == b"v"


class WithoutModel:
    """Its constructor takes settings that nothing describes."""

    def __init__(self, settings: object) -> None:
        self.settings = settings


class Model(BaseModel):
    """Some settings."""


class IgnoresModel:
    """Its constructor does not take the settings that it has."""

    Settings = Model


class TakesMore:
    """Its constructor takes more than the settings."""

    Settings = Model

    def __init__(self, settings: Model, clock: object) -> None:
        self.settings, self.clock = settings, clock


class NoModel:
    """Its settings are no model."""

    Settings = dict


WRONG_CLASSES = [
    (
        WithoutModel,
        "its __init__ takes 'settings', but it has no class Settings: give it one, derived from "
        "pydantic.BaseModel, or give what it takes a default",
    ),
    (
        IgnoresModel,
        "it has a class Settings, but its __init__ takes no settings: "
        "write def __init__(self, settings)",
    ),
    (
        TakesMore,
        "its __init__ takes 'settings' and 'clock', and is called with the settings alone: "
        "give the others a default",
    ),
    (
        NoModel,
        "its Settings is <class 'dict'>: make it a class derived from pydantic.BaseModel",
    ),
]


@pytest.mark.parametrize(("plugin", "problem"), WRONG_CLASSES)
def test_a_class_that_cannot_be_made_is_told_with_what_is_right(plugin: type, problem: str) -> None:
    """Not the interpreter's words for a call that the author never wrote."""
    with pytest.raises(PluginLoadError) as caught:
        load_plugin(plugin, Settings())
    assert str(caught.value).endswith(problem)


def test_a_plugin_of_a_distribution_goes_by_the_name_of_its_entry_point(install: Installer) -> None:
    """As the settings name it; the class has another name."""
    source = "class Bad:\n    Settings = dict\n"
    install("bad-plugin", {"bad_settings": "bad_plugin:Bad"}, {"bad_plugin": source})
    with pytest.raises(PluginLoadError, match=r"^plugin 'bad_settings', bad-plugin 1.0 \(bad_plug"):
        load_plugin("bad_settings", Settings())


@pytest.mark.parametrize(("plugin", "problem"), WRONG_HOOKS + WRONG_CLASSES)
def test_an_installed_plugin_is_checked_without_being_made(
    install: Installer, plugin: type, problem: str
) -> None:
    """For lists of what is installed: what would stop it from running is told of the class."""
    source = f"from {__name__} import {plugin.__name__}"
    install(
        "bad-plugin",
        {"bad": f"bad_{plugin.__name__}:{plugin.__name__}"},
        {f"bad_{plugin.__name__}": source},
    )
    with pytest.raises(PluginLoadError) as caught:
        check_plugin(installed_plugins()["bad"])
    assert problem in str(caught.value)
    assert str(caught.value).startswith("plugin 'bad'")


@pytest.mark.parametrize("name", installed_plugins())
def test_the_plugins_that_are_installed_here_are_right(name: str) -> None:
    """What is checked, and its settings model, are given."""
    plugin, model = check_plugin(installed_plugins()[name])
    assert plugin is installed_plugins()[name].load()
    assert model is plugin.Settings  # type: ignore[attr-defined]


def test_an_object_and_a_module_are_checked_too(install: Installer) -> None:
    """An entry point may name either; hooks of an object may be its own and not its class's."""
    source = (
        "from redis_middleware import hookimpl\n"
        "@hookimpl\n"
        "def redis_command(command):\n    return (yield command)\n"
        "class Holder:\n    pass\n"
        "holder = Holder()\n"
        "holder.redis_command = redis_command\n"
        "@hookimpl(specname='redis_message')\n"
        "def other(msg):\n    return (yield msg)\n"
        "wrong = Holder()\n"
        "wrong.hook = other\n"
    )
    install(
        "shop-plugins",
        {"object": "shop_own:holder", "wrong": "shop_own:wrong"},
        {"shop_own": source},
    )
    assert check_plugin(installed_plugins()["object"])[1] is None
    with pytest.raises(PluginLoadError, match="argument is 'msg': call it `message`"):
        check_plugin(installed_plugins()["wrong"])
