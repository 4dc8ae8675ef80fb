"""URLs of servers, as people copy them from the settings of their applications."""

from __future__ import annotations

import re
from typing import Final

import redis

__all__ = ["usable_url", "without_password"]

_SECRETS: Final = re.compile(r"(?<=://).*@|(?<=[?&]password=)[^&]*")
_REFUSED: Final = re.compile(r"unexpected keyword argument '(\w+)'")
_FORMS_OF_REPLIES: Final = ("decode_responses", "encoding", "encoding_errors")
"""What an application reads as text; the commands need the bytes of keys."""


def without_password(url: str) -> str:
    """A URL that can be shown: user and password are left out, however odd the rest is."""
    return _SECRETS.sub("", url)


def usable_url(url: str) -> str:
    """A URL without options that change in which form replies come.

    Raises:
        ValueError: redis-py makes no connection of it; the message names the option.
        redis.exceptions.RedisError: likewise, as redis-py puts it.
    """
    place, mark, query = url.partition("?")
    options = [each for each in query.split("&") if _name(each) not in _FORMS_OF_REPLIES]
    usable = f"{place}{mark if any(options) else ''}{'&'.join(options)}"
    try:
        # It is made, not connected.
        redis.ConnectionPool.from_url(usable).make_connection()
    except TypeError as error:
        raise ValueError(_problem(usable, error)) from error
    return usable


def _name(option: str) -> str:
    return option.partition("=")[0]


def _problem(url: str, error: TypeError) -> str:
    refused = _REFUSED.search(str(error))
    if refused is None:
        return f"redis-py cannot connect with the options of this URL: {error}"
    name, scheme = refused[1], url.partition(":")[0]
    if name.startswith("ssl_"):
        return (
            f"{name!r} is an option of TLS: write rediss:// for a server that speaks it, or leave "
            "the option out"
        )
    return f"redis-py takes no option {name!r} in a {scheme}:// URL: leave it out"
