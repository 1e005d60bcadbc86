"""What the fork server imports once, so that a child is there in milliseconds.

Imported only in the fork server. After the imports everything is frozen: a collection in a child
would otherwise write to every page that it shares with its siblings.
"""

import gc

gc.disable()  # nothing that is imported is garbage

import importlib
import os
import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # see supervisor.child

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its pool would be a thread before a fork

PRELOADED = (
    "supervisor.child",
    "actors.runtime.entry",
    "pythonjsonlogger.json",
    "setproctitle",
    "numpy",
    "livekit.rtc",
)
"""By name: only the room may know livekit (the import rules), but it would pay 213 ms for it.
livekit is imported and not used: a fork after its import is fine, one after its use an error."""

for _name in PRELOADED:
    try:
        importlib.import_module(_name)
    except Exception:  # noqa: S112, PERF203  # the actor that needs it fails to start, and says so
        continue

from setproctitle import setproctitle

from supervisor.child import end_with_the_supervisor

setproctitle("callpoint: fork server")
end_with_the_supervisor()

gc.collect()
gc.freeze()
gc.enable()
