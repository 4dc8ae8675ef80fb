"""Commands run on a terminal of their own, and drawings of what they printed."""

from __future__ import annotations

import inspect
import io
import os
import pty
import re
import subprocess
from collections.abc import Sequence
from typing import Final

from rich.ansi import AnsiDecoder
from rich.console import Console

__all__ = ["drawing", "run_on_a_terminal"]

# A picture that fetches a font is not shown as a picture of a page.
_FONT_FACES: Final = re.compile(r"@font-face \{\{.*?\}\}\n", re.DOTALL)


def run_on_a_terminal(command: Sequence[str], columns: int, lines: int) -> str:
    """Run a command on a terminal of its own.

    Args:
        command: the program and its arguments.
        columns: how wide the terminal is.
        lines: how high it is.

    Returns:
        What it printed, with what moves the cursor and colours.

    Raises:
        RuntimeError: it failed; the message has what it printed.
    """
    ours, theirs = pty.openpty()
    size = {"COLUMNS": str(columns), "LINES": str(lines)}
    environ = {**os.environ, **size, "TERM": "xterm-256color"}
    environ.pop("NO_COLOR", None)
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    printed = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:
            # What Linux says at the end of a terminal.
            break
        if not block:
            break
        printed += block
    os.close(ours)
    code = process.wait()
    text = printed.decode().replace("\r\n", "\n")
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with {code}:\n{text}")
    return text


def drawing(printed: str, columns: int, title: str, name: str) -> str:
    """What a terminal shows, as SVG.

    Args:
        printed: what was printed on it.
        columns: how wide it is.
        title: the title of its window.
        name: tells the drawing's styles from those of others on the same page.
    """
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    for line in AnsiDecoder().decode(printed):
        console.print(line, soft_wrap=True)
    template = inspect.signature(console.export_svg).parameters["code_format"].default
    return console.export_svg(
        title=title, code_format=_FONT_FACES.sub("", template), unique_id=name
    )
