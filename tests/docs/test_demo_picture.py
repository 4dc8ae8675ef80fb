"""The picture of the demo."""

from __future__ import annotations

from pathlib import Path

from tools import demo_picture


def test_the_picture_of_the_demo_can_be_drawn(tmp_path: Path) -> None:
    """From a real run, with the figures of before and after in it."""
    path = tmp_path / "demo.svg"
    demo_picture.draw(path, seconds=3.0)
    picture = path.read_text(encoding="utf-8")
    for text in ("redis-middleware", "product:1711", "before", "after", "local_cache"):
        assert text in picture
    assert "@font-face" not in picture
