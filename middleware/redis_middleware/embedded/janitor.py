"""Makes a directory; ends the servers in it and removes it when their program is gone.

Run as a script, with the directory as its argument, by `redis_middleware.embedded.workspace`. It
writes a byte to its standard output when the directory is there. It leads the process group that
the servers are in, and waits on its standard input: a byte means that the servers are no longer
needed, the end of the input that the program has ended, however that came about. Its standard
output closes when all is clean.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress

_REMOVED_WITHIN = 5.0


def main() -> None:
    """Make the directory, wait, then clean up."""
    directory = sys.argv[1]
    os.mkdir(directory, 0o700)
    # A program that has ended by now is noticed by the next line.
    with suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), b".")
    os.read(sys.stdin.fileno(), 1)
    # The signal goes to the whole group, this process too, so a child outside of it sends it.
    # This process stays until then: while it does, no other group can get the group's number.
    if os.fork() == 0:
        group = os.getpgrp()
        os.setpgid(0, 0)
        os.killpg(group, signal.SIGKILL)
        _remove(directory)
    else:
        os.wait()


def _remove(directory: str) -> None:
    deadline = time.monotonic() + _REMOVED_WITHIN
    while os.path.exists(directory):
        try:
            shutil.rmtree(directory)
        except OSError:
            # A server that is just being killed may have written one more file.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


if __name__ == "__main__":
    main()
