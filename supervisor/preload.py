"""What the fork server imports once, so that a child is there in milliseconds.

Imported only in the fork server. After the imports everything is frozen: a collection in a child
would otherwise write to every page that it shares with its siblings.
"""

import gc
import importlib
import os
import signal
import sys

from actors.runtime.dotted import find_modules
from supervisor import forks, last_watch

last_watch.begin()
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor: spare ones inherit it

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's pool would make a thread before a fork

_WANTED = (
    "asyncio",
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
    "livekit.protocol.agent_pb.agent_session",
)

find_modules()
for _name in (*_WANTED, *os.environ.pop(forks.PRELOAD, "").split()):
    try:
        importlib.import_module(_name)
    except Exception as error:  # the child that needs it says so; the others can do without
        sys.stderr.write(f"fork server: cannot preload {_name}: {error}\n")

_OFTEN = 10
"""From the eighth call on, CPython rewrites a function's code in place."""


def _warm_up() -> None:
    """Make here what is made at the first use; a child would make it again, on pages of its own:
    half a MB and 2 ms a child.
    """
    import asyncio
    import logging

    from actors.messages import Heartbeat, Join, Ready, Welcome
    from actors.messages.codec import decode, encode
    from actors.runtime.logs import configure
    from actors.settings import Settings

    async def nothing() -> None:
        asyncio.get_running_loop().call_later(0.0, lambda: None)
        await asyncio.create_task(asyncio.sleep(0))

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    record = root.makeRecord("preload", logging.INFO, "", 0, "warm", (), None)
    for _ in range(_OFTEN):
        configure("preload")
        root.handlers[0].format(record)
        root.handlers[:] = handlers
        root.setLevel(level)
        Settings.from_plain(Settings().to_plain())
        for message in (Ready(1), Heartbeat(1, 0), Join(()), Welcome(1)):
            decode(encode(message, kind="tell", sender="preload"))
        asyncio.run(nothing())


_warm_up()
gc.collect()
gc.freeze()
