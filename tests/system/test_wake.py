"""Beginning without a touch, with the real detectors: spoken into a microphone of PulseAudio."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.audio.wake import REST_S
from actors.messages import RecordingStarted, SetMuted, StartRecording, StopRecording
from tests.audio_bench import Bench
from tests.peers.pulse import PulseAudio
from tests.speech import WORDS, first_sound
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
