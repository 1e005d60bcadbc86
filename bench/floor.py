"""The floor of restarts: nothing but multiprocess's fork server and pidfds.

`python -c "from bench.floor import main; main()" PRELOAD PROGRAMS` keeps the rivals' child programs
alive, each forked from the server and started again the moment its pidfd tells of its death.
PRELOAD: modules, joined by commas; PROGRAMS: JSON, a list of the arguments of
:mod:`bench.rivals.child`. What a supervised actor takes beyond it is callpoint's own.
"""

import json
import os
import select
import sys
import time
from typing import Any

import multiprocess

from bench.rivals import child

_CONTEXT = multiprocess.get_context("forkserver")


def _child(kind: str, name: str, where: str, *room: str) -> None:
    child.run(kind, name, where, list(room), time.monotonic_ns())


def _start(arguments: list[str]) -> tuple[Any, int]:
    process = _CONTEXT.Process(target=_child, args=tuple(arguments))
    process.start()
    return process, os.pidfd_open(process.pid)


def main() -> None:
    """Until it is killed."""
    preload, programs = sys.argv[1].split(","), json.loads(sys.argv[2])
    _CONTEXT.set_forkserver_preload([name for name in preload if name])
    running: dict[int, tuple[Any, list[str]]] = {}
    poll = select.poll()

    def start(arguments: list[str]) -> None:
        process, pidfd = _start(arguments)
        running[pidfd] = (process, arguments)
        poll.register(pidfd, select.POLLIN)

    for arguments in programs:
        start(arguments)
    while True:
        for pidfd, _ in poll.poll():
            process, arguments = running.pop(pidfd)
            poll.unregister(pidfd)
            os.close(pidfd)
            start(arguments)
            process.join()
