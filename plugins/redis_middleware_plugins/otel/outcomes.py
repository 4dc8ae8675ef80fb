"""What failed, in the words of the semantic conventions, and never with a value in it."""

from __future__ import annotations

import re
from typing import NamedTuple

from redis.exceptions import ResponseError, WatchError

from redis_middleware_plugins.otel import attributes as names

__all__ = ["Failure", "failure_attributes", "failure_of"]

# redis-py takes the prefix off the message of the errors it has classes for; where it does not
# keep it as ``status_code`` either (before 8.0), the class tells.
_CODES = {
    "OutOfMemoryError": "OOM",
    "ExecAbortError": "EXECABORT",
    "NoScriptError": "NOSCRIPT",
    "ReadOnlyError": "READONLY",
    "NoPermissionError": "NOPERM",
    "AskError": "ASK",
    "MovedError": "MOVED",
    "TryAgainError": "TRYAGAIN",
    "ClusterDownError": "CLUSTERDOWN",
    "ClusterCrossSlotError": "CROSSSLOT",
    "MasterDownError": "MASTERDOWN",
    "BusyLoadingError": "LOADING",
}
# An annotated error of a pipeline has the server's message at the end.
_PREFIX = re.compile(
    r"(?:Command # \d+ \(.*\) of pipeline caused error: )?([A-Z][A-Z0-9_]{1,31}) ", re.S
)


class Failure(NamedTuple):
    """A failure.

    Attributes:
        type: ``error.type``: the status code, or the full name of the exception's class.
        status_code: ``db.response.status_code``: the prefix of the server's error, such as
            ``WRONGTYPE``; ``None`` where the failure is not the server's answer.
        is_error: false for a watched key that changed, which the application asked to be told.
    """

    type: str
    status_code: str | None
    is_error: bool = True


def failure_of(error: BaseException) -> Failure:
    """Describe an exception; for a framework's own wrapper, what it was raised from."""
    code = _status_code(error)
    if code is not None:
        return Failure(code, code)
    cls = type(error)
    name = (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )
    return Failure(name, None, not isinstance(error, WatchError))


def failure_attributes(failure: Failure) -> dict[str, str]:
    """The attributes that a failure adds to spans, events and metrics."""
    found = {names.ERROR_TYPE: failure.type}
    if failure.status_code is not None:
        found[names.DB_RESPONSE_STATUS_CODE] = failure.status_code
    return found


def _status_code(error: BaseException) -> str | None:
    code = getattr(error, "status_code", None)
    if isinstance(code, str) and code:
        return code
    code = _CODES.get(type(error).__name__)
    if code is not None or not isinstance(error, ResponseError):
        return code
    found = _PREFIX.match(f"{error} ")
    return found[1] if found else "ERR"
