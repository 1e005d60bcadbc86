"""What the kernel knows of processes: memory, CPU, wake-ups, descendants."""

import os
from pathlib import Path


def pss_mib(pid: int) -> float:
    """Proportional set size: what is shared with others is counted to each in part, so that the
    sum over processes counts every page once. MiB.
    """
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no Pss of process {pid}")


def cpu_s(pid: int) -> float:
    """Seconds of CPU so far, of all its threads that live, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def wake_ups(pid: int) -> int:
    """How often its threads have gone to sleep by themselves: each such time they were woken."""
    count = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                count += int(line.split()[1])
    return count


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def title(pid: int) -> str:
    """Command line as it shows, arguments joined by spaces."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()


def open_files(pid: int) -> int:
    """How many file descriptors it has."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208


def threads(pid: int) -> int:
    """How many threads it has."""
    return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
