"""The audio process with PortAudio over PulseAudio: complete both ways, and a pulled plug."""

import asyncio
import math
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from actors.messages import Hush, SetMuted, Spoken
from actors.runtime.errors import OrderFailed
from supervisor.drill.coded_signal import Heard, decode, generate
from tests.audio_bench import Bench
from tests.children import DEADLINE_S
from tests.lossy_card import LOST_S
from tests.peers.pulse import PulseAudio
from tests.speech import speech_like

pytestmark = pytest.mark.system

RATE = 48_000
FRAME_S = 0.02
BLOCKS = 40
"""Of 100 ms."""
XRUN_MS = 25
TOLERANCE_MS = 15
"""How exactly a seam can be measured."""

Pcm = NDArray[np.int16]


@pytest.fixture
def pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PulseAudio]:
    with PulseAudio(tmp_path) as pulse:
        for name, value in pulse.environment.items():
            monkeypatch.setenv(name, value)
        yield pulse


async def play(bench: Bench, pcm: Pcm) -> None:
    """On the speaker lane in real time, as an agent's voice comes."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    size = round(RATE * FRAME_S)
    for number, at in enumerate(range(0, len(pcm), size)):
        await asyncio.sleep(began + number * FRAME_S - loop.time())
        bench.room.speak(Spoken(number, RATE, pcm[at : at + size].tobytes()))


async def say_and_hear(bench: Bench, pulse: PulseAudio) -> None:
    """Into the microphone; all that another program has heard there comes over the mic lane.

    That one is asked because a sound system on a busy machine may lose or repeat something itself.
    """
    here = max(0, bench.room.end)
    rate = bench.sample_rate

    def heard() -> Heard | None:
        positions, pcm = bench.room.samples()
        heard = decode(pcm[positions >= here], rate)
        return None if heard.missing(BLOCKS) else heard

    with pulse.record_microphone() as other:
        await asyncio.to_thread(pulse.speak_pcm, generate(BLOCKS, RATE, tail_ms=200), RATE)
        ours = await bench.room.until(heard)
        theirs = decode(other.pcm, RATE)
    assert ours.in_order
    exactly = TOLERANCE_MS * (1 + len(theirs.seams))
    assert ours.lost_ms <= theirs.lost_ms + exactly, (ours.seams, theirs.seams)
    assert ours.repeated_ms <= theirs.repeated_ms + exactly, (ours.seams, theirs.seams)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_what_is_said_into_the_microphone_arrives_complete(
    runtime_dir: Path, pulse: PulseAudio, rate: int
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, sample_rate=rate, output="none") as bench:
            await bench.start()
            assert (await bench.state()).input == "default"
            await bench.record()
            bench.room.follow()
            await bench.room.receive(1)
            await say_and_hear(bench, pulse)
            assert bench.room.gaps == []

    asyncio.run(scenario())


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_what_is_sent_on_the_speaker_lane_is_heard_complete(
    runtime_dir: Path, pulse: PulseAudio, rate: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """At any rate of the tape: the agent's voice has its own."""

    async def scenario() -> None:
        async with Bench(runtime_dir, sample_rate=rate, input="none") as bench:
            await bench.start()
            assert (await bench.state()).output == "default"
            with pulse.record_speaker() as recording:
                await play(bench, generate(BLOCKS, RATE, tail_ms=500))
                await asyncio.to_thread(
                    recording.wait_for,
                    lambda pcm: not decode(pcm, RATE).missing(BLOCKS),
                    deadline_s=DEADLINE_S,
                )
                heard = decode(recording.pcm, RATE)
            # ALSA says when it has been left without samples, and then throws a block away.
            xruns = capfd.readouterr().err.count("underrun occurred")
            assert heard.lost_ms <= xruns * XRUN_MS + TOLERANCE_MS, (xruns, heard.seams)
            assert heard.repeated_ms <= xruns * XRUN_MS + TOLERANCE_MS, (xruns, heard.seams)
            assert heard.in_order

    asyncio.run(scenario())


def _loudness_db(pcm: Pcm) -> float:
    """Over one step of the converter; the median of the last four seconds, because a sound system
    that loses a block on a busy machine throws the canceller off for a moment.
    """
    each = pcm[-4 * RATE :].astype(np.float64).reshape(4, RATE)
    return 10 * math.log10(float(np.median(np.mean(each**2, axis=1))) + 1e-3)


def test_the_agent_does_not_hear_itself(runtime_dir: Path, pulse: PulseAudio) -> None:
    """Speaker to microphone through the sound system, without and with the echo canceller.

    That both ends reach it is shown here; how well it cancels, over a virtual room that no busy
    machine disturbs, in tests/unit/test_processing.py.
    """
    pulse.echo(latency_ms=40)
    voice = (32767 * speech_like(7, RATE, seed=1)).astype(np.int16)

    async def heard(*, cancel: bool) -> float:
        async with Bench(runtime_dir, echo_cancellation=cancel) as bench:
            await bench.start()
            await bench.record()
            bench.room.follow()
            await play(bench, voice)
            await bench.room.receive(bench.tape.end)
            return _loudness_db(bench.room.samples()[1])

    without = asyncio.run(heard(cancel=False))
    less = without - asyncio.run(heard(cancel=True))
    print(f"far end in the microphone: {without:.1f} dB; cancelled: {less:.1f} dB less")
    assert without > 40, "there was no echo to be cancelled"
    assert less >= 10


# -- a device that goes ----------------------------------------------------------------------------


def test_the_plug_is_pulled_and_put_in_again(
    runtime_dir: Path, pulse: PulseAudio, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.start()
            start = await bench.record()
            bench.room.follow()
            await bench.room.receive(start + RATE // 2)
            pulse.kill()
            assert await bench.children.exit_code("audio") == 1
            assert "default has stopped" in capfd.readouterr().err
            failed = await bench.refused()
            assert failed.error == "there is no input device at all"
            assert '[audio] input = "none"' in failed.remedy
            assert failed.mistake
            await asyncio.to_thread(pulse.start)
            await bench.start()
            await bench.room.receive(bench.room.end + RATE // 2)
            ((_, length),) = bench.room.gaps
            assert length > RATE // 10
            await say_and_hear(bench, pulse)

    asyncio.run(scenario())


def test_a_sound_system_that_hangs_ends_the_process_with_a_reason(
    runtime_dir: Path, pulse: PulseAudio, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.start()
            start = await bench.record()
            bench.room.follow()
            await bench.room.receive(start + RATE // 2)
            pulse.hang()
            assert await bench.children.exit_code("audio") == 1
            assert "no samples from default for 1.8 s" in capfd.readouterr().err
            pulse.kill()
            await asyncio.to_thread(pulse.start)
            await bench.start()
            await bench.room.receive(bench.room.end + RATE // 2)
            ((_, length),) = bench.room.gaps
            assert length > 1.8 * RATE

    asyncio.run(scenario())


def test_what_the_card_says_that_it_has_lost_is_a_gap(runtime_dir: Path, pulse: PulseAudio) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, output="none") as bench:
            await bench.start("tests.lossy_card:Lossy")
            await bench.record()
            bench.room.follow()
            await bench.room.receive(bench.room.end + RATE)
            (runtime_dir / "lose").touch()
            await bench.until_state(lambda state: state.input_xruns > 0)
            await bench.room.receive(bench.tape.end + RATE)
            lengths = [length for _, length in bench.room.gaps]
            assert max(lengths) > LOST_S / 2 * RATE, lengths

    asyncio.run(scenario())


IN_FLIGHT_S = 0.3
"""Longer than any buffer between the sound system and us."""


def test_a_recording_that_gets_no_samples_is_no_recording(
    runtime_dir: Path, pulse: PulseAudio
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, output="none") as bench:
            await bench.start()
            pulse.hang()
            await asyncio.sleep(IN_FLIGHT_S)  # of what was captured before, nothing tells the end
            with pytest.raises(OrderFailed) as refused:
                await bench.record()
            assert refused.value.code == "no-samples"
            assert not bench.words_on_tape()
            assert await bench.children.exit_code("audio") == 1
            pulse.kill()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("wanted", "reason", "remedy"),
    [
        ("defalt", "there is no input device 'defalt'", "did you mean 'default'?"),
        ("USB", "there is no input device 'USB'", "there are: default"),
    ],
)
def test_an_unknown_device_is_told_with_the_nearest_name(
    runtime_dir: Path, pulse: PulseAudio, wanted: str, reason: str, remedy: str
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, input=wanted) as bench:
            failed = await bench.refused()
            assert (failed.error, failed.remedy) == (reason, f"[audio] input: {remedy}")
            assert failed.mistake

    asyncio.run(scenario())


# -- what the loudspeaker plays --------------------------------------------------------------------


def tone(seconds: float, hz: float) -> Pcm:
    time = np.arange(round(seconds * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * hz * time)).astype("<i2")


def loud_s(pcm: Pcm) -> float:
    """Seconds that are not silent."""
    pieces = np.abs(pcm[: len(pcm) // 480 * 480].reshape(-1, 480)).max(axis=1)
    return 0.01 * np.count_nonzero(pieces > 1000)


def test_who_speaks_interrupts_the_agent_and_who_is_silent_hears_it_to_the_end(
    runtime_dir: Path, pulse: PulseAudio
) -> None:
    """A second and a half of it waits when it stops; what it says afterwards is heard again."""

    async def scenario(*, speaks: bool) -> float:
        async with Bench(runtime_dir) as bench:
            await bench.start()
            await bench.record("spoken" if speaks else "silent")
            with pulse.record_speaker() as recording:
                if speaks:
                    words = asyncio.to_thread(pulse.speak_pcm, generate(25, RATE), RATE)
                    speaking = asyncio.create_task(words)
                    await bench.until(
                        lambda: any(each.input_dbfs > -40 for each in bench.levels) or None
                    )
                bench.room.speak(Spoken(1, RATE, tone(1.5, 500).tobytes()))
                await asyncio.to_thread(recording.wait_for, lambda pcm: loud_s(pcm) > 0.2)
                bench.room.speak(Hush(interrupted=True))
                bench.room.speak(Spoken(2, RATE, tone(0.3, 1500).tobytes()))

                def again(pcm: Pcm) -> bool:
                    spectrum = np.abs(np.fft.rfft(pcm[-RATE // 5 :].astype(float)))
                    return len(pcm) > RATE // 5 and int(spectrum.argmax()) * 5 == 1500

                await asyncio.to_thread(recording.wait_for, again, deadline_s=DEADLINE_S)
                heard = loud_s(recording.pcm)
                if speaks:
                    await speaking
            return heard

    assert asyncio.run(scenario(speaks=True)) < 1.0
    assert asyncio.run(scenario(speaks=False)) > 1.4


def test_cues_sound_when_it_listens_and_when_it_is_muted(
    runtime_dir: Path, tmp_path: Path, pulse: PulseAudio
) -> None:
    def cue(name: str, hz: float) -> str:
        path = tmp_path / f"{name}.wav"
        with wave.open(str(path), "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(RATE)
            wav.writeframes(tone(0.4, hz).tobytes())
        return str(path)

    def sounds(hz: float) -> Callable[[Pcm], bool]:
        def probe(pcm: Pcm) -> bool:
            last = pcm[-RATE // 5 :].astype(float)
            spectrum = np.abs(np.fft.rfft(last))
            return len(last) == RATE // 5 and last.std() > 500 and spectrum.argmax() * 5 == hz

        return probe

    async def scenario() -> None:
        cues = {"cue_listening": cue("listening", 700), "cue_muted": cue("muted", 1900)}
        async with Bench(runtime_dir, **cues) as bench:
            await bench.start()
            with pulse.record_speaker() as recording:
                await bench.record()
                await asyncio.to_thread(recording.wait_for, sounds(700))
                await bench.order(SetMuted(True))
                await asyncio.to_thread(recording.wait_for, sounds(1900))
                await asyncio.to_thread(recording.wait_for_silence)
                await bench.order(SetMuted(True))
                await bench.order(SetMuted(False))
                await asyncio.to_thread(recording.wait_for_silence)

    asyncio.run(scenario())
