"""Make the project's own environment: `python3 .ci/setup.py run|test`. Standard library only.

`run` installs what a terminal needs, `test` also what its developers need. Done once; a changed
lock file does it again. Each slow step says what it does and how long it took.
"""

import ctypes.util
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCKS = {"run": ROOT / "requirements.lock", "test": ROOT / "requirements-dev.lock"}
OLDEST = (3, 11)
PORTAUDIO = "libportaudio2"


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    print(f"setup: {what} ...", flush=True)
    began = time.monotonic()
    yield
    print(f"setup: {what}: done in {time.monotonic() - began:.0f} s", flush=True)


def find_python() -> str:
    """The newest interpreter that will do, beginning with the one that runs this."""
    if sys.version_info[:2] >= OLDEST:
        return sys.executable
    for minor in range(14, OLDEST[1] - 1, -1):
        if found := shutil.which(f"python3.{minor}"):
            return found
    sys.exit(f"setup: needs Python {OLDEST[0]}.{OLDEST[1]} or newer; install it and try again")


def stamp_of(kind: str) -> str:
    """Changes when what is to be installed changes."""
    parts = (LOCKS[kind], ROOT / "pyproject.toml")
    return hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()


def install_packages(kind: str) -> None:
    """The virtual environment, from the lock file with its hashes."""
    ready = VENV / f".ready-{kind}"
    wanted = stamp_of(kind)
    if ready.exists() and ready.read_text() == wanted:
        return
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
    with step("making the virtual environment .venv (about 30 s the first time)"):
        if not (VENV / "bin" / "python").exists():
            subprocess.run([find_python(), "-m", "venv", str(VENV)], check=True)
        subprocess.run([*pip, "-q", "--require-hashes", "-r", str(LOCKS[kind])], check=True)
        subprocess.run([*pip, "-q", "--no-deps", "-e", str(ROOT)], check=True)
    ready.write_text(wanted)


def install_portaudio() -> None:
    """PortAudio's library, which no Python package brings on Linux."""
    if ctypes.util.find_library("portaudio"):
        return
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        print(
            f"setup: no PortAudio here: a sound card cannot be used until you install it"
            f" (Debian: sudo apt-get install {PORTAUDIO})",
            flush=True,
        )
        return
    with step(f"installing {PORTAUDIO} (about 20 s)"):
        quiet = {
            "stdout": subprocess.DEVNULL,
            "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        }
        install = [apt, "install", "-y", "-qq", PORTAUDIO]
        if subprocess.run(install, check=False, stderr=subprocess.DEVNULL, **quiet).returncode:
            subprocess.run([apt, "update", "-qq"], check=True, **quiet)
            subprocess.run(install, check=True, **quiet)


def main() -> None:
    """Entry."""
    if len(sys.argv) != 2 or sys.argv[1] not in LOCKS:
        sys.exit(__doc__)
    try:
        install_packages(sys.argv[1])
        install_portaudio()
    except subprocess.CalledProcessError as failed:
        sys.exit(f"setup: this failed, see above: {' '.join(map(str, failed.cmd))}")


if __name__ == "__main__":
    main()
