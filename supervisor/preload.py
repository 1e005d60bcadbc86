"""What the fork server imports once, so that a child is there in milliseconds.

Imported only in the fork server. After the imports everything is frozen: a collection in a child
would otherwise write to every page that it shares with its siblings.
"""

import gc
import importlib
import os
import sys

from supervisor import forks, last_watch

last_watch.begin()

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's pool would make a thread before a fork

_WANTED = (
    "asyncio",
    "msgpack",
    "msgspec",
    "numpy",
    "pythonjsonlogger.json",
    "setproctitle",
    "zmq",
    "actors.runtime.entry",
    "supervisor.begin",
    # Imported, its client not used: fork after importing livekit is fine, after using it an error.
    # Only the room may know it (the import rules); the room would pay 213 ms.
    "livekit.rtc",
)

for _name in (*_WANTED, *os.environ.pop(forks.PRELOAD, "").split()):
    try:
        importlib.import_module(_name)
    except Exception as error:  # the child that needs it says so; the others can do without
        sys.stderr.write(f"fork server: cannot preload {_name}: {error}\n")

gc.collect()
gc.freeze()
