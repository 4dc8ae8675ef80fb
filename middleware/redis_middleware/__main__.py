"""``python -m redis_middleware``: the command line, also where its script is not on the PATH."""

from __future__ import annotations

import sys

from redis_middleware.cli import main

sys.exit(main())
