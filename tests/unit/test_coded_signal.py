"""The coded signal must tell truly what was lost, doubled or pushed in between."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from supervisor.drill.chords import BANDS, DIGITS, MAX_BLOCKS, Pcm, chords, frequencies
from supervisor.drill.coded_signal import (
    BLOCK_MS,
    Heard,
    Run,
    decode,
    generate,
    unrolled,
)

pytestmark = pytest.mark.unit

RATE = 16000
PER_MS = RATE // 1000
BLOCKS = 40
NEAR_MS = 30
"""A piece of up to 20 ms between a border and silence is too short to be read."""
SIGNAL = generate(BLOCKS, RATE, lead_ms=130, tail_ms=70)
LEAD_MS = 130

# Away from the ends, where a seam cannot be told from a late beginning or an early end.
places = st.integers(LEAD_MS + 2 * BLOCK_MS, LEAD_MS + (BLOCKS - 8) * BLOCK_MS)
lengths = st.integers(40, 500)
few = settings(max_examples=40, deadline=None)


def at(ms: int) -> int:
    return ms * PER_MS


def silence(ms: int) -> Pcm:
    return np.zeros(at(ms), np.int16)


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44000, 48000])
def test_every_block_is_found_at_every_rate(rate):
    heard = decode(generate(MAX_BLOCKS, rate, lead_ms=50), rate)
    assert heard.blocks == tuple(range(MAX_BLOCKS))
    assert heard.in_order
    assert heard.seams == ()
    assert heard.missing(MAX_BLOCKS) == ()


@pytest.mark.parametrize("pcm", [np.zeros(0, np.int16), np.zeros(RATE, np.int16)])
def test_nothing_holds_nothing(pcm):
    heard = decode(pcm, RATE)
    assert heard.runs == ()
    assert heard.missing(2) == (0, 1)


def test_noise_holds_nothing():
    noise = np.random.default_rng(1).normal(0, 5000, RATE).astype(np.int16)
    assert decode(noise, RATE).blocks == ()


def test_another_seed_is_another_signal():
    heard = decode(generate(BLOCKS, RATE, seed=7), RATE, seed=7)
    assert heard.blocks == tuple(range(BLOCKS))
    assert decode(generate(BLOCKS, RATE, seed=7), RATE).blocks != heard.blocks


def test_more_blocks_than_can_be_told_apart_are_refused():
    with pytest.raises(ValueError, match="864"):
        generate(MAX_BLOCKS + 1, RATE)


@few
@given(start=places, length=lengths)
def test_a_cut_is_measured(start, length):
    heard = decode(np.delete(SIGNAL, slice(at(start), at(start + length))), RATE)
    assert heard.lost_ms == pytest.approx(length, abs=NEAR_MS)
    assert heard.repeated_ms == heard.silence_ms == 0
    whole = range((start - LEAD_MS) // BLOCK_MS + 1, (start + length - LEAD_MS) // BLOCK_MS)
    assert set(whole) <= set(heard.missing(BLOCKS))
    assert heard.in_order


@few
@given(start=places, length=lengths)
def test_a_repetition_is_measured(start, length):
    end = at(start + length)
    heard = decode(np.concatenate([SIGNAL[:end], SIGNAL[at(start) :]]), RATE)
    assert heard.repeated_ms == pytest.approx(length, abs=NEAR_MS)
    assert heard.lost_ms == heard.silence_ms == 0
    assert heard.missing(BLOCKS) == ()


@few
@given(start=places, length=st.integers(160, 500), stretch=st.integers(20, 60))
def test_what_was_said_again_is_told_from_what_a_jitter_buffer_has_stretched(
    start, length, stretch
):
    end, bridged = at(start + length), LEAD_MS + BLOCK_MS + 50
    late = SIGNAL[: at(bridged)], SIGNAL[at(bridged - stretch) : end], SIGNAL[at(start) :]
    heard = decode(np.concatenate(late), RATE)
    assert heard.said_again_ms == pytest.approx(length, abs=NEAR_MS)
    assert heard.repeated_ms == pytest.approx(length + stretch, abs=2 * NEAR_MS)


@few
@given(start=places, length=lengths)
def test_silence_in_between_is_measured(start, length):
    heard = decode(np.insert(SIGNAL, at(start), silence(length)), RATE)
    assert heard.silence_ms == pytest.approx(length, abs=NEAR_MS)
    assert heard.lost_ms <= NEAR_MS
    assert heard.repeated_ms <= NEAR_MS
    assert heard.missing(BLOCKS) == ()
    assert heard.in_order


@few
@given(start=places, lost=lengths, pause=lengths)
def test_a_cut_with_silence_in_its_place_is_both(start, lost, pause):
    parts = SIGNAL[: at(start)], silence(pause), SIGNAL[at(start + lost) :]
    heard = decode(np.concatenate(parts), RATE)
    assert heard.lost_ms == pytest.approx(lost, abs=2 * NEAR_MS)
    assert heard.silence_ms == pytest.approx(pause, abs=2 * NEAR_MS)


@few
@given(
    block=st.integers(6, BLOCKS - 8),
    concealed=st.integers(40, 400),
    pause=lengths,
    jump=st.integers(-500, 500),
)
def test_what_a_jitter_buffer_makes_up_is_neither_lost_nor_repeated(block, concealed, pause, jump):
    end = LEAD_MS + (block + 1) * BLOCK_MS
    chord = SIGNAL[at(end - 70) : at(end - 30)]  # 40 ms are whole turns of each of its tones
    made_up = np.resize(chord, at(concealed))
    broken = SIGNAL[: at(end - 5)], made_up, silence(pause), SIGNAL[at(end + jump) :]
    heard = decode(np.concatenate(broken), RATE)
    assert heard.concealed_ms == pytest.approx(concealed, abs=2 * NEAR_MS)
    assert heard.repeated_ms == pytest.approx(max(0, -jump), abs=2 * NEAR_MS)
    assert heard.lost_ms == pytest.approx(max(0, jump), abs=2 * NEAR_MS)


@few
@given(first=st.integers(0, BLOCKS - 3), second=st.integers(0, BLOCKS - 3), seed=st.integers(0, 3))
def test_swapped_blocks_are_seen(first, second, seed):
    signal = generate(BLOCKS, RATE, seed=seed)
    blocks = signal.reshape(BLOCKS, -1).copy()
    blocks[[first, second]] = blocks[[second, first]]
    expected = list(range(BLOCKS))
    expected[first], expected[second] = second, first
    heard = decode(blocks.reshape(-1), RATE, seed=seed)
    assert heard.blocks == tuple(expected)
    assert heard.in_order == (first == second)
    assert bool(heard.seams) == (first != second)


@few
@given(
    place=places,
    made_up=st.integers(20, 60),  # it can look 20 longer, and would be a whole block from 85 on
    block=st.integers(BLOCKS + 2, MAX_BLOCKS - 1),
)
def test_what_a_jitter_buffer_made_up_is_no_block(place, made_up, block):
    signal = SIGNAL.copy()
    other = generate(MAX_BLOCKS, RATE)[at(block * BLOCK_MS) :][: at(made_up)]
    signal[at(place) :][: len(other)] = other
    heard = decode(signal, RATE)
    assert set(heard.blocks) <= set(range(BLOCKS))
    assert heard.in_order


@few
@given(gain_db=st.floats(-30, 6), swing_db=st.floats(0, 10), noise=st.integers(0, 100))
def test_gain_control_and_noise_do_not_matter(gain_db, swing_db, noise):
    decibels = gain_db + swing_db * np.sin(np.linspace(0, 9, len(SIGNAL)))
    rough = SIGNAL * 10 ** (decibels / 20)
    rough += np.random.default_rng(2).normal(0, noise * 10 ** (gain_db / 20), len(SIGNAL))
    heard = decode(np.clip(rough, -32768, 32767).astype(np.int16), RATE)
    assert heard.missing(BLOCKS) == ()
    assert heard.lost_ms == heard.repeated_ms == 0


def test_a_looped_signal_is_numbered_on_and_a_loss_across_the_turn_is_told():
    once = generate(MAX_BLOCKS, RATE)
    cut = slice(at((MAX_BLOCKS - 3) * BLOCK_MS), at((MAX_BLOCKS + 4) * BLOCK_MS))
    heard = decode(
        np.delete(np.concatenate([once, once, once[: at(3000)]]), cut), RATE, looped=True
    )
    said = 2 * MAX_BLOCKS + 30
    assert heard.missing(said) == tuple(range(MAX_BLOCKS - 3, MAX_BLOCKS + 4))
    assert heard.in_order
    (seam,) = heard.seams
    assert seam.lost_ms == pytest.approx(7 * BLOCK_MS, abs=15)


@given(st.integers(0, 5000), st.integers(-MAX_BLOCKS // 2 + 1, MAX_BLOCKS // 2 - 1))
def test_a_looped_number_is_found_again_from_anything_near(number, off):
    assert unrolled(number % MAX_BLOCKS, number + off) == number


@pytest.mark.parametrize(("length_ms", "in_order"), [(50.0, True), (70.0, False)])
def test_a_lone_piece_of_half_a_block_does_not_put_the_others_out_of_order(length_ms, in_order):
    whole = [Run(block, 100.0 * block, 100.0 * block + 100.0) for block in range(6)]
    made_up = Run(603, 300.0, 300.0 + length_ms)
    assert Heard((*whole[:3], made_up, *whole[3:]), ()).in_order is in_order


def spoilt(block: int, moved: dict[int, int], loudness: float) -> Pcm:
    """The signal, in one block of which tones (band to digits) are moved and not as loud."""
    tones = list(chords(BLOCKS, 0)[block])
    gains = [1.0] * BANDS
    for band, digits in moved.items():
        tones[band] = band * DIGITS + (tones[band] + digits) % DIGITS
        gains[band] = loudness
    start, length = at(LEAD_MS + block * BLOCK_MS), at(BLOCK_MS)
    turns = np.outer(frequencies()[tones], np.arange(length)) / RATE
    pcm = SIGNAL.copy()
    pcm[start : start + length] = (
        np.array(gains) @ np.sin(2 * np.pi * turns) * (0.5 / BANDS * 32767)
    )
    return pcm


@few
@example(block=2, band=0, digits=8, loudness=0.5)  # which makes it the block after next
@given(
    block=st.integers(2, BLOCKS - 3),
    band=st.integers(0, BANDS - 1),
    digits=st.integers(1, DIGITS - 1),
    loudness=st.floats(0.1, 0.7),
)
def test_a_block_of_which_a_codec_has_moved_one_tone_was_heard(block, band, digits, loudness):
    heard = decode(spoilt(block, {band: digits}, loudness), RATE)
    assert heard.blocks == tuple(range(BLOCKS))
    assert heard.missing(BLOCKS) == ()
    assert heard.lost_ms <= NEAR_MS


def test_a_block_of_which_two_tones_were_moved_was_not_heard():
    assert decode(spoilt(20, {0: 5, 2: 5}, 0.5), RATE).missing(BLOCKS) == (20,)


def test_another_chord_is_not_taken_for_the_awaited_one_if_all_its_tones_are_clear():
    assert decode(spoilt(20, {2: 5}, 1.0), RATE).missing(BLOCKS) == (20,)
