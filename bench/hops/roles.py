"""Starts the processes of one measurement: each the same module with another role."""

import subprocess
import sys
from contextlib import ExitStack
from typing import NamedTuple


class Arguments(NamedTuple):
    """Of the command line, see the package."""

    hops: str
    folder: str
    part: str
    role: str
    """Empty: the one that starts the others."""


def arguments() -> Arguments:
    """As given."""
    hops, folder, part, *role = sys.argv[1:]
    return Arguments(hops, folder, part, role[0] if role else "")


def run(module: str, given: Arguments, roles: tuple[str, ...]) -> None:
    """Run ``roles`` as processes, the receiver first; it is the one that prints and ends."""
    with ExitStack() as stack:
        processes = []
        for role in roles:
            command = [sys.executable, "-m", module, given.hops, given.folder, given.part, role]
            process = subprocess.Popen(command, stdout=None if role == "receive" else sys.stderr)
            stack.callback(process.wait)
            stack.callback(process.kill)
            processes.append(process)
        code = processes[roles.index("receive")].wait()
    if code:
        sys.exit(code)
