"""Draw the picture of the demo that the README shows: ``python -m tools.demo_picture``.

It runs ``redis-middleware demo`` on a terminal of its own, and draws the screen as it was when the
local cache had taken the hot key over, to ``docs/images/demo.svg``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from tools.terminals import drawing, run_on_a_terminal

__all__ = ["draw"]

PICTURE: Final = Path(__file__).parent.parent / "docs" / "images" / "demo.svg"
_COLUMNS: Final = 100
_LINES: Final = 30
_HOME: Final = "\x1b[H"
_SHOWN: Final = "its use of a core"


def draw(path: Path = PICTURE, seconds: float = 40.0) -> None:
    """Draw the picture.

    Args:
        path: the file to write.
        seconds: how long the demo takes, about.

    Raises:
        RuntimeError: a scene of the demo did not do what it says; the message has all of it.
    """
    command = [sys.executable, "-m", "redis_middleware", "demo", "--seconds", str(seconds)]
    printed = run_on_a_terminal(command, _COLUMNS, _LINES)
    # The last part is what the demo prints when it has left the screen.
    *screens, _ = printed.split(_HOME)
    screen = [each for each in screens if _SHOWN in each][-1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(drawing(screen, _COLUMNS, "redis-middleware demo", "demo"), encoding="utf-8")


if __name__ == "__main__":
    draw()
    print(f"wrote {PICTURE}")
