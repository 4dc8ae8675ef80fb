"""Whole numbers among arguments, in whatever form redis-py takes them."""

from __future__ import annotations

import re
from typing import Any, Final

from redis_middleware.commands.arguments import text_of

__all__ = ["whole_number"]

# As the servers' string2ll reads them: the shortest decimal form, within 64 bits.
_WHOLE: Final = re.compile(r"-?[1-9][0-9]{0,18}|0")


def whole_number(argument: Any) -> int | None:
    """Return an argument as a whole number; ``None`` if the server would not take it for one."""
    if type(argument) is int:
        return argument
    text = text_of(argument)
    return int(text) if _WHOLE.fullmatch(text) else None
