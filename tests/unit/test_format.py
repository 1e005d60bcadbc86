"""A card with other rates and channels than ours: what it gives and takes is the same sound."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from actors.audio.format import FromCard, ToCard
from actors.audio.resampler import Resampler

pytestmark = pytest.mark.unit

RATES = [(44_100, 48_000), (48_000, 44_100), (44_100, 16_000), (48_000, 16_000), (16_000, 48_000)]


def tone(hz: float, rate: int, seconds: float = 0.5) -> NDArray[np.float32]:
    return (8000 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype("f4")


def off_db(made: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """How much quieter than the tone is what does not belong there, after the beginning."""
    begin = len(made) // 5
    error = (made - wanted[: len(made)])[begin:]
    return float(20 * np.log10(wanted[begin:].std() / error.std()))


@pytest.mark.parametrize(("source", "wanted"), RATES)
def test_a_tone_stays_the_same_tone_at_the_same_time(source: int, wanted: int) -> None:
    for hz in (100.0, 1000.0, 0.4 * min(source, wanted)):
        made = Resampler(source, wanted).push(tone(hz, source))
        late_ms = 1000 * (0.5 - len(made) / wanted)
        assert 0 <= late_ms < 2.1
        assert off_db(made, tone(hz, wanted)) > 75


@pytest.mark.parametrize(("source", "wanted"), [(44_100, 16_000), (48_000, 16_000)])
def test_what_the_lower_rate_cannot_have_is_not_folded_into_it(source: int, wanted: int) -> None:
    made = Resampler(source, wanted).push(tone(0.6 * wanted, source))
    assert np.abs(made[len(made) // 5 :]).max() < 1.0


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(RATES), st.lists(st.integers(0, 700), max_size=30))
def test_it_does_not_matter_in_which_pieces_it_comes(
    rates: tuple[int, int], sizes: list[int]
) -> None:
    sound = tone(440.0, rates[0])
    whole, pieces = Resampler(*rates), Resampler(*rates)
    end = sum(sizes)
    cuts = np.cumsum([0, *sizes])
    made = [pieces.push(sound[a:b]) for a, b in pairwise(cuts)]
    assert np.allclose(np.concatenate([*made, np.zeros(0, "f4")]), whole.push(sound[:end]))


def test_a_day_is_not_longer_at_another_rate() -> None:
    resampler = Resampler(44_100, 48_000)
    made = sum(len(resampler.push(np.zeros(44_100, "f4"))) for _ in range(200))
    assert made == 200 * 48_000 - 33  # what it still needs to look ahead


def test_two_channels_of_a_card_become_blocks_of_ours() -> None:
    left, right = tone(1000.0, 44_100), tone(2000.0, 44_100)
    raw = np.stack([left, right], axis=1).astype("<i2").tobytes()
    card = FromCard(44_100, 2, 48_000, 960)
    size = 4 * 882
    blocks = [b for at in range(0, len(raw), size) for b in card.push(raw[at : at + size])]
    assert {len(block) for block in blocks} == {2 * 960}
    made = np.frombuffer(b"".join(blocks), "<i2").astype("f4")
    assert 48_000 * 0.5 - len(made) - card.waiting == 33
    wanted = (tone(1000.0, 48_000) + tone(2000.0, 48_000)) / 2
    assert off_db(made, wanted) > 70


def test_our_samples_fill_the_channels_of_a_card() -> None:
    card = ToCard(48_000, 44_100, 2)
    pcm = tone(1000.0, 48_000).astype("<i2").tobytes()
    made = b"".join(card.push(pcm[at : at + 960]) for at in range(0, len(pcm), 960))
    left, right = np.frombuffer(made, "<i2").reshape(-1, 2).T.astype("f4")
    assert np.array_equal(left, right)
    assert off_db(left, tone(1000.0, 44_100)) > 70


def test_a_sum_that_is_too_loud_is_cut_and_does_not_wrap() -> None:
    card = ToCard(16_000, 48_000, 1)
    square = np.repeat(np.tile(np.array([32767, -32768], "<i2"), 20), 40).tobytes()
    made = np.frombuffer(card.push(square), "<i2").astype(int)
    assert np.abs(np.diff(made)).max() < 33_000
