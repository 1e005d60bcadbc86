"""Where in the hierarchy of cgroups (version 2) this process is: see cgroups(7)."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_DELETED = " (deleted)"


def own() -> Path:
    """The directory of the cgroup that this process is in.

    Raises ``OSError`` when there is none, or none that can be seen from here.
    """
    cgroup = Path("/proc/self/cgroup").read_text()
    for found in directories(cgroup, Path("/proc/self/mountinfo").read_text()):
        if str(os.getpid()) in (found / "cgroup.procs").read_text().split():
            return found
    raise OSError(errno.ENOENT, "no cgroup2 that this process is in is mounted")


def directories(cgroup: str, mountinfo: str) -> Iterator[Path]:
    """Where a process's cgroup may be seen, from its ``/proc/PID/cgroup`` and the ``mountinfo`` of
    ours. The last mounts first, for they may cover others.
    """
    path = path_of(cgroup)
    for line in reversed(mountinfo.splitlines()):
        before, _, after = line.partition(" - ")
        if path is not None and after.startswith("cgroup2 "):
            _id, _parent, _device, root, point, *_options = map(_unescaped, before.split(" "))
            if path.is_relative_to(root):
                yield Path(point) / path.relative_to(root)


def path_of(cgroup: str) -> PurePosixPath | None:
    """The path in the hierarchy, from the ``/proc/PID/cgroup`` of a process."""
    for line in cgroup.splitlines():
        if line.startswith("0::") and not line.endswith(_DELETED):
            return PurePosixPath(line.removeprefix("0::"))
    return None


def of(pid: int) -> PurePosixPath | None:
    """The path of a process's cgroup; None: it has none, or is gone."""
    try:
        return path_of(Path(f"/proc/{pid}/cgroup").read_text())
    except OSError:
        return None


def _unescaped(field: str) -> str:
    """Blanks, tabs, line ends and backslashes are octal in proc(5)."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
