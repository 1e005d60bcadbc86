"""`python -m tests.peers.dev [options of callpoint demo]`: talk with a real agent, all on loopback.

Starts the pinned LiveKit server and the agent worker, talks through them as `callpoint demo` does,
and stops them again. `python3 -m tests.peers.install server agent` brings both.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from supervisor.drill.launched import LaunchFailed

from .agent_worker import AgentWorker
from .install import agent_python, cached_server
from .livekit_server import LiveKitServer


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code of the demo."""
    if not (cached_server().exists() and agent_python().exists()):
        sys.exit("dev: first bring the peers: python3 -m tests.peers.install server agent")
    with tempfile.TemporaryDirectory(prefix="callpoint-dev-") as name:
        folder = Path(name)
        try:
            with LiveKitServer(folder) as server, AgentWorker(server, folder) as worker:
                print(f"server     {server.url}, log {server.log}")
                print(f"agent      {worker.name}, log {worker.log}", flush=True)
                return _talk(worker.name, server.environment, arguments)
        except LaunchFailed as failed:
            sys.exit(f"dev: {failed}")


def _talk(agent: str, environment: dict[str, str], arguments: Sequence[str]) -> int:
    demo = [sys.executable, "-m", "supervisor", "demo", "--agent", agent, *arguments]
    with subprocess.Popen(demo, env={**os.environ, **environment}) as talking:
        while True:
            try:
                return talking.wait()
            except KeyboardInterrupt:  # the demo has had it too, and is ending
                continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
