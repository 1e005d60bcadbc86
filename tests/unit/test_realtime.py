"""Sound before everything else, where it is permitted, and as ever where it is not."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit

PROGRAM = """
import os, resource, sys, threading
from actors.runtime.realtime import run_as_others_do, run_in_real_time

if sys.argv[1] == "refused":
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    if os.getuid() == 0:
        os.setresuid(65534, 65534, 65534)
earlier, done = threading.Event(), threading.Event()
threads = [threading.Thread(target=lambda: (earlier.set(), done.wait()))]
threads[0].start()
earlier.wait()
granted = run_in_real_time()
threads.append(threading.Thread(target=done.wait))
threads[1].start()
policies = [os.sched_getscheduler(each.native_id) for each in (threading.main_thread(), *threads)]
run_as_others_do()
done.set()
print(granted, set(policies) == {os.SCHED_RR}, set(policies) == {os.SCHED_OTHER},
      os.sched_getscheduler(0) == os.SCHED_OTHER)
"""


def told(how: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, how]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_all_threads_and_those_to_come_go_first_or_everything_stays_as_it_was() -> None:
    granted, all_first, all_as_others, again_as_others = told("wanted")
    assert granted == all_first
    assert granted != all_as_others
    assert again_as_others == "True"


def test_where_it_is_refused_nothing_changes() -> None:
    assert told("refused") == ["False", "False", "True", "True"]
