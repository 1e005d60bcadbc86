"""The queue before the loudspeaker, and the meter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audio.playback import LEAD_MAX_S, LEAD_S, MAX_S, PAUSE_S, Playback
from actors.runtime.meter import SILENCE_DBFS, rms_dbfs

pytestmark = pytest.mark.unit

RATE = 1000
LEAD = round(LEAD_S * RATE)
MAX = round(MAX_S * RATE)
PAUSE = round(PAUSE_S * RATE)
BLOCK = 20


LOUD = 100
"""Of the first sample: none is taken for silence."""


def ramp(begin: int, count: int) -> bytes:
    """Samples that tell their place."""
    return np.arange(LOUD + begin, LOUD + begin + count, dtype="<i2").tobytes()


def places(begin: int, end: int) -> list[int]:
    """What is heard of a ramp."""
    return list(range(LOUD + begin, LOUD + end))


def exact() -> Playback:
    """Without fades, every sample is heard as it was written."""
    return Playback(RATE, fade_s=0.0)


def samples(raw: bytes) -> list[int]:
    return [int(sample) for sample in np.frombuffer(raw, "<i2")]


def drain(playback: Playback, blocks: int) -> list[int]:
    """What is heard in so many blocks, without the silence."""
    heard = b"".join(playback.read(BLOCK) for _ in range(blocks))
    return [sample for sample in samples(heard) if sample]


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.just("write"), st.integers(0, 300) | st.just(3 * MAX))
    | st.tuples(st.just("odd"), st.integers(1, 99))
    | st.tuples(st.just("read"), st.integers(1, 200))
    | st.tuples(st.just("hush"), st.just(0)),
    max_size=60,
)


@settings(deadline=None)
@given(STEPS)
def test_samples_are_heard_whole_once_and_in_order(steps: list[Step]) -> None:
    playback = exact()
    written, heard, hushed = 0, [LOUD - 1], LOUD - 1
    for what, wanted in steps:
        # A sample's place must fit into it.
        count = wanted if what == "read" else min(wanted, 32_000 - written)
        match what:
            case "write":
                playback.write(ramp(written, count))
                written += count
            case "odd":
                playback.write(ramp(written, count) + b"\x55")
                written += count
            case "hush":
                playback.hush()
                hushed = LOUD + written
            case "read":
                raw = playback.read(count)
                assert len(raw) == 2 * count
                new = [sample for sample in samples(raw) if sample]
                for before, sample in zip([heard[-1], *new], new, strict=False):
                    # The oldest may have been dropped, and what was hushed is not heard.
                    assert sample > before
                    is_cut = playback.dropped or playback.trimmed or before < hushed <= sample
                    assert sample == before + 1 or is_cut
                heard += new


@settings(deadline=None)
@given(STEPS)
def test_every_sample_is_heard_or_counted(steps: list[Step]) -> None:
    playback = exact()
    written = heard = 0
    for what, count in steps:
        if what in ("write", "odd"):
            playback.write(ramp(0, count) + (b"\x55" if what == "odd" else b""))
            written += count
        elif what == "read":
            heard += sum(1 for sample in samples(playback.read(count)) if sample)
    heard += len(drain(playback, (MAX + 2 * LEAD) // BLOCK + 2))
    assert heard + playback.dropped + playback.trimmed == written


def test_no_more_than_so_much_ever_waits() -> None:
    playback = exact()
    playback.write(ramp(0, MAX))
    playback.write(ramp(MAX, 50))
    assert playback.dropped == 50
    assert drain(playback, MAX // BLOCK) == places(50, MAX + 50)


def test_a_phrase_begins_with_a_lead_in_hand() -> None:
    playback = exact()
    playback.write(ramp(0, LEAD - 1))
    assert drain(playback, 1) == []
    playback.write(ramp(LEAD - 1, 1))
    assert drain(playback, 1) == places(0, BLOCK)


def test_a_block_larger_than_the_lead_is_waited_for() -> None:
    playback = exact()
    playback.write(ramp(0, LEAD))
    assert samples(playback.read(LEAD + 1)) == [0] * (LEAD + 1)
    playback.write(ramp(LEAD, 1))
    assert samples(playback.read(LEAD + 1)) == places(0, LEAD + 1)


def test_the_end_of_a_phrase_is_not_kept_for_the_next_one() -> None:
    playback = exact()
    playback.write(ramp(0, 100))
    assert drain(playback, 4) == places(0, 80)
    playback.write(ramp(100, 5))
    assert drain(playback, 2) == places(80, 105), "they came in time"
    playback.write(ramp(105, 7))
    assert drain(playback, LEAD // BLOCK) == []
    assert drain(playback, 1) == places(105, 112), "nothing more came, so they are all"


def test_running_dry_is_an_underrun_only_when_the_phrase_goes_on() -> None:
    playback = exact()
    playback.write(ramp(0, LEAD))
    drain(playback, LEAD // BLOCK + 1)
    assert playback.underruns == 0
    playback.write(ramp(0, LEAD))
    drain(playback, LEAD // BLOCK + 1)
    assert playback.underruns == 1
    drain(playback, PAUSE // BLOCK + 1)
    playback.write(ramp(0, LEAD))
    drain(playback, LEAD // BLOCK + 1)
    assert playback.underruns == 1


def test_hushed_it_is_silent_at_once_and_a_new_phrase_has_its_lead() -> None:
    playback = exact()
    playback.write(ramp(0, 500))
    drain(playback, 2)
    playback.hush()
    assert drain(playback, 5) == []
    playback.write(ramp(500, BLOCK))
    assert drain(playback, 1) == []
    playback.write(ramp(500 + BLOCK, LEAD))
    assert drain(playback, 1) == places(500, 500 + BLOCK)
    assert playback.underruns == 0


# -- softly ----------------------------------------------------------------------------------------

REAL = 48_000
REAL_BLOCK = REAL // 50


def tone(seconds: float, hz: float = 200.0) -> np.ndarray:
    return 10_000 * np.sin(2 * np.pi * hz * np.arange(round(seconds * REAL)) / REAL)


STEP = 10_000 * 2 * np.pi * 200 / REAL
"""The steepest that the tone ever is."""
SOFT = STEP + 10_000 / (0.005 * REAL)


def heard_at(playback: Playback, seconds: float) -> np.ndarray:
    blocks = [playback.read(REAL_BLOCK) for _ in range(round(seconds / 0.02))]
    return np.frombuffer(b"".join(blocks), "<i2").astype(float)


def pcm(wave: np.ndarray) -> bytes:
    return wave.astype("<i2").tobytes()


def test_interrupted_it_is_silent_within_forty_milliseconds_and_without_a_click() -> None:
    playback = Playback(REAL)
    playback.write(pcm(tone(1.5)))
    before = heard_at(playback, 0.2)
    playback.hush()
    after = heard_at(playback, 0.2)
    assert not after[round(0.04 * REAL) :].any()
    assert np.abs(np.diff(np.concatenate([before, after]))).max() < 1.1 * SOFT


def test_run_dry_in_the_middle_of_a_word_it_fades_and_comes_back_softly() -> None:
    playback = Playback(REAL)
    word = tone(0.4)
    playback.write(pcm(word[:4100]))
    heard = heard_at(playback, 0.16)
    playback.write(pcm(word[4100:]))
    heard = np.concatenate([heard, heard_at(playback, 0.6)])
    assert np.abs(np.diff(heard)).max() < 1.1 * SOFT
    assert playback.underruns == 1


def test_each_underrun_lengthens_the_lead_and_a_quiet_time_shortens_it() -> None:
    playback = Playback(REAL)
    for _ in range(10):
        playback.write(pcm(tone(0.3)))
        heard_at(playback, 0.62)
    assert playback.underruns == 9
    assert playback.lead_s == pytest.approx(LEAD_MAX_S, rel=0.01)
    for _ in range(round(240 / 0.02)):
        playback.write(pcm(tone(0.02)))
        playback.read(REAL_BLOCK)
    assert playback.lead_s == pytest.approx(LEAD_S, rel=0.01)


@pytest.mark.parametrize("ppm", [-1000, -200, 200, 1000])
@pytest.mark.parametrize("speaks", ["now and then", "all the time"])
def test_two_clocks_that_differ_make_no_growing_delay_and_no_click(ppm: int, speaks: str) -> None:
    """The room sends 20 ms of its clock every 20 ms, the card takes so many ppm less or more: in
    15 minutes at 1000 ppm the difference of more than an hour at 200.
    """
    playback = Playback(REAL)
    wave = pcm(tone(1.0))
    silence = bytes(2 * REAL_BLOCK)
    minutes = 15
    late, jumps, last, due = [], 0.0, 0.0, 0.0
    for number in range(minutes * 60 * 50):
        pause = speaks == "now and then" and number % 250 >= 200
        at = number % 50 * 2 * REAL_BLOCK
        playback.write(silence if pause else wave[at : at + 2 * REAL_BLOCK])
        due += 1 - ppm / 1e6
        while due >= 1:
            due -= 1
            block = np.frombuffer(playback.read(REAL_BLOCK), "<i2").astype(float)
            jumps = max(jumps, float(np.abs(np.diff(block, prepend=last)).max()))
            last = float(block[-1])
        late.append(playback.waiting_s)
    assert max(late[3000:]) < LEAD_S + LEAD_S / 2 + 0.25, "the delay grows"
    assert playback.dropped == 0
    assert jumps < 1.2 * SOFT
    if speaks == "now and then":
        assert playback.underruns == 0
        expected = minutes * 60 * ppm / 1e6 * REAL
        assert playback.trimmed == pytest.approx(expected, abs=0.2 * REAL)


@pytest.mark.parametrize("ppm", [-200, 200])
def test_in_a_day_the_delay_does_not_grow(ppm: int) -> None:
    """17 s of difference; at a low rate and in long blocks, so that a day is over soon. Somebody
    speaks 8 s of 10.
    """
    playback = Playback(RATE)
    block, voice = RATE // 10, ramp(0, RATE // 10)
    late = np.zeros(24 * 3600)
    read = 0.0
    for number in range(24 * 36_000):
        playback.write(voice if number % 100 < 80 else bytes(2 * block))
        read += 1 - ppm / 1e6
        while read >= 1:
            read -= 1
            playback.read(block)
        if number % 10 == 0:
            late[number // 10] = playback.waiting_s
    assert late[600:].max() < LEAD_MAX_S + 2 * 0.1 + 0.1
    assert late[-3600:].mean() < late[600:4200].mean() + 0.05, "the delay grows"
    assert playback.dropped == 0
    # A loudspeaker that is faster runs dry by as much as it is: a block each, and no more.
    assert playback.underruns < 24 * 3600 * max(0, -ppm) / 1e6 / 0.1 + 24


# -- the meter -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "dbfs"),
    [
        (b"", SILENCE_DBFS),
        (b"\x01", SILENCE_DBFS),
        (bytes(960), SILENCE_DBFS),
        (np.full(480, -32768, "<i2").tobytes(), 0.0),
        (np.full(480, 16384, "<i2").tobytes(), -6.02),
        (np.full(480, 1, "<i2").tobytes() + b"\x7f", -90.31),
    ],
)
def test_the_meter_shows_decibels_below_full_scale(raw: bytes, dbfs: float) -> None:
    assert rms_dbfs(raw) == pytest.approx(dbfs, abs=0.01)


@settings(deadline=None)
@given(st.binary(max_size=2000))
def test_the_meter_takes_any_bytes(raw: bytes) -> None:
    assert SILENCE_DBFS <= rms_dbfs(raw) <= 0.0
