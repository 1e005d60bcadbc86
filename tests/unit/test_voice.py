"""The loudspeaker's side: volume, cues over the voice, and who may interrupt it."""

import wave
from pathlib import Path

import msgspec
import numpy as np
import pytest

from actors.audio.mixer import DUCKED, Mixer
from actors.audio.near import Near
from actors.audio.playback import RATE, Playback
from actors.audio.source import DeviceError
from actors.audio.voice import Voice
from actors.messages import AgentView, Hush, Message, SessionError, SessionState, Spoken
from actors.messages.codec import encode_message
from actors.settings.model import Audio

pytestmark = pytest.mark.unit

BLOCK = RATE // 50
AGENT = AgentView("connected", "listening", True, True, False, False)
SESSION = SessionState("c1", True, "connected", AGENT)


def constant(value: int, seconds: float) -> bytes:
    return np.full(round(seconds * RATE), value, "<i2").tobytes()


def heard(mixer: Mixer, blocks: int) -> list[int]:
    """The last sample of each block."""
    read = (np.frombuffer(mixer.read(BLOCK), "<i2") for _ in range(blocks))
    return [int(block[-1]) for block in read]


def speaking(value: int = 8000) -> Playback:
    playback = Playback(RATE)
    playback.write(constant(value, 1.0))
    return playback


@pytest.mark.parametrize(("percent", "expected"), [(100, 8000), (50, 1000), (0, 0)])
def test_the_volume_goes_down_to_nothing(percent: int, expected: int) -> None:
    assert heard(Mixer(speaking(), percent), 3)[1:] == [expected] * 2


def test_another_volume_comes_without_a_step() -> None:
    mixer = Mixer(speaking(), 100)
    mixer.read(BLOCK)
    mixer.set_volume(0)
    block = np.frombuffer(mixer.read(BLOCK), "<i2").astype(int)
    assert block[-1] == 0
    assert np.abs(np.diff(block)).max() <= 8000 / BLOCK + 2


def test_the_voice_is_lower_while_a_cue_sounds_and_as_before_afterwards() -> None:
    mixer = Mixer(speaking(), 100)
    assert heard(mixer, 2) == [8000, 8000]
    mixer.sound(constant(1000, 0.05))
    during = heard(mixer, 2)
    assert during == [round(8000 * DUCKED) + 1000] * 2
    assert heard(mixer, 3)[-1] == 8000


def test_too_loud_together_is_cut_and_does_not_wrap() -> None:
    mixer = Mixer(speaking(32_000), 100)
    mixer.sound(constant(32_000, 0.1))
    assert heard(mixer, 2) == [32_767, 32_767]


# -- the lane --------------------------------------------------------------------------------------


def cue(path: Path, value: int) -> str:
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(constant(value, 0.1))
    return str(path)


def voice_with(folder: Path, **audio: object) -> Voice:
    settings = msgspec.convert(audio, Audio)
    return Voice(settings, folder / "volume", lambda: None)


def say(voice: Voice, message: Message, now: float = 0.0) -> None:
    voice.on_frame(encode_message(message), now)


@pytest.mark.parametrize(
    ("hush", "spoke_s_ago", "is_heard"),
    [
        (Hush(), None, False),
        (Hush(interrupted=True), 0.2, False),
        (Hush(interrupted=True), None, True),
        (Hush(interrupted=True), 3.0, True),
    ],
)
def test_the_end_of_a_sentence_is_heard_unless_somebody_speaks(
    tmp_path: Path, hush: Hush, spoke_s_ago: float | None, is_heard: bool
) -> None:
    voice = voice_with(tmp_path)
    for number in range(200):
        voice.near(-60.0, number * 0.02)
    if spoke_s_ago is not None:
        voice.near(-25.0, 10.0 - spoke_s_ago)
    for _ in range(50):
        say(voice, Spoken(1, RATE, constant(8000, 0.02)))
    assert heard(voice.mixer, 5)[-1] == 8000
    say(voice, hush, 10.0)
    assert any(heard(voice.mixer, 10)[1:]) == is_heard


def test_noise_of_the_place_is_nobody_who_speaks() -> None:
    near = Near()
    for number in range(3000):  # a minute beside a motor
        near.block(-30.0, number * 0.02)
    assert not near.spoke(1.0, 60.0)
    near.block(-15.0, 60.0)
    assert near.spoke(1.0, 60.5)


def test_an_error_sounds_once_until_it_is_over(tmp_path: Path) -> None:
    voice = voice_with(tmp_path, cue_error=cue(tmp_path / "error.wav", 500))
    failed = msgspec.structs.replace(SESSION, error=SessionError("connection", "no server"))
    voice.session(failed)
    assert not any(heard(voice.mixer, 3)), "it had failed before this process began"
    voice.session(SESSION)
    assert not any(heard(voice.mixer, 3))
    voice.session(failed)
    assert heard(voice.mixer, 3)[1:] == [500, 500]
    heard(voice.mixer, 10)
    voice.session(failed)
    assert not any(heard(voice.mixer, 3))
    voice.session(SESSION)
    lost = msgspec.structs.replace(
        SESSION, agent=msgspec.structs.replace(AGENT, life="failed", error="left")
    )
    voice.session(lost)
    assert heard(voice.mixer, 3)[1:] == [500, 500]


def test_the_volume_outlives_the_process_and_comes_before_the_config(tmp_path: Path) -> None:
    assert voice_with(tmp_path, volume=70).volume == 70
    voice_with(tmp_path).set_volume(30)
    assert voice_with(tmp_path, volume=70).volume == 30
    (tmp_path / "volume").write_text("eleven")
    assert voice_with(tmp_path, volume=70).volume == 70


def test_a_cue_that_cannot_be_read_is_told_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(DeviceError) as refused:
        voice_with(tmp_path, cue_muted=str(tmp_path / "nothing.wav"))
    assert "cue_muted" in refused.value.remedy
