"""SIGKILL of a process that does nothing but write the tape: what can be read was written there."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from actors.audio.header import SLOTS, newest
from actors.audio.tape import Tape

pytestmark = pytest.mark.process

RATE = 1000
SECONDS = 10
KILLS = 12
LAPS = 3
"""Of the ring, so that it overwrites what could still be read a moment ago."""

_WRITER = """
import sys
from pathlib import Path
import numpy as np
from actors.audio.tape import Tape

tape = Tape.open(Path(sys.argv[1]), 1000, 10, "boot")
if not tape.header.conversation:
    tape.begin("c", 0.0)
numbers = 0
while True:
    numbers = (numbers + 37) % 251
    end = tape.header.end
    places = np.arange(end, end + numbers) % 30_000 + 1
    tape.append(places.astype("<i2").tobytes(), 0.0)
    tape.serve(end)
    if numbers % 10 == 0:
        tape.skip(numbers, 0.0)
"""


def _end(path: Path) -> int:
    """As another process sees it; both slots may just be being written."""
    header = newest(path.read_bytes()[:SLOTS])
    return header.end if header else -1


def _check(path: Path) -> int:
    """Everything that can be read; returns the end."""
    tape = Tape.open(path, RATE, SECONDS, "boot")
    at, samples = tape.oldest, 0
    while (run := tape.read(at, 500)) is not None:
        found = np.frombuffer(run.pcm, "<i2")
        silent = found == 0  # a gap of which only the place was remembered
        places = np.arange(run.position, run.position + found.size) % 30_000 + 1
        assert np.array_equal(found[~silent], places[~silent])
        samples += int((~silent).sum())
        at = run.end
    assert samples > RATE
    end = tape.header.end
    tape.close()
    return end


def test_killed_at_any_moment_it_reads_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    chance = random.Random(7)
    end = 0
    for _ in range(KILLS):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)])
        try:
            goal = end + LAPS * RATE * SECONDS + chance.randrange(5000)
            while not path.exists() or _end(path) < goal:
                assert writer.poll() is None
        finally:
            writer.kill()
            writer.wait()
        before, end = end, _check(path)
        assert end > before
