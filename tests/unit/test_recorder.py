"""What goes on the tape and what does not: orders, restarts, mute."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from actors.audio.recorder import Recorder
from actors.audio.tape import Tape

pytestmark = pytest.mark.unit

RATE = 1000
SECONDS = 10
BLOCK_S = 0.02
BLOCK = round(RATE * BLOCK_S)
WORDS = b"\x07\x00" * BLOCK
SILENCE = bytes(2 * BLOCK)


class Bench:
    """A recorder over a tape in a file, one process after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 100.0
        self.tape = Tape.open(path, RATE, SECONDS, "boot")
        self.recorder = Recorder(self.tape)
        self.recorder.restore(self.now, same_terminal=False)

    def speak(self, blocks: int = 1, age_s: float = BLOCK_S) -> None:
        """One block after the other, as the time passes."""
        for _ in range(blocks):
            self.now += BLOCK_S
            self.recorder.block(WORDS, self.now, age_s)

    def next_process(self, *, same_terminal: bool = True) -> None:
        self.tape.close()
        self.tape = Tape.open(self.path, RATE, SECONDS, "boot")
        self.recorder = Recorder(self.tape)
        self.recorder.restore(self.now, same_terminal=same_terminal)

    @property
    def heard(self) -> list[str | int]:
        """Block by block; a number is a gap."""
        found: list[str | int] = []
        at = self.tape.header.start
        while (run := self.tape.read(at, BLOCK)) is not None:
            words = "words" if np.any(np.frombuffer(run.pcm, "<i2")) else "silence"
            found.append(run.gap or words)
            at = run.end
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "tape")
    yield bench
    bench.tape.close()


def test_without_a_conversation_nothing_is_recorded(bench: Bench) -> None:
    assert bench.recorder.block(WORDS, bench.now, BLOCK_S) is None
    assert WORDS[:2] not in bench.path.read_bytes()[4096:]


def test_a_conversation_is_recorded_from_its_first_block_until_its_end(bench: Bench) -> None:
    assert not bench.recorder.start("c", bench.now, resume=False)
    bench.speak(2)
    assert bench.heard == ["words"] * 2
    bench.recorder.stop()
    assert not bench.recorder.is_on
    bench.speak()
    assert bench.heard == []
    assert not any(bench.path.read_bytes()[4096:])


def test_a_new_conversation_leaves_nothing_of_the_one_before(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak(3)
    bench.recorder.start("d", bench.now, resume=False)
    assert bench.heard == []
    assert not any(bench.path.read_bytes()[4096:])


def test_what_was_said_before_it_began_is_not_recorded_however_late_it_comes(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    assert bench.recorder.block(WORDS, bench.now, BLOCK_S) is None
    assert bench.recorder.block(WORDS, bench.now - 1, BLOCK_S) is None
    assert bench.recorder.block(WORDS, bench.now + BLOCK_S, BLOCK_S) == 0


# -- mute ------------------------------------------------------------------------------------------


def test_muted_time_goes_on_in_silence(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak()
    bench.recorder.mute(True, bench.now)
    bench.speak(2)
    bench.recorder.mute(False, bench.now)
    bench.speak()
    assert bench.heard == ["words", "silence", "silence", "words"]


def test_what_was_said_before_the_microphone_was_on_again_is_not_heard(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.recorder.mute(True, bench.now)
    bench.recorder.mute(False, bench.now + 0.001)
    bench.speak(4, age_s=0.05)
    assert bench.heard == ["silence", "silence", "words", "words"]


def test_unmuting_what_is_not_muted_changes_nothing(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.recorder.mute(False, bench.now + 0.01)
    bench.speak()
    assert bench.heard == ["words"]


@pytest.mark.parametrize("same_terminal", [True, False])
def test_the_mute_outlives_the_process_and_the_conversation(
    bench: Bench, same_terminal: bool
) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.recorder.mute(True, bench.now)
    bench.next_process(same_terminal=same_terminal)
    assert bench.recorder.muted
    bench.recorder.start("d", bench.now, resume=False)
    bench.speak()
    bench.recorder.stop()
    bench.recorder.start("e", bench.now, resume=False)
    bench.speak()
    assert bench.heard == ["silence"]


# -- restarts --------------------------------------------------------------------------------------


def test_after_a_restart_it_goes_on_with_a_gap_up_to_its_first_block(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak(2)
    bench.now += 0.2
    bench.next_process()
    assert bench.recorder.is_on
    bench.now += 0.3  # until the device gives something
    bench.speak(2)
    assert bench.heard == ["words", "words", 500, "words", "words"]
    assert bench.recorder.missed == 500


def test_after_a_long_absence_in_one_terminal_the_conversation_goes_on(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak()
    bench.now += 3600
    bench.next_process()
    assert not bench.recorder.expire(bench.now)
    bench.speak()
    assert bench.heard[-1] == "words"
    assert bench.tape.header.end == 3600 * RATE + 2 * BLOCK


def test_what_another_terminal_left_is_kept_but_not_recorded(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak(2)
    bench.now += 5
    bench.next_process(same_terminal=False)
    assert not bench.recorder.is_on
    bench.speak(50)
    assert bench.heard == ["words", "words"]
    assert bench.recorder.start("c", bench.now, resume=True)
    bench.speak()
    assert bench.heard == ["words", "words", 6000, "words"]


def test_a_restart_of_audio_does_not_make_a_recording_of_what_was_only_kept(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak()
    bench.next_process(same_terminal=False)
    bench.next_process(same_terminal=True)
    assert not bench.recorder.is_on
    assert bench.heard == ["words"]


def test_what_nobody_has_come_for_is_forgotten(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak()
    bench.next_process(same_terminal=False)
    assert not bench.recorder.expire(bench.now + SECONDS)
    assert bench.heard == ["words"]
    assert bench.recorder.expire(bench.now + SECONDS + 0.1)
    assert not bench.recorder.expire(bench.now + SECONDS + 0.1), "it says so once"
    assert bench.heard == []
    assert bench.tape.header.conversation == ""
    assert not any(bench.path.read_bytes()[4096:])


def test_what_is_too_old_is_forgotten_at_the_start(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak()
    bench.now += SECONDS + 0.1
    bench.next_process(same_terminal=False)
    assert bench.tape.header.conversation == ""


# -- samples that are lost -------------------------------------------------------------------------


def test_what_a_device_has_lost_is_a_gap(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak(2)
    bench.now += 5.0
    bench.recorder.broke()
    bench.speak(2)
    assert bench.heard == ["words", "words", 5 * RATE, "words", "words"]
    bench.recorder.broke()
    bench.recorder.broke()
    bench.speak()
    assert bench.heard[-2:] == ["words", "words"], "nothing was lost after all"


def test_a_block_that_is_only_late_makes_no_gap(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak()
    bench.recorder.block(WORDS, bench.now + 0.3, BLOCK_S)
    assert bench.heard == ["words", "words"]


def test_a_break_does_not_begin_a_recording(bench: Bench) -> None:
    bench.recorder.broke()
    assert not bench.recorder.is_on
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak()
    bench.next_process(same_terminal=False)
    bench.recorder.broke()
    assert not bench.recorder.is_on


def test_a_process_that_ends_in_a_break_leaves_its_gap_to_the_next(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak()
    bench.recorder.broke()
    bench.now += 0.5
    bench.next_process()
    bench.speak()
    assert bench.heard == ["words", 500, "words"]


# -- going on by order -----------------------------------------------------------------------------


def test_another_conversation_cannot_be_gone_on_with(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak()
    assert not bench.recorder.start("d", bench.now, resume=True)
    assert bench.heard == []


def test_going_on_with_what_is_being_recorded_changes_nothing(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak()
    assert bench.recorder.start("c", bench.now, resume=True)
    bench.speak()
    assert bench.heard == ["words", "words"]


def test_beginning_again_takes_the_place_of_a_resume_that_waits_for_its_block(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    bench.speak()
    bench.now += 1
    bench.next_process()
    bench.recorder.start("d", bench.now, resume=False)
    bench.speak()
    assert bench.heard == ["words"]


def test_it_knows_how_long_has_been_spoken(bench: Bench) -> None:
    bench.recorder.start("c", bench.now, resume=False)
    assert bench.recorder.spoken(bench.now) == 0
    bench.speak(3)
    assert bench.recorder.spoken(bench.now + 7) == 3 * BLOCK
    bench.next_process()
    assert bench.recorder.spoken(bench.now + 7) == 3 * BLOCK + 7 * RATE
    assert bench.recorder.spoken(bench.now - 7) == 3 * BLOCK
