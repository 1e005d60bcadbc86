"""The parrot's ears and its sense of when somebody speaks."""

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages import PracticeBytes
from actors.parrot import ears
from actors.parrot.ears import Ears
from actors.parrot.vad import (
    FRAME,
    HANGOVER_FRAMES,
    LONGEST_S,
    RATE,
    EnergyVad,
    Samples,
    SpeechEnded,
    SpeechEvent,
    SpeechGoesOn,
    SpeechStarted,
    dbfs,
)

pytestmark = pytest.mark.unit

SID = "TR_1"
FORMAT = {"sampleRate": str(RATE), "channels": "1"}


def tone(seconds: float, amplitude: float = 8000) -> Samples:
    wave = amplitude * np.sin(np.arange(int(RATE * seconds)) * 2 * np.pi * 300 / RATE)
    return wave.astype(np.int16)


def quiet(seconds: float) -> Samples:
    return np.zeros(int(RATE * seconds), np.int16)


def _whole(pieces: Iterable[Samples]) -> Samples:
    return np.concatenate((quiet(0), *pieces))


def _ended(events: list[SpeechEvent]) -> list[SpeechEnded]:
    return [event for event in events if isinstance(event, SpeechEnded)]


# -- voice activity --------------------------------------------------------------------------------


def test_speech_is_measured_without_the_silence_around_it() -> None:
    events = EnergyVad().push(np.concatenate((quiet(1), tone(1.5), quiet(1))))
    assert events[0] == SpeechStarted()
    (ended,) = _ended(events)
    assert ended.seconds == pytest.approx(1.5, abs=0.041)
    assert 1.5 <= len(_whole(ended.frames)) / RATE <= 2.2
    assert [event.seconds for event in events if isinstance(event, SpeechGoesOn)] == [
        pytest.approx(0.5, abs=0.03),
        pytest.approx(1.0, abs=0.03),
        pytest.approx(1.5, abs=0.03),
    ]


def test_no_sound_of_the_beginning_is_lost() -> None:
    speech = tone(1.0)
    (ended,) = _ended(EnergyVad().push(np.concatenate((quiet(1), speech, quiet(1)))))
    loud = np.flatnonzero(np.abs(_whole(ended.frames).astype(np.int32)) > 100)
    assert loud[-1] - loud[0] >= len(speech) - 2 * FRAME


@pytest.mark.parametrize("sound", [tone(0.1), tone(2.0, amplitude=40)], ids=["click", "whisper"])
def test_a_click_and_what_is_hardly_there_are_no_speech(sound: Samples) -> None:
    assert EnergyVad().push(np.concatenate((quiet(1), sound, quiet(1)))) == []


def test_a_pause_shorter_than_the_hangover_parts_nothing() -> None:
    pause = quiet((HANGOVER_FRAMES - 3) * FRAME / RATE)
    events = EnergyVad().push(np.concatenate((tone(0.5), pause, tone(0.5), quiet(1))))
    assert len(_ended(events)) == 1
    assert events.count(SpeechStarted()) == 1


def test_while_it_speaks_itself_it_takes_more_to_be_heard() -> None:
    noise = np.random.default_rng(1).normal(0, 100, RATE * 3).astype(np.int16)
    loud = tone(1.0, amplitude=350) + noise[:RATE]
    with_guard, without = EnergyVad(), EnergyVad()
    for vad in (with_guard, without):
        vad.push(noise)
    assert without.push(loud) != []
    assert with_guard.push(loud, guard_db=9.0) == []
    assert with_guard.push(tone(1.0), guard_db=9.0) != []


def test_what_never_falls_silent_ends_and_becomes_background() -> None:
    vad = EnergyVad()
    hum = tone(LONGEST_S + 1, amplitude=500)
    (ended,) = _ended(vad.push(hum))
    assert len(_whole(ended.frames)) / RATE == pytest.approx(LONGEST_S, abs=0.05)
    assert vad.push(tone(20, amplitude=500)) == []
    assert vad.push(tone(1)) != []


def test_an_open_utterance_can_be_ended() -> None:
    vad = EnergyVad()
    assert vad.end() == []
    vad.push(tone(1.0))
    assert vad.speaking
    (ended,) = vad.end()
    assert isinstance(ended, SpeechEnded)
    assert not vad.speaking


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 3 * RATE), max_size=30))
def test_how_the_samples_are_cut_makes_no_difference(cuts: list[int]) -> None:
    samples = np.concatenate((quiet(0.3), tone(1.1), quiet(1.0), tone(0.4), quiet(0.2)))
    whole = EnergyVad().push(samples)
    vad, events = EnergyVad(), []
    for part in np.split(samples, sorted(cuts)):
        events += vad.push(part)
    assert [type(event) for event in events] == [type(event) for event in whole]
    for one, other in zip(_ended(events), _ended(whole), strict=True):
        assert np.array_equal(_whole(one.frames), _whole(other.frames))


def test_levels_are_of_full_scale() -> None:
    assert dbfs(np.zeros(0, np.int16)) == dbfs(quiet(0.1)) == -120.0
    assert dbfs(np.full(100, -32768, np.int16)) == pytest.approx(0.0)


# -- the pre-connect buffer ------------------------------------------------------------------------


def _part(samples: Samples | bytes, ended: bool = True, **attributes: str) -> PracticeBytes:
    attributes = {**FORMAT, "trackId": SID, **attributes}
    return PracticeBytes("s", ears.TOPIC, attributes, bytes(samples), ended)


def _frame(number: int) -> Samples:
    return np.full(FRAME, number, np.int16)


def test_a_track_without_the_feature_is_heard_at_once() -> None:
    hearing = Ears()
    assert not len(_whole(hearing.live(SID, RATE, _frame(1).tobytes())))
    hearing.subscribe(SID, 0.0, preconnect=False)
    assert np.array_equal(_whole(hearing.live(SID, RATE, _frame(2).tobytes())), _frame(2))
    assert not len(_whole(hearing.live("TR_other", RATE, _frame(3).tobytes())))


def test_the_buffer_comes_before_what_came_live_meanwhile() -> None:
    hearing = Ears()
    assert not len(_whole(hearing.subscribe(SID, 0.0, preconnect=True)))
    assert not len(_whole(hearing.live(SID, RATE, _frame(3).tobytes())))
    assert not len(_whole(hearing.stream(_part(_frame(1), ended=False), 0.1)))
    heard = _whole(hearing.stream(_part(_frame(2)), 0.2))
    assert np.array_equal(heard, np.concatenate([_frame(n) for n in (1, 2, 3)]))
    assert np.array_equal(_whole(hearing.live(SID, RATE, _frame(4).tobytes())), _frame(4))


def test_without_a_buffer_live_sound_is_heard_after_three_seconds() -> None:
    hearing = Ears()
    hearing.subscribe(SID, 10.0, preconnect=True)
    hearing.live(SID, RATE, _frame(1).tobytes())
    assert hearing.waiting_until == 13.0
    assert not len(_whole(hearing.tick(12.99)))
    assert np.array_equal(_whole(hearing.tick(13.0)), _frame(1))
    assert hearing.waiting_until is None


@pytest.mark.parametrize(("age_s", "heard"), [(0.9, True), (1.1, False)], ids=["fresh", "too old"])
def test_a_buffer_that_was_there_first_is_taken_if_it_is_fresh(age_s: float, heard: bool) -> None:
    hearing = Ears()
    hearing.stream(_part(_frame(1)), 5.0)
    assert len(_whole(hearing.subscribe(SID, 5.0 + age_s, preconnect=True))) == (
        FRAME if heard else 0
    )
    assert hearing.waiting_until is None


@pytest.mark.parametrize("sid", ["", "TR_another"])
def test_a_buffer_of_no_track_or_of_another_is_not_heard(sid: str) -> None:
    hearing = Ears()
    hearing.subscribe(SID, 0.0, preconnect=True)
    assert not len(_whole(hearing.stream(_part(_frame(1), trackId=sid), 0.1)))
    assert hearing.waiting_until == 3.0


@pytest.mark.parametrize(
    "wrong", [{"sampleRate": "fast"}, {"sampleRate": "9" * 5000}, {"channels": "2"}]
)
def test_a_buffer_of_unknown_format_is_not_waited_for_any_longer(wrong: dict[str, str]) -> None:
    hearing = Ears()
    hearing.subscribe(SID, 0.0, preconnect=True)
    hearing.live(SID, RATE, _frame(7).tobytes())
    assert np.array_equal(_whole(hearing.stream(_part(_frame(1), **wrong), 0.1)), _frame(7))


def test_a_stream_that_is_not_completed_in_time_is_forgotten() -> None:
    hearing = Ears()
    hearing.stream(_part(_frame(1), ended=False), 0.0)
    hearing.subscribe(SID, 3.5, preconnect=True)
    assert np.array_equal(_whole(hearing.stream(_part(_frame(2)), 3.6)), _frame(2))


def test_another_rate_is_brought_to_ours() -> None:
    hearing = Ears()
    hearing.subscribe(SID, 0.0, preconnect=False)
    heard = _whole(hearing.live(SID, 16_000, np.full(320, 99, np.int16).tobytes()))
    assert len(heard) == FRAME
    assert set(heard) == {99}


def test_no_frame_and_no_rate_is_too_absurd() -> None:
    hearing = Ears()
    hearing.subscribe(SID, 0.0, preconnect=False)
    for rate in (-1, 0, 7_999, 10**9):
        assert not len(_whole(hearing.live(SID, rate, bytes(64))))
    assert not len(_whole(hearing.live(SID, RATE, bytes(ears.MAX_FRAME_BYTES + 2))))
    assert len(_whole(hearing.live(SID, RATE, bytes(3)))) == 1


def test_what_waits_for_a_buffer_is_bounded() -> None:
    hearing = Ears()
    hearing.subscribe(SID, 0.0, preconnect=True)
    released = 0
    for _ in range(2 * ears.MAX_HELD // FRAME):
        released += len(_whole(hearing.live(SID, RATE, _frame(1).tobytes())))
    assert released >= ears.MAX_HELD
    assert hearing.waiting_until is None


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 6 * FRAME), max_size=20))
def test_a_buffer_may_come_in_any_parts(cuts: list[int]) -> None:
    pcm = np.arange(3 * FRAME, dtype=np.int16).tobytes()
    hearing = Ears()
    hearing.subscribe(SID, 0.0, preconnect=True)
    for start, end in itertools.pairwise([0, *sorted(cuts), len(pcm)]):
        hearing.stream(_part(pcm[start:end], ended=False), 0.1)
    assert _whole(hearing.stream(_part(b""), 0.1)).tobytes() == pcm


def test_of_a_buffer_that_is_too_long_the_end_is_heard() -> None:
    hearing = Ears()
    hearing.subscribe(SID, 0.0, preconnect=True)
    samples = np.arange(ears.MAX_S * 8000 + 5000).astype(np.int16)
    hearing.stream(_part(samples[:9999], ended=False), 0.1)
    heard = _whole(hearing.stream(_part(samples[9999:], sampleRate="8000"), 0.1))
    assert np.array_equal(heard[:: RATE // 8000], samples[5000:])
