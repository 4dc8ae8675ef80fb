"""What is in the distributions that are released."""

from __future__ import annotations

import re
import tarfile
import zipfile
from email import message_from_bytes
from importlib.metadata import version
from pathlib import Path

from tests.packaging.conftest import ROOT

PACKAGES = ("middleware/redis_middleware", "plugins/redis_middleware_plugins")


def sources() -> set[str]:
    """The files of both packages in the repository, as paths in the wheel."""
    return {
        str(Path(package).name / path.relative_to(ROOT / package))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_has_every_file_of_both_packages(wheel: Path) -> None:
    """Modules, data and the markers of typed packages, and nothing of the tests."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == sources()
    assert {"redis_middleware/py.typed", "redis_middleware_plugins/py.typed"} <= names


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    """Version, licence, the lowest Python, the command and the plugins."""
    with zipfile.ZipFile(wheel) as archive:
        (directory,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = message_from_bytes(archive.read(f"{directory}/METADATA"))
        entry_points = archive.read(f"{directory}/entry_points.txt").decode()
        assert f"{directory}/licenses/LICENSE" in archive.namelist()
    assert metadata["Version"] == version("redis-middleware")
    assert metadata["Requires-Python"] == ">=3.11"
    assert "redis-middleware = redis_middleware.cli:main" in entry_points
    assert "slow_log = redis_middleware_plugins.slow_log:SlowLog" in entry_points
    assert metadata["Description-Content-Type"] == "text/markdown"


def test_the_description_can_be_read_anywhere(wheel: Path) -> None:
    """An index shows the README without what leads into the repository, and without comments."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        description = message_from_bytes(archive.read(name)).get_payload()
    assert isinstance(description, str)
    assert description.startswith("# redis-middleware\n")
    assert "@middleware" in description
    assert "| slow_log | commands slower" in description
    assert description.rstrip().endswith("examples that run in `examples/`.")
    assert re.findall(r"\]\((?!https:)[^)]*\)|<!--|make demo", description) == []


def test_the_source_distribution_has_the_tests(sdist: Path) -> None:
    """Whoever packages it for a system can run the suite; nothing that was built is in it."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = ("pyproject.toml", "README.md", "LICENSE", "SECURITY.md", "Makefile")
    assert names >= {*wanted, "tests/packaging/conftest.py", "tests/integration/built_in.toml"}
    assert not [name for name in names if "__pycache__" in name or name.startswith(".venv")]
