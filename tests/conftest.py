"""Set-up of all tests: one thread a process, since several processes share the cores, and no time limit."""

import os

from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# An example takes as long as the machine lets it.
settings.register_profile("pitmap", deadline=None)
settings.load_profile("pitmap")
