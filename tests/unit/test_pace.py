"""A card whose clock is off: no growing delay, no click, every sample in its place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audio.pace import CORRECTION, LOST_S, TOLERATED_S, WINDOW_S, Pace

pytestmark = pytest.mark.unit

RATE = 48_000
BLOCK = RATE // 50
LEAD = 2
"""Samples of silence before the first one."""


def tone(begin: int, count: int, hz: float = 1000.0) -> bytes:
    wave = 10_000 * np.sin(2 * np.pi * hz * np.arange(begin, begin + count) / RATE)
    return wave.astype("<i2").tobytes()


STEP = 10_000 * 2 * np.pi * 1000 / RATE
"""The steepest that the tone ever is."""


@pytest.mark.parametrize("ppm", [-200, 200])
def test_in_a_day_the_delay_does_not_grow(ppm: int) -> None:
    """With callbacks that come late by chance; a slow rate, so that a day is over soon."""
    rate, hours = 100, 24
    pace, chance = Pace(rate), np.random.default_rng(1)
    lateness = chance.exponential(0.005, hours * 3600)
    now, given, ahead = 0.0, 0, []
    for second in range(hours * 3600):
        now = (second + 1) / (1 + ppm / 1e6)  # a fast card is done sooner
        given += len(pace.push(bytes(2 * rate), now + lateness[second])) // 2
        ahead.append(given / rate - now)
    begin = ahead[0]
    off = np.abs(np.array(ahead) - begin)
    assert off.max() < 2 * TOLERATED_S + WINDOW_S * (CORRECTION + 2e-4) + 2 / rate
    alone = hours * 3600 * abs(ppm) / 1e6
    assert alone > 17, "without it"


@pytest.mark.parametrize("ppm", [-300, 300])
def test_a_tone_stays_a_tone_while_it_is_corrected(ppm: int) -> None:
    pace = Pace(RATE)
    made, corrections = [], set()
    for number in range(60 * 50):
        now = (number + 1) * 0.02 / (1 + ppm / 1e6)
        made.append(pace.push(tone(number * BLOCK, BLOCK), now))
        corrections.add(round(pace.correction, 6))
    assert corrections == {0.0, round(float(np.copysign(CORRECTION, ppm)), 6)}
    heard = np.frombuffer(b"".join(made), "<i2").astype(float)[BLOCK:]
    assert np.abs(np.diff(heard)).max() < 1.05 * STEP, "a click"
    piece = heard[-RATE:] * np.hanning(RATE)
    spectrum = np.abs(np.fft.rfft(piece))
    beside = np.concatenate([spectrum[:980], spectrum[1020:]])
    assert 20 * np.log10(spectrum.max() / beside.max()) > 60


@settings(deadline=None)
@given(st.lists(st.integers(0, 700), max_size=40), st.sampled_from([1, 160]))
def test_a_card_that_is_right_is_left_as_it_is(sizes: list[int], frame: int) -> None:
    pace = Pace(16_000, frame)
    samples = np.arange(1, sum(sizes) + 1, dtype="<i2")
    made, at, now = b"", 0, 5.0
    for size in sizes:
        now += size / 16_000
        out = pace.push(samples[at : at + size].tobytes(), now)
        assert len(out) % (2 * frame) == 0
        made += out
        at += size
        held = round(pace.held_s * 16_000)
        assert len(made) // 2 + held == LEAD + at
        assert held <= frame + 1
    assert made == (bytes(2 * LEAD) + samples.tobytes())[: len(made)]


@pytest.mark.parametrize("frame", [1, 480])
def test_a_block_that_comes_goes_on_at_once_and_whole(frame: int) -> None:
    """Whoever takes whole frames only is not kept waiting for a few samples."""
    pace = Pace(RATE, frame)
    for number in range(10):
        assert len(pace.push(bytes(2 * BLOCK), number * 0.02)) == 2 * BLOCK


def test_a_card_that_begins_with_a_burst_is_not_taken_for_a_fast_one() -> None:
    pace = Pace(RATE)
    for number in range(100 * 50):
        pace.push(bytes(2 * BLOCK), max(0.1, (number + 1) * 0.02))
        assert pace.correction == 0.0


def test_samples_that_were_lost_are_not_made_up_for() -> None:
    pace = Pace(RATE)
    now = 0.0
    for number in range(100 * 50):
        now += 0.02 + (2 * LOST_S if number == 2000 else 0.0)
        pace.push(bytes(2 * BLOCK), now)
        assert pace.correction == 0.0


@pytest.mark.parametrize("lost_s", [TOLERATED_S * 5, LOST_S * 5])
def test_what_is_known_to_be_lost_is_not_made_up_for(lost_s: float) -> None:
    pace = Pace(RATE)
    now = 0.0
    for number in range(60 * 50):
        now += 0.02
        if number == 1000:
            now += lost_s
            pace.broke()
        pace.push(bytes(2 * BLOCK), now)
        assert pace.correction == 0.0
