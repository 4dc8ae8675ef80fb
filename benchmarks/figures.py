"""Writes the figures of ``benchmarks/results`` into the README, between its markers."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
RESULTS = Path(__file__).parent / "results"


def table(group: str) -> str:
    """A group's rows as a Markdown table, with the machine they were measured on."""
    content = json.loads((RESULTS / f"{group}.json").read_text(encoding="utf-8"))
    machine = content["machine"]
    lines = [
        f"Measured on {machine['date']}: Python {machine['python']}, redis-py {machine['redis']}, "
        f"{machine['cores']} cores, server on the same machine.",
        "",
        "| measured | value | ± | target |",
        "|---|---|---|---|",
    ]
    for row in content["rows"]:
        target = "" if row["target"] is None else f"≤ {row['target']:g}"
        missed = " (missed)" if row["holds"] is False else ""
        lines.append(
            f"| {row['name']} | {row['value']:.3g} {row['unit']} | {row['spread']:.2g} "
            f"| {target}{missed} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Rewrite every marked part of the README."""
    text = README.read_text(encoding="utf-8")
    pattern = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)
    README.write_text(
        pattern.sub(lambda found: f"{found[1]}{table(found[2])}\n{found[3]}", text),
        encoding="utf-8",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
