"""Every code block of README.md and docs/ does what the page says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.docs.following import ROOT, pages


@pytest.mark.server
@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_can_be_followed(page: Path, follow: Callable[[Path], list[str]]) -> None:
    """Code runs, settings are valid, commands print what is shown; a skipped block says why."""
    for left_out in follow(page):
        print(left_out)
