"""What importing the package costs, and that each of its modules stands by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import redis_middleware

ROOT = Path(redis_middleware.__file__).parent
MODULES = sorted(
    ".".join(("redis_middleware", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    )
    for path in ROOT.rglob("*.py")
    if path.name != "__main__.py"
)

IMPORT_EACH = """
import os, sys, traceback
# The package is imported before any module of it, whichever it is; packages of others once for all.
import redis_middleware
import pydantic, rich.console, rich.table, typer

failed = []
for module in set(sys.argv[1:]) - set(sys.modules):
    child = os.fork()
    if not child:
        try:
            __import__(module)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(module)
print(" ".join(failed))
"""


def run(program: str, *arguments: str) -> str:
    """Run a program in an interpreter of its own; give what it prints."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True
    ).stdout


def imported_by(statement: str) -> set[str]:
    """The packages that a statement imports, beside those of redis-py."""
    program = f"""
import sys
import redis, redis.asyncio
before = set(sys.modules)
{statement}
print(*{{name.partition(".")[0] for name in set(sys.modules) - before}})
"""
    return set(run(program).split()) - set(sys.stdlib_module_names)


def test_importing_the_package() -> None:
    """It imports pluggy, and nothing else that is not redis-py's or Python's own."""
    assert imported_by("import redis_middleware") == {"redis_middleware", "pluggy"}


def test_wrapping_a_client() -> None:
    """Without settings that take none of the packages that only some plugins need either."""
    statement = """
from redis_middleware import Command, Flow, hookimpl, wrap
class PassThrough:
    @hookimpl
    def redis_command(self, command):
        return (yield command)
wrap(redis.Redis(), {}, plugins=[PassThrough])
"""
    assert imported_by(statement) == {"redis_middleware", "pluggy"}


def test_testing_a_plugin() -> None:
    """``redis_middleware.testing`` needs no test framework."""
    assert imported_by("import redis_middleware.testing") == {"redis_middleware", "pluggy"}


def test_each_module_can_be_imported_alone() -> None:
    """In any order: none needs another one to have been imported before it."""
    assert len(MODULES) > 50
    failed = run(IMPORT_EACH, *MODULES)
    assert failed.split() == []
