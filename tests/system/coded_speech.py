"""Coded speech at the microphone of a whole terminal, heard by a real agent."""

import itertools
import math
import mmap
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from actors.audio.header import SLOTS, newest
from actors.audio.tape import SAMPLE, Tape
from actors.settings import Settings
from supervisor.drill.chords import HOP_MS
from supervisor.drill.coded_signal import BLOCK_MS, Heard, Run, decode, generate
from supervisor.drill.launched import LaunchFailed
from tests.peers.agent_worker import Job
from tests.peers.pulse import RATE
from tests.stage import Stage
from tests.terminal import Terminal

HEARD_DEADLINE_S = 60.0
"""After the last word. What has to be sent again on a busy machine has three seconds to get there
at each try, and is found missing some seconds before."""

STUMBLES = 0.01
"""Share of what is said that the sound system may lose; seen on a machine with much else to do: one
block of 115."""


class CodedSpeech:
    """It goes on while something is done to the terminal. Another program records the microphone
    meanwhile.
    """

    def __init__(self, stage: Stage, terminal: Terminal, blocks: int, job: Job) -> None:
        self.blocks = blocks
        self.job = job
        self._stage = stage
        self._terminal = terminal
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._speak, name="speech")
        self._began = 0.0

    def _speak(self) -> None:
        self._stage.pulse.speak_pcm(generate(self.blocks, RATE), RATE)
        self._over.set()

    def start(self, leaving: ExitStack) -> None:
        """Begin. Nobody listens any more when ``leaving`` is left."""
        self._microphone = leaving.enter_context(self._stage.pulse.record_microphone())
        self._began = time.monotonic()
        self._thread.start()

    def within_the_tape(self) -> range:
        """Blocks that were said no longer ago than the tape is long, or are yet to be said."""
        forgotten_s = time.monotonic() - self._began - Settings().audio.tape_seconds
        return range(max(0, math.ceil(forgotten_s * 1000 / BLOCK_MS)), self.blocks)

    def goes_on_for(self, seconds: float) -> bool:
        """Let so much be said; False when it was over before."""
        return not self._over.wait(seconds)

    def heard_to_the_end(self) -> Heard:
        """Wait until the agent has heard the last block; returns all that it has heard."""
        return self.heard([self.blocks - 1])

    def heard(self, blocks: Iterable[int] | None = None) -> Heard:
        """Wait until the agent has heard these blocks, or all of them; returns all that it has
        heard. Some may be heard behind later ones, when they are said again. What never was at the
        microphone, for the sound system stumbles on a busy machine, cannot be heard.

        Raises:
            AssertionError: it has not, within the deadline.

        """
        wanted = range(self.blocks) if blocks is None else sorted(blocks)
        self._thread.join()
        try:
            self._stage.worker.wait_until(
                lambda: not self.job.decode().missing(wanted), deadline_s=HEARD_DEADLINE_S
            )
        except LaunchFailed:
            heard = self.job.decode()
            never_said = decode(self._microphone.pcm, RATE).missing(self.blocks)
            assert len(never_said) <= self.blocks * STUMBLES, f"the microphone missed {never_said}"
            lost = set(heard.missing(wanted)) - set(never_said)
            assert not lost, f"the agent has not heard {sorted(lost)}: {heard.seams}"
        return self.job.decode()

    def story(self) -> str:
        """Where what the agent heard is not one block after the other, what its jitter buffer made
        up, what the room's process said, and what was lost on the way to the tape.
        """
        runs = [Run(-1, 0.0, 0.0), *self.job.decode().runs]
        broken = [
            f"{after.start_ms:8.0f} ms: block {before.block}, {before.length_ms:.0f} ms of it, "
            f"then {after.block}, {after.length_ms:.0f} ms of it"
            for before, after in itertools.pairwise(runs)
            if after.block != before.block + 1 or after.start_ms > before.end_ms + HOP_MS
        ]
        status = self._terminal.status()
        entries = self._terminal.log.read_text(errors="replace").splitlines()
        said = [line for line in entries if '"process": "room"' in line]
        received = map(str, self.job.of("reception"))
        before_it = {
            "at the microphone": decode(self._microphone.pcm, RATE),
            "on the tape": taped(self._terminal.runtime_dir / "tape"),
        }
        lost = [
            f"{where}: missing {heard.missing(self.blocks)}, {heard.seams}"
            for where, heard in before_it.items()
        ]
        return "\n".join(
            [*broken, *received, *said, f"{status['audio']}", f"{status['room']}", *lost]
        )


def taped(path: Path) -> Heard:
    """What of a coded signal is on a tape, also while it is written to."""
    found = path.read_bytes()
    header = newest(found[:SLOTS])
    assert header, "both slots damaged"
    pcm = bytearray()
    with mmap.mmap(-1, len(found)) as view:
        view[:] = found
        tape = Tape(view, header)
        at = tape.oldest
        while run := tape.read(at, header.sample_rate):
            pcm += run.pcm or bytes(run.gap * SAMPLE)
            at = run.end
    return decode(np.frombuffer(pcm, np.int16), header.sample_rate)


@contextmanager
def coded_speech(stage: Stage, terminal: Terminal, blocks: int) -> Iterator[CodedSpeech]:
    """A conversation begins, and somebody speaks; should it fail, its story is told."""
    terminal.callpoint("start")
    terminal.wait_for_agent("listening")
    speech = CodedSpeech(stage, terminal, blocks, stage.job(terminal))
    with ExitStack() as leaving:
        speech.start(leaving)
        try:
            yield speech
        except BaseException:
            print(speech.story())  # what the numbers of an assertion do not tell
            raise
