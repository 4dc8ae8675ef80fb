"""What is imported when."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import sys
from redis_middleware.discovery import load_plugins
from redis_middleware.settings import Settings, Watch, load_settings
load_plugins(load_settings({}, environ={}))
print(*sorted({"pydantic", "pydantic_settings", "tomllib", "difflib"} & set(sys.modules)))
"""


def test_pydantic_is_imported_only_when_there_are_settings_to_check() -> None:
    """A program without settings does not pay for checking them."""
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == []
