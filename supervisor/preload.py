"""What the fork server imports first: what every child needs. In the fork server alone.

It is followed by the modules of the tree's own actors, and by :mod:`.preloaded`.
"""

import gc
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's pool would make a thread before a fork

import asyncio  # noqa: F401

import msgpack  # noqa: F401
import msgspec  # noqa: F401
import pythonjsonlogger.json  # noqa: F401
import setproctitle

import actors.runtime.entry  # noqa: F401

setproctitle.setproctitle("callpoint: fork server")
gc.disable()  # nothing becomes garbage in imports; :mod:`.preloaded` has the last word
