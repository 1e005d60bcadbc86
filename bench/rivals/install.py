"""Bring the rivals: `python3 -m bench.rivals.install`. Standard library only.

They land in $CALLPOINT_CACHE (else ~/.cache/callpoint) like the tests' peers, and are never a
dependency of callpoint: PyPI's `supervisor` even has the import name of our package.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.peers.install import cache_folder, make_environment, pip_install, step

REQUIREMENTS = Path(__file__).parent / "requirements.lock"


def rivals_python() -> Path:
    """The interpreter of the rivals' environment, there or not.

    The folder is named for the interpreter and the requirements, so a change of either makes
    another one beside it.
    """
    made_of = f"{sys.version_info[:2]}".encode() + REQUIREMENTS.read_bytes()
    key = hashlib.sha256(made_of).hexdigest()[:16]
    return cache_folder() / f"rivals-{key}" / "bin" / "python"


def install_rivals() -> None:
    """Make the environment, unless it is there."""
    python = rivals_python()
    folder = python.parent.parent
    ready = folder / ".ready"
    if ready.exists():
        return
    with step("making the environment of what is measured beside (about 40 s, once)"):
        make_environment(folder)
        pip_install(python, "--require-hashes", "--no-deps", "-r", str(REQUIREMENTS))
        ready.touch()


if __name__ == "__main__":
    try:
        install_rivals()
    except subprocess.CalledProcessError as failed:
        command = " ".join(map(str, failed.cmd))
        sys.exit(f"bench: this failed with code {failed.returncode}, see above: {command}")
