"""Property tests draw the same examples every time, so that a run tells of the code and not of luck.

`pytest --hypothesis-profile=default` draws new ones. Threads wait as those of the command do, see pipeline/cli.py.
"""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")
