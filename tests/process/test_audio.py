"""The audio actor in a real process, with a file for a microphone: what reaches the room."""

import asyncio
import random
import resource
import wave
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from actors.messages import (
    Done,
    Follow,
    Hush,
    KeepSound,
    Message,
    SetMuted,
    SoundKept,
    Spoken,
    StartRecording,
    Stop,
    StopRecording,
)
from actors.messages.codec import encode, encode_message
from actors.runtime.errors import OrderFailed
from tests.audio_bench import Bench

pytestmark = pytest.mark.process

SLEEPY = "tests.sleepy_microphone:Sleepy"

RATE = 16_000
BLOCK = RATE // 50
PERIOD = 65_535
"""Samples of the file: each tells its place in it, and none is zero."""


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech") / "places.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(np.arange(1, PERIOD + 1, dtype="<u2").tobytes())
    return path


def places(pcm: NDArray[np.int16]) -> NDArray[np.int64]:
    """Where in the file these samples are; -1: silence."""
    return pcm.view(np.uint16).astype(np.int64) - 1


def bench_with(runtime_dir: Path, **audio: Any) -> Bench:
    """Of 16 kHz and without a loudspeaker; a file goes round and round."""
    return Bench(runtime_dir, **{"sample_rate": RATE, "output": "none", "loop": True} | audio)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


# -- from the microphone to the room ---------------------------------------------------------------


def test_the_room_gets_exactly_the_samples_of_the_file_in_order(
    runtime_dir: Path, speech: Path
) -> None:
    async def scenario() -> None:
        async with bench_with(runtime_dir, input=f"file:{speech}") as bench:
            await bench.start()
            start = await bench.record()
            assert bench.tape.end > start, "answered before anything was recorded"
            bench.room.follow()
            await bench.room.receive(start + 2 * RATE)
            positions, pcm = bench.room.samples()
            assert positions[0] == start
            assert np.array_equal(places(pcm), (positions - start) % PERIOD)
            assert bench.room.gaps == []

    run(scenario())


def test_a_room_that_comes_late_gets_what_it_has_missed_first(
    runtime_dir: Path, speech: Path
) -> None:
    async def scenario() -> None:
        async with bench_with(runtime_dir, input=f"file:{speech}") as bench:
            await bench.start()
            start = await bench.record()
            bench.room.follow()
            await bench.room.receive(start + RATE)
            bench.room.served = start + RATE // 2
            bench.room.follow()  # a new process of the room knows nothing
            served = bench.tape.served
            await bench.room.receive(start + 2 * RATE)
            positions, pcm = bench.room.samples()
            assert positions[0] in (served, start + RATE // 2)
            assert np.array_equal(places(pcm), (positions - start) % PERIOD)

    run(scenario())


def test_stopped_nothing_comes_any_more_and_nothing_is_left(
    runtime_dir: Path, speech: Path
) -> None:
    async def scenario() -> None:
        async with bench_with(runtime_dir, input=f"file:{speech}") as bench:
            await bench.start()
            assert not (await bench.state()).recording
            assert not bench.words_on_tape()
            await bench.record()
            bench.room.follow()
            await bench.room.receive(BLOCK)
            assert bench.words_on_tape()
            assert await bench.order(StopRecording()) == Done()
            end = bench.tape.end
            state = await bench.until(
                lambda: next(
                    (s for s in bench.states if not s.recording and s.conversation == ""), None
                )
            )
            assert not state.muted
            assert not bench.words_on_tape()
            await bench.order(StopRecording())
            assert bench.tape.end == end
            assert bench.room.end <= end
            # The next conversation begins where the last one ended, and with none of its words.
            assert await bench.record("c2") == end
            bench.room.follow()
            await bench.room.receive(end + BLOCK)
            positions, pcm = bench.room.samples()
            assert np.array_equal(places(pcm), positions - end)

    run(scenario())


def test_levels_come_while_it_records(runtime_dir: Path, speech: Path) -> None:
    async def scenario() -> None:
        async with bench_with(runtime_dir, input=f"file:{speech}") as bench:
            await bench.start()
            await bench.record()
            level = await bench.until(lambda: bench.levels[0] if bench.levels else None)
            assert -60 < level.input_dbfs <= 0
            await bench.until(lambda: bench.levels[-1].speech or None)
            await bench.order(SetMuted(True))
            await bench.until(lambda: bench.levels[-1].input_dbfs == -120 or None)
            await bench.until(lambda: not bench.levels[-1].speech or None)

    run(scenario())


def test_with_processing_every_position_comes_and_it_sounds_like_the_file(
    runtime_dir: Path, tmp_path: Path
) -> None:
    """The native client is loaded in a real child, and the file goes through it."""

    async def scenario() -> None:
        hum = 8000 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
        path = tmp_path / "hum.wav"
        with wave.open(str(path), "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(RATE)
            wav.writeframes(hum.astype("<i2").tobytes())
        options = {"echo_cancellation": True, "auto_gain": True}
        async with bench_with(runtime_dir, input=f"file:{path}", **options) as bench:
            pid = await bench.start()
            assert "liblivekit_ffi" in Path(f"/proc/{pid}/maps").read_text()
            start = await bench.record()
            bench.room.follow()
            await bench.room.receive(start + RATE)
            positions, pcm = bench.room.samples()
            assert np.array_equal(positions, np.arange(start, positions[-1] + 1))
            spectrum = np.abs(np.fft.rfft(pcm[:RATE].astype(float)))
            assert abs(int(spectrum.argmax()) - 440) <= 1
            assert not np.array_equal(pcm[:RATE], hum.astype("<i2")), "nothing was done to it"

    run(scenario())


def test_without_processing_the_native_client_is_not_loaded(
    runtime_dir: Path, speech: Path
) -> None:
    async def scenario() -> None:
        async with bench_with(runtime_dir, input=f"file:{speech}") as bench:
            maps = Path(f"/proc/{await bench.start()}/maps").read_text()
            assert "livekit" not in maps
            assert "portaudio" not in maps

    run(scenario())


# -- kill -9 ---------------------------------------------------------------------------------------


def test_killed_in_the_middle_the_tape_goes_on_with_a_gap_of_known_length(
    runtime_dir: Path, speech: Path
) -> None:
    async def scenario() -> None:
        chance = random.Random(6)
        async with bench_with(runtime_dir, input=f"file:{speech}") as bench:
            await bench.start()
            start = await bench.record()
            bench.room.follow()
            for _ in range(4):
                await bench.room.receive(max(start, bench.room.end) + chance.randrange(RATE))
                await bench.children.kill("audio")
                await bench.start()
                assert (await bench.state()).recording
            await bench.room.receive(bench.room.end + RATE // 2)
            gaps = bench.room.gaps
            assert len(gaps) == 4, gaps
            positions, pcm = bench.room.samples()
            assert np.all(pcm != 0), "something that nobody said"
            # The speaker goes on speaking: at every position stands what was said at that time.
            off = (places(pcm) - (positions - start) + PERIOD // 2) % PERIOD - PERIOD // 2
            before_first = positions < gaps[0][0]
            assert not off[before_first].any()
            assert np.abs(off).max() <= RATE // 20, "a gap is not as long as what was missed"
            assert bench.room.mic.holes == 0

    run(scenario())


def test_killed_while_muted_the_microphone_stays_off(runtime_dir: Path, speech: Path) -> None:
    async def scenario() -> None:
        async with bench_with(runtime_dir, input=f"file:{speech}") as bench:
            await bench.start()
            await bench.record()
            bench.room.follow()
            await bench.room.receive(bench.room.end + BLOCK)
            await bench.order(SetMuted(True))
            muted_at = bench.tape.end
            await bench.room.receive(muted_at + BLOCK)
            await bench.children.kill("audio")
            await bench.start()
            state = await bench.state()
            assert (state.muted, state.recording) == (True, True)
            again = bench.room.end
            await bench.room.receive(again + RATE // 2)
            unmuted_at = bench.tape.end
            await bench.order(SetMuted(False))
            await bench.room.receive(unmuted_at + RATE // 2)
            positions, pcm = bench.room.samples()
            assert not pcm[(positions >= muted_at) & (positions < unmuted_at)].any()
            assert pcm[positions < muted_at].all()
            assert pcm[-RATE // 4 :].all()
            assert not (await bench.until(lambda: bench.states[-1])).muted

    run(scenario())


def test_another_terminal_is_still_muted_but_records_only_by_order(
    runtime_dir: Path, speech: Path
) -> None:
    async def scenario() -> None:
        async with bench_with(runtime_dir, input=f"file:{speech}") as bench:
            await bench.start()
            start = await bench.record()
            bench.room.follow()
            await bench.room.receive(start + RATE)
            bench.room.served = start + RATE // 4
            await bench.order(SetMuted(True))
            await bench.room.receive(bench.room.end + RATE // 4)
            await bench.children.kill("audio")
        end = bench.tape.end
        async with bench_with(runtime_dir, input=f"file:{speech}") as bench:
            await bench.start()
            state = await bench.state()
            assert (state.muted, state.recording, state.conversation) == (True, False, "c1")
            assert bench.tape.end == end
            await bench.order(SetMuted(False))
            assert await bench.record("c1", resume=True) == start
            bench.room.follow()
            await bench.room.receive(bench.tape.end + RATE // 4)
            assert bench.room.runs[0].position == start + RATE // 4
            ((gap, length),) = bench.room.gaps
            assert gap == end
            positions, pcm = bench.room.samples()
            assert pcm[positions >= gap + length].all()

    run(scenario())


# -- bad input -------------------------------------------------------------------------------------


def test_garbage_on_both_lanes_changes_nothing(runtime_dir: Path, speech: Path) -> None:
    chance = random.Random(4)
    messages: list[Message] = [
        Spoken(1, 48_000, b"\x01\x02\x03"),
        Spoken(2, 48_000, b""),
        Spoken(3, 8_000, bytes(320)),
        Spoken(4, -1, bytes(3_000_001)),
        StopRecording(),
        SetMuted(True),
        Hush(),
        Stop(grace_s=0.0),
        Follow(5, -(2**63), 2**63),
    ]
    frames = [
        *(chance.randbytes(length) for length in (0, 1, 10, 1000, 200_000)),
        *(encode_message(message) for message in messages),
        encode_message(Follow(9, 0, 10**9))[:-3],
        encode(Follow(9, 0, 10**9), kind="tell", sender="room", to="audio"),
    ]

    async def scenario() -> None:
        async with bench_with(runtime_dir, input=f"file:{speech}") as bench:
            await bench.start()
            start = await bench.record()
            bench.room.follow()
            stranger = bench.bus.connect("dealer", "mic", lambda *_: None, identity="stranger")
            nobody = bench.bus.connect("dealer", "mic", lambda *_: None)
            for frame in frames:
                assert stranger.send(frame)
                assert nobody.send(frame)
                bench.room.speak_raw(frame)
                await bench.room.receive(bench.room.end + 1)
            state = await bench.until(
                lambda: next((state for state in bench.states if state.error), None)
            )
            assert "Hz instead of 48000" in state.error
            await bench.room.receive(max(start, bench.room.end) + RATE // 2)
            positions, pcm = bench.room.samples()
            assert np.array_equal(places(pcm), (positions - start) % PERIOD)
            bench.room.speak(Spoken(6, 48_000, bytes(960)))
            await bench.until(lambda: bench.states[-1].error == "" or None)
            assert bench.states[-1].recording
            assert bench.tape.served == start

    run(scenario())


@pytest.mark.parametrize("conversation", ["", "x" * 65, "x" * 1_000_000])
def test_an_impossible_conversation_is_refused_and_the_other_goes_on(
    runtime_dir: Path, speech: Path, conversation: str
) -> None:
    async def scenario() -> None:
        async with bench_with(runtime_dir, input=f"file:{speech}") as bench:
            await bench.start()
            start = await bench.record()
            bench.room.follow()
            with pytest.raises(OrderFailed) as refused:
                await bench.order(StartRecording(conversation))
            assert refused.value.code == "invalid"
            await bench.room.receive(start + RATE // 2)
            positions, pcm = bench.room.samples()
            assert np.array_equal(places(pcm), (positions - start) % PERIOD)

    run(scenario())


def test_without_a_microphone_it_runs_but_does_not_record(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with bench_with(runtime_dir, input="none") as bench:
            await bench.start()
            with pytest.raises(OrderFailed) as refused:
                await bench.order(StartRecording("c1"))
            assert refused.value.code == "no-microphone"
            assert refused.value.remedy
            assert not (await bench.state()).recording

    run(scenario())


# -- what cannot start -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("audio", "reason", "remedy"),
    [
        ({"input": "file:/nowhere/speech.wav"}, "there is no file /nowhere/speech.wav", "input"),
        ({"input": f"file:{__file__}"}, "cannot be read as a WAV file", "16-bit PCM"),
        ({"input": "the microphone of nobody"}, "there is no input device", "[audio] input"),
        (
            {"input": "none", "output": "the loudspeaker of nobody"},
            "there is no output device",
            "[audio] output",
        ),
    ],
)
def test_a_device_that_cannot_be_opened_is_told_with_a_remedy(
    runtime_dir: Path, audio: dict[str, str], reason: str, remedy: str
) -> None:
    async def scenario() -> None:
        async with bench_with(runtime_dir, **audio) as bench:
            failed = await bench.refused()
            assert reason in failed.error
            assert remedy in failed.remedy
            assert failed.mistake

    run(scenario())


def test_a_full_disk_is_told_with_a_remedy(runtime_dir: Path, speech: Path) -> None:
    async def scenario() -> None:
        async with bench_with(runtime_dir, input=f"file:{speech}") as bench:
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))  # for what is started now
            try:
                failed = await bench.refused()
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            assert "no room for 0.3 MiB of tape" in failed.error
            assert "tape_seconds" in failed.remedy
            await bench.start()
            await bench.record()

    run(scenario())


def test_an_unreadable_microphone_does_not_make_a_conversation_that_was_cut_off_public(
    runtime_dir: Path, speech: Path
) -> None:
    """Unplugged, each start fails; plugged in again, the conversation goes on with its gap."""

    async def scenario() -> None:
        path = runtime_dir / "speech.wav"
        path.write_bytes(speech.read_bytes())
        async with bench_with(runtime_dir, input=f"file:{path}") as bench:
            await bench.start()
            start = await bench.record()
            bench.room.follow()
            await bench.room.receive(start + RATE // 2)
            await bench.children.kill("audio")
            path.rename(runtime_dir / "unplugged")
            assert "there is no file" in (await bench.refused()).error
            (runtime_dir / "unplugged").rename(path)
            await bench.start()
            await bench.room.receive(bench.room.end + RATE // 2)
            assert len(bench.room.gaps) == 1
            assert (await bench.state()).recording

    run(scenario())


def test_what_a_microphone_has_not_given_for_a_while_is_a_gap_also_within_a_process(
    runtime_dir: Path, speech: Path
) -> None:
    """A new process is tried once; then it is waited for."""

    async def scenario() -> None:
        path = runtime_dir / "speech.wav"
        path.write_bytes(speech.read_bytes())
        asleep = path.with_suffix(".asleep")
        async with bench_with(runtime_dir, input=f"file:{path}") as bench:
            await bench.start(SLEEPY)
            start = await bench.record()
            bench.room.follow()
            await bench.room.receive(start + RATE // 2)
            asleep.touch()
            assert await bench.children.exit_code("audio") == 1
            asleep.unlink()
            await bench.start(SLEEPY)
            await bench.room.receive(bench.tape.end + RATE)
            asleep.touch()
            await bench.until_state(lambda state: state.deaf == "stopped")
            end = bench.tape.end
            asleep.unlink()
            await bench.room.receive(end + 3 * RATE)
            assert [gap for gap, _length in bench.room.gaps][1:] == [end]
            positions, pcm = bench.room.samples()
            off = (places(pcm) - (positions - start) + PERIOD // 2) % PERIOD - PERIOD // 2
            assert np.abs(off).max() <= RATE // 20, "a gap is not as long as what was missed"

    run(scenario())


def test_a_microphone_that_is_slow_to_wake_is_recorded_from_its_first_samples(
    runtime_dir: Path, speech: Path
) -> None:
    """Whoever asked for the conversation to go on was refused, and need not ask again."""

    async def scenario() -> None:
        path = runtime_dir / "speech.wav"
        path.write_bytes(speech.read_bytes())
        asleep = path.with_suffix(".asleep")
        async with bench_with(runtime_dir, input=f"file:{path}") as bench:
            await bench.start(SLEEPY)
            start = await bench.record()
            bench.room.follow()
            await bench.room.receive(start + RATE // 2)
            asleep.touch()
            assert await bench.children.exit_code("audio") == 1
            await bench.start(SLEEPY)
            await bench.until_state(lambda state: state.deaf == "stopped")
            with pytest.raises(OrderFailed) as refused:
                await bench.record("c1", resume=True)
            assert refused.value.code == "no-samples"
            assert (await bench.state()).recording
            end = bench.tape.end
            asleep.unlink()
            await bench.room.receive(end + 3 * RATE)
            assert [gap for gap, _length in bench.room.gaps] == [end]
            positions, pcm = bench.room.samples()
            off = (places(pcm) - (positions - start) + PERIOD // 2) % PERIOD - PERIOD // 2
            assert np.abs(off).max() <= RATE // 20, "a gap is not as long as what was missed"

    run(scenario())


# -- recordings for support ------------------------------------------------------------------------


def track(path: str) -> NDArray[np.int16]:
    with wave.open(path) as wav:
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2")


def test_what_is_written_for_support_is_the_conversation_and_not_what_is_said_muted(
    runtime_dir: Path, speech: Path
) -> None:
    async def scenario() -> None:
        async with bench_with(runtime_dir, input=f"file:{speech}") as bench:
            await bench.start()
            kept = await bench.order(KeepSound(20.0))
            assert isinstance(kept, SoundKept)
            assert (await bench.until_state(lambda state: state.kept_in != "")).kept_in == str(
                runtime_dir / "recordings"
            )
            with pytest.raises(OrderFailed):
                await bench.order(KeepSound(20.0))
            await bench.record()
            bench.room.follow()
            await bench.room.receive(bench.room.end + RATE // 2)
            await bench.order(SetMuted(True))
            muted_at = bench.tape.end
            await bench.room.receive(muted_at + RATE // 2)
            assert await bench.order(KeepSound(0.0)) == kept
            assert bench.states[-1].kept_in == "" or await bench.until_state(
                lambda state: state.kept_in == ""
            )
            captured, processed = map(track, kept.files)
            positions, pcm = bench.room.samples()
            said = pcm[positions < muted_at]
            begin = np.flatnonzero(captured)[0]
            assert np.array_equal(captured[begin : begin + len(said)], said)
            assert not captured[begin + len(said) :].any(), "it was muted"
            assert np.array_equal(captured, processed), "nothing is switched on"
            assert await bench.order(KeepSound(0.0)) == SoundKept(())

    run(scenario())
