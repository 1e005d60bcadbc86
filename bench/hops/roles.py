"""Starts the processes of one measurement: each the same module with another role."""

import subprocess
import sys
from contextlib import ExitStack


def run(module: str, hops: str, folder: str, roles: tuple[str, ...]) -> None:
    """Run ``roles`` as processes, the receiver first; it is the one that prints and ends."""
    with ExitStack() as stack:
        processes = []
        for role in roles:
            command = [sys.executable, "-m", module, hops, folder, role]
            process = subprocess.Popen(command, stdout=None if role == "receive" else sys.stderr)
            stack.callback(process.wait)
            stack.callback(process.kill)
            processes.append(process)
        code = processes[roles.index("receive")].wait()
    if code:
        sys.exit(code)


def arguments() -> tuple[str, str, str]:
    """Hops, folder, and the role; empty: the one that starts the others."""
    return sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""
