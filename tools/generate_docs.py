"""Write the generated parts of README.md and docs/.

::

    python -m tools.generate_docs           # writes what is out of date
    python -m tools.generate_docs --check   # writes nothing; ends with 1 if a page is out of date

A part stands between two comments, the first of which says what it is made from::

    <!-- generated: settings slow_log -->
    <!-- end of generated part -->
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.figures import figures, headlines, ratios
from tools.generated.command_line import command_line
from tools.generated.public_names import public_names
from tools.generated.settings_tables import framework_tables, plugin_tables

__all__ = ["generated", "outdated", "pages"]

ROOT: Final = Path(__file__).parent.parent
_PART: Final = re.compile(
    r"(<!-- generated: ([^\n]+) -->\n).*?(<!-- end of generated part -->)", re.DOTALL
)
_MAKERS: Final[dict[str, Callable[..., str]]] = {
    "command line": command_line,
    "figures": figures,
    "framework settings": framework_tables,
    "headlines": headlines,
    "public names": public_names,
    "ratios": ratios,
    "settings": plugin_tables,
}
"""What makes each kind of part; it is called with the words that follow the kind."""


def pages() -> Iterator[Path]:
    """The pages: README.md and everything in docs/."""
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").rglob("*.md"))


def generated(text: str) -> str:
    """The text of a page with its generated parts made anew.

    Raises:
        ValueError: a part is of a kind that nothing makes.
    """
    return _PART.sub(lambda part: f"{part[1]}{_made(part[2])}\n{part[3]}", text)


def _made(source: str) -> str:
    for kind, make in _MAKERS.items():
        if source == kind or source.startswith(f"{kind} "):
            return make(*source.removeprefix(kind).split())
    raise ValueError(
        f"nothing makes the part {source!r}: a part begins with one of {', '.join(_MAKERS)}"
    )


def outdated() -> dict[Path, str]:
    """The pages that are out of date, with what they should be."""
    found = {}
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (wanted := generated(text)) != text:
            found[page] = wanted
    return found


def main(arguments: list[str]) -> int:
    """Write or check all pages; 1 where a check finds one out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate_docs")
    parser.add_argument("--check", action="store_true", help="write nothing, only tell")
    check = parser.parse_args(arguments).check
    changes = outdated()
    for page, text in changes.items():
        if check:
            print(f"{page.relative_to(ROOT)} is out of date: run python -m tools.generate_docs")
        else:
            page.write_text(text, encoding="utf-8")
            print(f"wrote {page.relative_to(ROOT)}")
    return 1 if check and changes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
