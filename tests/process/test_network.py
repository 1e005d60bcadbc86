"""Packets of a process are dropped by the kernel, and no longer than whoever wanted it lives."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from supervisor.drill.network import Outage, may_filter
from tests.children import DEADLINE_S

pytestmark = pytest.mark.process

_OTHER = """
import sys
from supervisor.drill.network import Outage
with Outage(int(sys.argv[1])):
    print("dropping", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def link() -> Iterator[socket.socket]:
    """UDP, of this process, to itself."""
    if why := may_filter():
        pytest.skip(why)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("127.0.0.1", 0))
        link.connect(link.getsockname())
        yield link


def _leaves(link: socket.socket) -> bool:
    try:
        link.send(b"x")
    except PermissionError:
        return False
    return True


def test_no_packet_leaves_and_afterwards_all_pass(link: socket.socket) -> None:
    with Outage(os.getpid()):
        assert not _leaves(link)
    assert _leaves(link)
    assert link.recv(1) == b"x"


def test_a_share_leaves(link: socket.socket) -> None:
    with Outage(os.getpid(), share=50):
        left = {_leaves(link) for _ in range(200)}
    assert left == {True, False}


def test_so_much_a_second_leaves(link: socket.socket) -> None:
    with Outage(os.getpid(), beyond=1):
        left = [_leaves(link) for _ in range(2000)]  # 58 kB with their headers
    assert left[0]
    assert not left[-1]


def test_whoever_is_killed_takes_the_outage_along(link: socket.socket) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", _OTHER, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with other:
        assert other.stdout
        assert other.stdout.readline() == b"dropping\n"
        assert not _leaves(link)
        other.kill()
    give_up = time.monotonic() + DEADLINE_S
    while not _leaves(link):
        assert time.monotonic() < give_up, "still dropped"
        time.sleep(0.01)


def test_what_the_kernel_refuses_is_said(link: socket.socket) -> None:
    """Two at a time of one process would have one name."""
    again = pytest.raises(OSError, match="nft: Error")
    with Outage(os.getpid()), again, Outage(os.getpid()):
        pass
    assert _leaves(link)
