"""Bring the rivals: `python3 -m bench.rivals.install`. Standard library only.

They land in $CALLPOINT_CACHE (else ~/.cache/callpoint) like the tests' peers, and are never a
dependency of callpoint: PyPI's `supervisor` even has the import name of our package.
"""

import subprocess
import sys
from pathlib import Path

from tests.peers.install import install_kept, kept_python

REQUIREMENTS = Path(__file__).parent / "requirements.lock"


def rivals_python() -> Path:
    """The interpreter of the rivals' environment, there or not."""
    return kept_python("rivals", REQUIREMENTS)


def install_rivals() -> None:
    """Make the environment, unless it is there."""
    install_kept("the environment of what is measured beside", rivals_python(), REQUIREMENTS)


if __name__ == "__main__":
    try:
        install_rivals()
    except subprocess.CalledProcessError as failed:
        command = " ".join(map(str, failed.cmd))
        sys.exit(f"bench: this failed with code {failed.returncode}, see above: {command}")
