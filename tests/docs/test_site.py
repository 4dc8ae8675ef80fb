"""The documentation as a site."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml
from tests.docs.following import ROOT


def _navigation(entries: object) -> list[str]:
    if isinstance(entries, str):
        return [entries]
    inner = entries.values() if isinstance(entries, dict) else entries
    assert not isinstance(inner, int | float | None)
    return [page for entry in inner for page in _navigation(entry)]  # type: ignore[attr-defined]


def test_it_is_built_strictly(tmp_path: Path) -> None:
    """No broken link, no missing anchor, no page that the navigation leaves out; all of them."""
    finished = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    assert finished.returncode == 0, finished.stdout
    for page in (ROOT / "docs").rglob("*.md"):
        relative = page.relative_to(ROOT / "docs").with_suffix(".html")
        html = (tmp_path / "site" / relative).read_text(encoding="utf-8")
        assert "<h1" in html
        # What a page fetches comes with the site.
        assert not re.findall(r"<(?:script|link)[^>]+(?:src|href)=\"(?:https?:)?//", html)


def test_every_page_is_in_the_navigation() -> None:
    """Once: readers reach each page from the side of every other."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    shown = _navigation(yaml.safe_load(text)["nav"])
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(shown) == sorted(pages)


def test_links_of_the_readme_lead_somewhere() -> None:
    """Files and directories that the README links to are in the repository."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", readme):
        assert target.startswith("https://") or (ROOT / target).exists(), target
