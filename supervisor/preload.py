"""What the fork server imports once, so that a child is there in milliseconds.

Imported only in the fork server. After the imports everything is frozen: a collection in a child
would otherwise write to every page that it shares with its siblings.
"""

import gc
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's pool would make a thread before a fork

import asyncio  # noqa: F401
import importlib.util

import msgpack  # noqa: F401
import msgspec  # noqa: F401
import numpy  # noqa: F401
import pythonjsonlogger.json  # noqa: F401
import setproctitle  # noqa: F401

import actors.runtime.entry  # noqa: F401

# Imported, its client not used: fork after importing livekit is fine, after using it an error.
# By name, because only the room may know it (the import rules); the room would pay 213 ms.
importlib.import_module("livekit.rtc")

gc.collect()
gc.freeze()
