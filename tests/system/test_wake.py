"""Beginning without a touch, with the real detectors: spoken into a microphone of PulseAudio."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from actors.audio.detectors import RATE as VAD_RATE
from actors.audio.detectors import VoiceDetector
from actors.audio.file import load
from actors.audio.wake import REST_S, Wake
from actors.messages import RecordingStarted, SetMuted, StartRecording, StopRecording
from tests.audio_bench import Bench
from tests.peers.pulse import PulseAudio
from tests.speech import AUDIBLE, WORDS, first_sound
from tests.terminal import Terminal

pytestmark = pytest.mark.system

RATE = 48_000


@pytest.fixture
def pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PulseAudio]:
    with PulseAudio(tmp_path) as pulse:
        for name, value in pulse.environment.items():
            monkeypatch.setenv(name, value)
        yield pulse


def spoken(folder: Path, text: str) -> Path:
    path = folder / "words.wav"
    subprocess.run(["espeak-ng", "-v", "en-us", "-s", "140", "-w", path, text], check=True)
    return path


@pytest.mark.parametrize("start", ["voice", "wake-word"])
def test_what_is_said_first_is_heard_from_its_first_sound(
    runtime_dir: Path, tmp_path: Path, pulse: PulseAudio, start: str
) -> None:
    words = spoken(tmp_path, WORDS[start])

    async def scenario() -> None:
        async with Bench(runtime_dir, session={"start": start}, output="none") as bench:
            await bench.start()
            await bench.until_state(lambda state: state.listens == start)
            assert not bench.words_on_tape()
            for number in range(2):
                before = bench.woken
                with pulse.record_microphone() as other:
                    speaking = asyncio.create_task(asyncio.to_thread(pulse.speak, words))
                    await bench.until(lambda before=before: bench.woken > before or None)
                    assert not bench.words_on_tape()
                    began = await bench.order(StartRecording(f"c{number}", woken=True))
                    assert isinstance(began, RecordingStarted)
                    bench.room.follow()
                    await speaking
                    await bench.room.receive(bench.tape.end + RATE // 5)
                    said = other.pcm
                assert first_sound(said, bench.room.samples()[1], RATE) > 0.95
                await bench.order(StopRecording())
                await bench.until(lambda: bench.states[-1].listens or None)
                await asyncio.sleep(REST_S)

    asyncio.run(scenario())


def test_a_short_word_and_a_pause_are_heard_with_what_follows(tmp_path: Path) -> None:
    """Alone it would be taken for a cough."""
    short = np.frombuffer(load(spoken(tmp_path, "hi"), VAD_RATE), "<i2")
    short = short[: VAD_RATE // 5]
    pause = np.zeros(round(0.7 * VAD_RATE), "<i2")
    words = np.frombuffer(load(spoken(tmp_path, WORDS["voice"]), VAD_RATE), "<i2")
    quiet = np.zeros(VAD_RATE, "<i2")
    said = np.concatenate([quiet, short, pause, words]).tobytes()
    wake, size = Wake(VoiceDetector(), VAD_RATE), VAD_RATE // 25
    blocks = (said[at : at + size] for at in range(0, len(said), size))
    for number, block in enumerate(blocks):
        if wake.block(block, number * 0.02):
            break
    onset_s = (len(quiet) + np.flatnonzero(np.abs(short) > AUDIBLE)[0]) / VAD_RATE
    assert wake.take()[0].given_at < onset_s


def test_muted_it_does_not_listen(runtime_dir: Path, tmp_path: Path, pulse: PulseAudio) -> None:
    words = spoken(tmp_path, WORDS["voice"])

    async def scenario() -> None:
        async with Bench(runtime_dir, session={"start": "voice"}, output="none") as bench:
            await bench.start()
            await bench.order(SetMuted(True))
            await asyncio.to_thread(pulse.speak, words)
            assert bench.woken == 0
            assert bench.states[-1].listens == ""
            await bench.order(SetMuted(False))
            await asyncio.to_thread(pulse.speak, words)
            await bench.until(lambda: bench.woken or None)

    asyncio.run(scenario())


def test_a_voice_begins_a_conversation_and_silence_ends_it(
    tmp_path: Path, pulse: PulseAudio
) -> None:
    """A whole terminal in the practice room, twice."""
    words = spoken(tmp_path, WORDS["voice"])
    session = {"start": "voice", "end_after_silence": 2.0}
    with Terminal(
        tmp_path,
        environment=pulse.environment,
        livekit={"backend": "practice"},
        session=session,
        audio={"output": "none"},
        kiosk={"port": 0},
    ) as terminal:
        for _ in range(2):
            terminal.wait_until(lambda status: status["audio"]["listens"] == "voice")
            pulse.speak(words)
            terminal.wait_until(lambda status: status["session"]["is_connected"])
            terminal.wait_until(lambda status: not status["session"]["is_connected"])
        kinds = [message["kind"] for message in terminal.history()]
        assert kinds.count("user_transcript") >= 2, "the agent has heard what began it"
        reasons = terminal.logged("the conversation ends", "reason")
        assert reasons == ["nobody has spoken for 2 s"] * 2
