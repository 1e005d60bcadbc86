"""The rehearsal of a process that waits for its job leaves nothing behind."""

import asyncio
import logging
from pathlib import Path

import pytest

from actors.runtime.bus import new_context
from actors.runtime.rehearsal import rehearse

pytestmark = pytest.mark.unit


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_it_leaves_no_descriptor_no_task_and_no_word(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    opened = _descriptors()
    loop, context = asyncio.new_event_loop(), new_context()
    try:
        rehearse(loop, context)
        assert not asyncio.all_tasks(loop)
        context.term()  # waits for each of its sockets
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        loop.close()
    assert _descriptors() == opened
    assert capsys.readouterr() == ("", "")
