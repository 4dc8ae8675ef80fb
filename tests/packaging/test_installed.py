"""A program in a fresh environment: our wheel, plugins of another distribution, a real server."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.packaging.conftest import Environment, build

from redis_middleware.embedded import Server

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "shop-plugins"
version = "2.5"
dependencies = ["redis-middleware"]

[project.entry-points.redis_middleware]
shop_audit = "shop_plugins.audit:Audit"
shop_broken = "shop_plugins.broken:Broken"

[tool.hatch.build.targets.wheel]
packages = ["shop_plugins"]
"""
AUDIT = '''
"""What the shop wants to know of its commands."""

from pydantic import BaseModel

from redis_middleware import hookimpl


class Audit:
    """Counts the commands of each kind."""

    class Settings(BaseModel):
        label: str = "none"

    def __init__(self, settings):
        self.label = settings.label
        self.seen = []

    def wants(self, spec):
        return spec.is_write

    @hookimpl
    def redis_command(self, command):
        self.seen.append(command.name)
        return (yield command)
'''
PROGRAM = """\
import json
import sys

import redis

import redis_middleware
import redis_middleware_plugins
from redis_middleware import middleware, middleware_of


@middleware
def make_client():
    return redis.Redis.from_url(sys.argv[1], decode_responses=True)


with make_client() as client:
    client.set("greeting", "hello")
    with client.pipeline() as pipe:
        pipe.incr("visits").get("greeting").execute()
    plugins = middleware_of(client).plugins
    print(json.dumps({
        "from": [redis_middleware.__file__, redis_middleware_plugins.__file__],
        "plugins": list(plugins),
        "slow": [entry.as_dict() for entry in plugins["slow_log"].entries()],
        "label": plugins["shop_audit"].label,
        "seen": plugins["shop_audit"].seen,
        "greeting": client.get("greeting"),
    }))
"""
SETTINGS = """\
plugins = ["slow_log", "shop_audit"]

[slow_log]
threshold = 0
batch_threshold = 0

[shop_audit]
label = "from the file"
"""


@pytest.fixture(scope="module")
def environment(installed: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return the environment with the other distribution in it too."""
    project = tmp_path_factory.mktemp("shop-plugins")
    package = project / "shop_plugins"
    package.mkdir()
    (project / "pyproject.toml").write_text(PROJECT)
    (package / "__init__.py").touch()
    (package / "audit.py").write_text(AUDIT)
    (package / "broken.py").write_text("import no_such_module\n")
    installed.install(build(project, "wheel", tmp_path_factory.mktemp("shop-wheel")))
    return installed


@pytest.fixture
def settings(environment: Environment) -> Path:
    """Return the settings file that programs in the environment's directory find."""
    path = environment.directory / "redis-middleware.toml"
    path.write_text(SETTINGS)
    return path


def test_a_program_runs_plugins_of_both_distributions(
    environment: Environment, settings: Path, clean_standalone: Server
) -> None:
    """Ours and theirs, enabled and configured by one file; a broken one of theirs does no harm."""
    program = environment.directory / "program.py"
    program.write_text(PROGRAM)
    output = environment.run(program, clean_standalone.url)
    report: dict[str, Any] = json.loads(output.splitlines()[-1])
    assert all(path.startswith(str(environment.site)) for path in report["from"])
    assert report["plugins"] == ["slow_log", "shop_audit"]
    assert [entry["name"] for entry in report["slow"]] == ["SET", "TRANSACTION"]
    assert report["label"] == "from the file"
    assert report["seen"] == ["SET", "INCRBY"]
    assert report["greeting"] == "hello"
    assert "shop_broken" not in output


def test_a_broken_plugin_names_itself_when_it_is_enabled(
    environment: Environment, settings: Path, clean_standalone: Server
) -> None:
    """The program gets an error that says whose plugin it is and what is wrong with it."""
    settings.write_text('plugins = ["slow_log", "shop_broken"]')
    program = dedent(
        """
        import redis, redis_middleware, sys
        with redis.Redis.from_url(sys.argv[1]) as client:
            try:
                redis_middleware.wrap(client)
            except redis_middleware.PluginLoadError as error:
                print(error)
            client.ping()
        """
    )
    assert environment.run("-c", program, clean_standalone.url).startswith(
        "plugin 'shop_broken', shop-plugins 2.5 (shop_plugins.broken:Broken), cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_module'; update or repair shop-plugins"
    )


def test_the_command_line_knows_both(environment: Environment, settings: Path) -> None:
    """The installed script lists what is installed and shows the pipeline."""
    script = environment.python.with_name("redis-middleware")
    plugins = environment.run(script, "plugins")
    assert "slow_log  enabled, 1 of 2  redis-middleware" in plugins
    assert "shop_audit  enabled, 2 of 2  shop-plugins 2.5 (shop_plugins.audit:Audit)" in plugins
    assert "shop_broken  not enabled  shop-plugins 2.5" in plugins
    assert 'label = "none"' in plugins
    check = environment.run(script, "check")
    assert "pipeline  slow_log > shop_audit > server" in check
    assert 'label = "from the file"  # line 8' in check


def test_it_needs_what_it_declares_and_no_more(installed: Environment) -> None:
    """It runs where every import of other distributions than those that it requires fails."""
    program = dedent(
        """
        import sys
        from importlib.metadata import packages_distributions, requires, version
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name

        required = set()

        def require(name):
            if name not in required:
                required.add(name)
                for each in map(Requirement, requires(name) or ()):
                    if each.marker is None or each.marker.evaluate({"extra": ""}):
                        assert each.specifier.contains(version(each.name), prereleases=True), each
                        require(canonicalize_name(each.name))

        class Refuse:
            def find_spec(self, name, path=None, target=None):
                owners = {canonicalize_name(each) for each in known.get(name.partition(".")[0], ())}
                if owners and not owners & required:
                    raise ModuleNotFoundError(f"{name} is not required", name=name)

        require("redis-middleware")
        known = packages_distributions()
        for name in list(sys.modules):
            if name.partition(".")[0] == "packaging":
                del sys.modules[name]
        sys.meta_path.insert(0, Refuse())

        import redis
        from redis_middleware import middleware_of, wrap
        client = wrap(redis.Redis(), {"plugins": ["slow_log"]})
        print(len(required), list(middleware_of(client).plugins), "typer" in sys.modules)
        """
    )
    count, _, rest = installed.run("-c", program).partition(" ")
    assert int(count) > 5
    assert rest == "['slow_log'] False\n"
