"""What the guard found: counted, logged once a minute for each key, and noted for other plugins."""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from redis_middleware import Batch, Command
from redis_middleware.notes import BIG_KEY, note_refusal

__all__ = ["Finding", "Notices"]

logger = logging.getLogger("redis_middleware.size_guard")

_SECONDS_BETWEEN: float = 60.0
_MOST_KEYS = 1024
_LONGEST_KEY = 200


class Finding(NamedTuple):
    """What is counted together.

    Attributes:
        limit: the name of the limit; or of the command that the guard sent of its own accord, such
            as ``"unlink"``, ``"ltrim"`` or ``"pexpire"``.
        action: ``"observe"``, ``"warn"``, ``"reject"`` or ``"page"``; of such a command ``"sent"``
            or ``"failed"``.
        command: the command's name.
    """

    limit: str
    action: str
    command: str

    @property
    def is_about_size(self) -> bool:
        """Whether something was over a limit, rather than only sent along with a command."""
        return self.action not in ("sent", "failed")


class Notices:
    """Counts findings and logs them.

    Args:
        clock: seconds from any fixed point.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._logged: OrderedDict[tuple[bytes, str], float] = OrderedDict()
        self.after_fork()

    def after_fork(self) -> None:
        """Count anew; a thread of the parent, which is gone, may have held the lock."""
        self._lock = threading.Lock()
        self._counts: Counter[Finding] = Counter()

    @property
    def counts(self) -> Counter[Finding]:
        """How often each finding was made so far."""
        with self._lock:
            return Counter(self._counts)

    def note(self, subject: Command | Batch, finding: Finding) -> None:
        """Count a finding, and note on the command or batch what everybody may know of it."""
        with self._lock:
            self._counts[finding] += 1
        if finding.action == "reject":
            note_refusal(subject, "size_guard", finding.limit)
        if finding.is_about_size:
            subject.notes[BIG_KEY] = True

    def warn(self, key: bytes, finding: Finding, text: str) -> None:
        """Log a finding, unless the same limit was logged for this key less than a minute ago."""
        now = self._clock()
        about = (key, finding.limit)
        with self._lock:
            before = self._logged.get(about)
            if before is not None and now - before < _SECONDS_BETWEEN:
                return
            self._logged[about] = now
            self._logged.move_to_end(about)
            if len(self._logged) > _MOST_KEYS:
                self._logged.popitem(last=False)
        logger.warning("%s%s: %s", finding.command, _about(key), text)


def _about(key: bytes) -> str:
    return f" of key {key[:_LONGEST_KEY]!r}{'...' * (len(key) > _LONGEST_KEY)}" if key else ""
