"""Being late is made up for in pauses, and never in a word."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.room.pauses import FLOOR_S, IN_STEP_S, KEPT_S, LATE_S, LEARNT_S, QUIET_DBFS, Pauses

pytestmark = pytest.mark.unit

RATE = 24_000
FRAME_S = 0.02
FRAME = round(FRAME_S * RATE)
LATE, IN_STEP = LATE_S + 0.01, IN_STEP_S - 0.01
_RANDOM = np.random.default_rng(7)


def noise(rms: float, seconds: float) -> list[bytes]:
    samples = _RANDOM.normal(0, rms, round(seconds * RATE)).astype(np.int16)
    return [samples[at : at + FRAME].tobytes() for at in range(0, len(samples), FRAME)]


def skipped(pauses: Pauses, frames: list[bytes], late_s: float = LATE) -> int:
    return sum(pauses.can_do_without(frame, late_s) for frame in frames)


def learnt(background: float = 20.0) -> Pauses:
    """One that has heard how quiet it can be, and then speech."""
    pauses = Pauses(FRAME_S)
    assert skipped(pauses, noise(background, KEPT_S)) == 0
    assert skipped(pauses, noise(3000, LEARNT_S)) == 0
    return pauses


def test_a_pause_is_cut_to_what_an_agent_needs_of_it() -> None:
    assert skipped(learnt(), noise(20, 1.0)) * FRAME_S == pytest.approx(1.0 - KEPT_S)


def test_each_pause_is_left_its_part() -> None:
    pauses = learnt()
    for _ in range(3):
        assert skipped(pauses, noise(20, 0.5)) * FRAME_S == pytest.approx(0.5 - KEPT_S)
        assert skipped(pauses, noise(3000, 0.3)) == 0


def test_in_step_nothing_is_left_out() -> None:
    assert skipped(learnt(), noise(20, 3.0), IN_STEP) == 0


def test_it_goes_on_until_it_is_in_step_and_does_not_begin_for_so_little() -> None:
    pauses = learnt()
    between = (LATE_S + IN_STEP_S) / 2
    assert skipped(pauses, noise(20, KEPT_S + 0.2), between) > 0
    assert skipped(pauses, noise(20, 1.0), IN_STEP) == 0
    assert skipped(pauses, noise(20, 5.0), between) == 0


def test_what_is_loud_is_sent_however_even_it_is() -> None:
    assert skipped(Pauses(FRAME_S), noise(2 * 32768 * 10 ** (QUIET_DBFS / 20), 10.0)) == 0


def test_soft_speech_above_a_softer_background_is_sent() -> None:
    pauses = learnt(20)
    for _ in range(5):
        assert skipped(pauses, noise(40, 0.5)) == 0
        skipped(pauses, noise(20, 0.3))


def test_nothing_is_left_out_before_it_is_known_how_quiet_it_can_be() -> None:
    """What comes first may be a word that is drawn out."""
    assert skipped(Pauses(FRAME_S), noise(100, LEARNT_S)) == 0


def test_a_background_that_became_louder_is_learnt() -> None:
    pauses = learnt(20)
    assert skipped(pauses, noise(200, FLOOR_S - LEARNT_S)) == 0
    assert skipped(pauses, noise(200, 2.0)) > 0


def test_digital_silence_is_quiet() -> None:
    pauses = Pauses(FRAME_S)
    assert skipped(pauses, [bytes(2 * FRAME)] * 100) == 100 - round(LEARNT_S / FRAME_S)


@given(st.lists(st.binary(max_size=2 * FRAME).map(lambda pcm: pcm[: len(pcm) // 2 * 2])))
def test_any_frame_will_do(frames: list[bytes]) -> None:
    assert skipped(Pauses(FRAME_S), frames, 0.0) == 0
    assert skipped(Pauses(FRAME_S), frames) <= len(frames)
