"""What a process uses of the machine, from proc(5)."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """Resident memory in MiB and processor time in seconds since the start."""

    rss_mib: float = 0.0
    cpu_s: float = 0.0


def usage_of(pid: int | None) -> Usage:
    """Zeros when it is just gone."""
    try:
        # The name in parentheses may hold blanks: what counts comes after the last one.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return Usage()
    utime, stime, rss = int(fields[11]), int(fields[12]), int(fields[21])
    return Usage(rss * _PAGE / 2**20, (utime + stime) / _TICKS)


class KernelKills:
    """Whether the kernel has killed somebody lately because the machine had no memory left.

    It does not say whom: a SIGKILL that nobody here has sent, at such a time, is taken for it.
    """

    def __init__(self, vmstat: Path = Path("/proc/vmstat")) -> None:
        self._vmstat = vmstat
        self._seen = self._count()

    def look(self) -> bool:
        """There were some since the last look."""
        before, self._seen = self._seen, self._count()
        return self._seen > before

    def _count(self) -> int:
        try:
            for line in self._vmstat.read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        except OSError:
            pass
        return 0
