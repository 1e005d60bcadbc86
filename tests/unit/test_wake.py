"""Beginning by voice or word: the first word is whole, and nothing is kept that should not be."""

from pathlib import Path

import numpy as np
import pytest

from actors.audio.recorder import Recorder
from actors.audio.tape import Tape
from actors.audio.wake import BEFORE_S, KEPT_S, REST_S, WAITS_S, Wake
from supervisor.drill.coded_signal import decode, generate

pytestmark = pytest.mark.unit

RATE = 16_000
BLOCK_S = 0.02
BLOCK = round(RATE * BLOCK_S)
SILENCE = bytes(2 * BLOCK)


class Loud:
    """Hears anything loud, a little late, as detectors do."""

    def __init__(self, late_s: float = 0.3) -> None:
        self._late = round(late_s / BLOCK_S)
        self._run = 0
        self.resets = 0

    def heard(self, pcm: bytes) -> float | None:
        loud = np.abs(np.frombuffer(pcm, "<i2")).max(initial=0) > 500
        self._run = self._run + 1 if loud else 0
        return self._run * BLOCK_S if self._run > self._late else None

    def reset(self) -> None:
        self._run = 0
        self.resets += 1


def blocks(pcm: bytes) -> list[bytes]:
    return [pcm[at : at + 2 * BLOCK] for at in range(0, len(pcm) - 2 * BLOCK + 1, 2 * BLOCK)]


@pytest.mark.parametrize("chance", range(50))
def test_the_first_word_is_whole(tmp_path: Path, chance: int) -> None:
    """The session takes its time to begin; what is said meanwhile is heard too."""
    draw = np.random.default_rng(chance)
    tape = Tape.open(tmp_path / "tape", RATE, 20)
    recorder = Recorder(tape)
    wake = Wake(Loud(draw.uniform(0.1, 1.5)), RATE)
    words = generate(20, RATE, tail_ms=200)
    said = np.concatenate([np.zeros(int(draw.integers(0, 2 * RATE)), "<i2"), words])
    begins_after = int(draw.integers(0, 40))
    now, waited = 100.0, -1
    for pcm in blocks(said.tobytes()):
        now += BLOCK_S
        if recorder.is_on:
            recorder.block(pcm, now, BLOCK_S)
            continue
        if wake.block(pcm, now):
            waited = 0
        if waited >= 0:
            waited += 1
            if waited > begins_after:
                recorder.start("c", now + 0.005, resume=False, before=wake.take())
    run = tape.read(tape.header.start, 20 * RATE)
    assert run is not None
    heard = decode(np.frombuffer(run.pcm, "<i2"), RATE)
    assert heard.missing(20) == ()
    assert heard.in_order
    assert (heard.lost_ms, heard.repeated_ms) == (0, 0)
    tape.close()


def test_only_a_few_seconds_are_in_memory_and_only_shortly_before_is_taken() -> None:
    wake = Wake(Loud(), RATE)
    quiet, loud = SILENCE, b"\x00\x10" * BLOCK
    now = 0.0
    for _ in range(1000):
        now += BLOCK_S
        assert not wake.block(quiet, now)
    assert len(wake._kept) <= KEPT_S / BLOCK_S + 1
    began = now
    while not wake.block(loud, now := now + BLOCK_S):
        pass
    kept = wake.take()
    assert began - BEFORE_S - 2 * BLOCK_S < kept[0].given_at < began
    assert wake.take() == []


def test_a_conversation_that_does_not_begin_is_waited_for_in_vain_and_forgotten() -> None:
    wake = Wake(Loud(), RATE)
    loud = b"\x00\x10" * BLOCK
    now = 0.0
    while not wake.block(loud, now := now + BLOCK_S):
        pass
    assert wake.is_woken
    end = now + WAITS_S
    while now < end + BLOCK_S:
        wake.block(SILENCE, now := now + BLOCK_S)
    assert not wake.is_woken
    assert wake.take() == []


def test_after_a_conversation_it_rests() -> None:
    wake = Wake(Loud(), RATE)
    loud = b"\x00\x10" * BLOCK
    wake.rest(10.0)
    now = 10.0
    while not wake.block(loud, now := now + BLOCK_S):
        pass
    assert now >= 10.0 + REST_S


def test_switched_off_it_forgets_and_does_not_make_the_detector_anew_each_time() -> None:
    detector = Loud()
    wake = Wake(detector, RATE)
    wake.block(SILENCE, 0.0)
    for _ in range(10):
        wake.forget()
    assert detector.resets == 1
    assert wake.take() == []


def test_what_was_said_before_the_microphone_was_on_is_not_taken(tmp_path: Path) -> None:
    tape = Tape.open(tmp_path / "tape", RATE, 10)
    recorder = Recorder(tape)
    recorder.mute(True, 1.0)
    recorder.mute(False, 5.0)
    loud = b"\x00\x10" * BLOCK
    before = [(loud, 5.0 + number * BLOCK_S) for number in range(5)]
    recorder.start("c", 6.0, resume=False, before=before)
    assert tape.header.end - tape.header.start == 4 * BLOCK
    tape.close()
