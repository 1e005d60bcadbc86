"""The queue before the loudspeaker, and the meter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audio.meter import SILENCE_DBFS, rms_dbfs
from actors.audio.playback import LEAD_S, MAX_S, PAUSE_S, Playback

pytestmark = pytest.mark.unit

RATE = 1000
LEAD = round(LEAD_S * RATE)
MAX = round(MAX_S * RATE)
PAUSE = round(PAUSE_S * RATE)
BLOCK = 20


def ramp(begin: int, count: int) -> bytes:
    """Samples that tell their place, from 1."""
    return np.arange(begin + 1, begin + count + 1, dtype="<i2").tobytes()


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
    playback = Playback(RATE)
    written, heard, hushed = 0, [0], 0
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
                hushed = written
            case "read":
                raw = playback.read(count)
                assert len(raw) == 2 * count
                new = [sample for sample in samples(raw) if sample]
                for before, sample in zip([heard[-1], *new], new, strict=False):
                    # The oldest may have been dropped, and what was hushed is not heard.
                    assert sample > before
                    assert sample == before + 1 or playback.dropped or before < hushed < sample
                heard += new


@settings(deadline=None)
@given(STEPS)
def test_every_sample_is_heard_or_counted(steps: list[Step]) -> None:
    playback = Playback(RATE)
    written = heard = 0
    for what, count in steps:
        if what in ("write", "odd"):
            playback.write(ramp(0, count) + (b"\x55" if what == "odd" else b""))
            written += count
        elif what == "read":
            heard += sum(1 for sample in samples(playback.read(count)) if sample)
    heard += len(drain(playback, (MAX + 2 * LEAD) // BLOCK + 2))
    assert heard + playback.dropped == written


def test_more_than_two_seconds_never_wait() -> None:
    playback = Playback(RATE)
    playback.write(ramp(0, MAX))
    playback.write(ramp(MAX, 50))
    assert playback.dropped == 50
    assert drain(playback, 200) == list(range(51, MAX + 51))


def test_a_phrase_begins_with_a_lead_in_hand() -> None:
    playback = Playback(RATE)
    playback.write(ramp(0, LEAD - 1))
    assert drain(playback, 1) == []
    playback.write(ramp(LEAD - 1, 1))
    assert drain(playback, 1) == list(range(1, BLOCK + 1))


def test_a_block_larger_than_the_lead_is_waited_for() -> None:
    playback = Playback(RATE)
    playback.write(ramp(0, LEAD))
    assert samples(playback.read(LEAD + 1)) == [0] * (LEAD + 1)
    playback.write(ramp(LEAD, 1))
    assert samples(playback.read(LEAD + 1)) == list(range(1, LEAD + 2))


def test_the_end_of_a_phrase_is_not_kept_for_the_next_one() -> None:
    playback = Playback(RATE)
    playback.write(ramp(0, 100))
    assert drain(playback, 4) == list(range(1, 81))
    playback.write(ramp(100, 5))
    assert drain(playback, 2) == list(range(81, 106)), "they came in time"
    playback.write(ramp(105, 7))
    assert drain(playback, LEAD // BLOCK) == []
    assert drain(playback, 1) == list(range(106, 113)), "nothing more came, so they are all"


def test_running_dry_is_an_underrun_only_when_the_phrase_goes_on() -> None:
    playback = Playback(RATE)
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
    playback = Playback(RATE)
    playback.write(ramp(0, 500))
    drain(playback, 2)
    playback.hush()
    assert drain(playback, 5) == []
    playback.write(ramp(500, BLOCK))
    assert drain(playback, 1) == []
    playback.write(ramp(500 + BLOCK, LEAD))
    assert drain(playback, 1) == list(range(501, 501 + BLOCK))
    assert playback.underruns == 0


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
