"""What the parrot says, in which sound, in which streams, and when."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.parrot import phrases
from actors.parrot.speech import LATEST_S, Sound, Speech, Word
from actors.parrot.transcripts import FINAL, SEGMENT, TRACK, AgentTranscript, UserTranscript
from actors.parrot.vad import FRAME, FRAME_S, RATE, Samples
from actors.parrot.voice import FASTER, chirp, parroted, resampled

pytestmark = pytest.mark.unit


def _ids():
    counter = itertools.count(1)
    return lambda prefix: f"{prefix}{next(counter)}"


# -- words -----------------------------------------------------------------------------------------


@given(text=st.text(max_size=500))
def test_the_words_of_an_answer_are_its_text(text: str) -> None:
    answer = phrases.answer_to_text(text)
    assert "".join(phrases.words(answer)) == answer
    assert len(answer) <= phrases.LONGEST + 20


def test_it_says_again_what_was_written() -> None:
    assert phrases.answer_to_text("  hé\n日本 ") == "You said: hé 日本"
    assert phrases.answer_to_text(" \n") == "You said nothing at all."
    assert phrases.answer_to_text("x" * 500).endswith("xx…")


# -- sound -----------------------------------------------------------------------------------------


@given(word=st.text(max_size=60))
def test_a_word_has_its_sound(word: str) -> None:
    sound = chirp(word)
    assert np.array_equal(sound, chirp(word))
    assert 0.1 < len(sound) / RATE < 0.35
    assert 2000 < np.abs(sound.astype(np.int32)).max() < 8000
    assert abs(int(sound[0])) < 200


def test_a_voice_comes_back_faster_higher_and_audible() -> None:
    voice = (300 * np.sin(np.arange(RATE) * 2 * np.pi * 400 / RATE)).astype(np.int16)
    parrots = np.concatenate(list(parroted(np.split(voice, 10))))
    assert len(parrots) == pytest.approx(RATE / FASTER, abs=2)
    spectrum = np.abs(np.fft.rfft(parrots))
    assert np.argmax(spectrum) * RATE / len(parrots) == pytest.approx(400 * FASTER, rel=0.01)
    assert np.abs(parrots.astype(np.int32)).max() > 15_000


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_next_to_nothing_can_be_said_back(length: int) -> None:
    assert sum(map(len, parroted([np.zeros(length, np.int16)]))) <= length


@given(rate=st.sampled_from([8000, 16_000, 24_000, 44_100]), frames=st.integers(0, 2000))
def test_resampling_keeps_the_time(rate: int, frames: int) -> None:
    samples = np.arange(frames, dtype=np.int16)
    assert sum(map(len, resampled([samples], rate))) == round(frames * RATE / rate)


@given(rate=st.sampled_from([8000, 16_000, 44_100, 96_000]), cuts=st.lists(st.integers(0, 1500)))
def test_how_a_sound_is_cut_makes_no_difference(rate: int, cuts: list[int]) -> None:
    samples = np.random.default_rng(1).integers(-9000, 9000, 1500).astype(np.int16)
    pieces = np.split(samples, sorted(cuts))
    for made in (lambda pieces: resampled(pieces, rate), parroted):
        whole, joined = (np.concatenate(list(made(each))) for each in ([samples], pieces))
        assert np.allclose(joined, whole, atol=1)  # a place may be rounded to the other side


# -- time ------------------------------------------------------------------------------------------


def _speech(at: float = 100.0) -> Speech:
    def part(*lengths: int) -> list[Samples]:
        return [np.ones(length, np.int16) for length in lengths]

    return Speech([("a ", part(FRAME * 2)), ("b", part(500, FRAME - 493)), ("", part(100))], at)


def test_each_frame_has_its_time_and_each_word_its_frame() -> None:
    speech = _speech()
    played = [speech.due(100.0 + n * FRAME_S) for n in range(4)]
    kinds = [[type(each) for each in due] for due in played]
    assert kinds == [[Word, Sound], [Sound], [Word, Sound], [Sound]]
    assert speech.is_over
    sound = b"".join(e.pcm for due in played for e in due if isinstance(e, Sound))
    assert len(sound) == 4 * 2 * FRAME
    assert np.frombuffer(sound, "<i2").sum() == FRAME * 3 + 107


def test_a_timer_that_is_always_a_little_late_does_not_add_up() -> None:
    speech = Speech([("", [np.zeros(FRAME * 1000, np.int16)])], 0.0)
    now, played = 0.0, 0
    while not speech.is_over:
        now = speech.due_at + 0.013
        played += len(speech.due(now))
    assert played == 1000
    assert now == pytest.approx(999 * FRAME_S + 0.013)


def test_after_being_held_up_it_goes_on_in_real_time() -> None:
    speech = Speech([("", [np.zeros(FRAME * 100, np.int16)])], 0.0)
    assert len(speech.due(LATEST_S - 0.01)) == 10
    assert len(speech.due(60.0)) == 1
    assert speech.due_at == pytest.approx(60.0 + FRAME_S)


# -- transcripts -----------------------------------------------------------------------------------


def test_a_user_transcript_is_a_new_stream_each_time_in_one_segment() -> None:
    user = UserTranscript("me", _ids())
    streams = [user.interim("a", "TR"), *user.final("a b", "TR"), user.interim("c", "TR")]
    assert len({each.stream_id for each in streams}) == 4
    assert [each.content for each in streams] == ["a", "a b", "a b", "c"]
    assert [each.attributes[FINAL] for each in streams] == ["false", "false", "true", "false"]
    segments = [each.attributes[SEGMENT] for each in streams]
    assert len({*segments[:3]}) == 1
    assert segments[3] != segments[0]
    assert all(each.ended and each.participant == "me" for each in streams)
    assert {each.attributes[TRACK] for each in streams} == {"TR"}


def test_an_agent_transcript_is_one_stream_whose_trailer_is_final() -> None:
    agent = AgentTranscript("parrot", "TR", _ids())
    assert agent.close() == []
    parts = [agent.part("a "), agent.part("b"), *agent.close()]
    assert len({each.stream_id for each in parts}) == 1
    assert [each.content for each in parts] == ["a ", "b", ""]
    assert [each.ended for each in parts] == [False, False, True]
    assert [each.attributes[FINAL] for each in parts] == ["false", "false", "true"]
