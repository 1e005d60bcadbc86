"""A puppet, whose module makes the fork server that imports it (``preload``) die when it has forked
and has told nobody: if there is the file that ``CALLPOINT_TEST_DIES`` names, which then has the pid
of the process that nobody knows of.
"""

import os
import signal
from pathlib import Path

import multiprocess.forkserver

from tests.puppet import Puppet

__all__ = ["Puppet"]

_SERVER = os.getpid()
_tell = multiprocess.forkserver.write_signed


def _tell_or_die(fd: int, number: int) -> None:
    last_words = Path(os.environ["CALLPOINT_TEST_DIES"])
    is_pid = number > 0  # and no exit code of what was killed
    if is_pid and os.getpid() == _SERVER and last_words.exists():
        last_words.rename(last_words.with_suffix(".done")).write_text(str(number))
        os.kill(_SERVER, signal.SIGKILL)
    _tell(fd, number)


multiprocess.forkserver.write_signed = _tell_or_die
