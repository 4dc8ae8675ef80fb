"""``python -m tools.lowest_versions``: the lowest versions supported, as constraints of pip's.

They are read from ``pyproject.toml``: of what the package needs, and of its extras for users. The
extras for developers are not among them.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["constraints"]

_PROJECT = Path(__file__).parents[1] / "pyproject.toml"
_OF_DEVELOPERS = {"bench", "dev", "docs", "examples", "test", "test-redis-py"}


def constraints(requirements: Iterable[str]) -> Iterator[str]:
    """The constraint that pins each requirement to its lower bound, where it has one."""
    for requirement in map(Requirement, requirements):
        for specifier in requirement.specifier:
            if specifier.operator == ">=":
                yield f"{requirement.name}=={specifier.version}"


def main() -> None:
    """Write them to the standard output."""
    project = tomllib.loads(_PROJECT.read_text())["project"]
    requirements = list(project["dependencies"])
    for extra, of_extra in project["optional-dependencies"].items():
        if extra not in _OF_DEVELOPERS:
            requirements += of_extra
    sys.stdout.writelines(f"{line}\n" for line in sorted(set(constraints(requirements))))


if __name__ == "__main__":
    main()
