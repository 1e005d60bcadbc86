"""Devices that come, go, are deaf or strict: the audio process over real PulseAudio daemons."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from actors.audio.cure import read
from actors.messages import Spoken
from supervisor.drill.coded_signal import Heard, decode, generate
from tests.audio_bench import Bench
from tests.children import DEADLINE_S
from tests.peers.cards import Cards
from tests.peers.pulse import PulseAudio
from tests.terminal import Terminal

pytestmark = pytest.mark.system

RATE = 48_000
BLOCKS = 12
"""Of 100 ms."""
SHORT = 8
FRAME = RATE // 50
FOUND_S = 2.0 + 0.5
"""Found within 2 s, and then a process has to end."""


@pytest.fixture
def pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PulseAudio]:
    with PulseAudio(tmp_path) as pulse:
        for name, value in pulse.environment.items():
            monkeypatch.setenv(name, value)
        yield pulse


def plugged(monkeypatch: pytest.MonkeyPatch, folder: Path, *names: str) -> Cards:
    cards = Cards(folder, names)
    monkeypatch.delenv("PULSE_SERVER", raising=False)
    for name, value in cards.environment.items():
        monkeypatch.setenv(name, value)
    return cards


async def talk(bench: Bench) -> None:
    """A conversation is on, and the room hears it."""
    await bench.start()
    await bench.record()
    bench.room.follow()
    await bench.room.receive(1)


async def heard_from(bench: Bench, card: PulseAudio, microphone: str = "microphone") -> None:
    """What is said there now arrives, all of it."""
    here = max(0, bench.room.end)

    def heard() -> Heard | None:
        positions, pcm = bench.room.samples()
        heard = decode(pcm[positions >= here], RATE)
        return None if heard.missing(BLOCKS) else heard

    words = generate(BLOCKS, RATE, tail_ms=200)
    await asyncio.to_thread(card.speak_pcm, words, RATE, microphone)
    assert (await bench.room.until(heard)).in_order


def on_time(bench: Bench, start: int, began: float) -> bool:
    """The tape is as long as the time that has passed: each gap has its true length."""
    length_s = (bench.tape.end - start) / RATE
    return abs(length_s - (time.monotonic() - began)) < 0.3


# -- in and out ------------------------------------------------------------------------------------


def test_pulled_while_talking_another_takes_over_until_it_is_back(
    runtime_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = plugged(monkeypatch, tmp_path, "usb", "board")

    async def scenario() -> None:
        devices = {"input": "usb", "input_fallbacks": ["board"], "output": "usb"}
        async with Bench(runtime_dir, **devices, output_fallbacks=["board"]) as bench:
            await talk(bench)
            assert (await bench.state()).input == "usb"
            start, began = bench.tape.end, time.monotonic()
            await heard_from(bench, cards["usb"])
            cards["usb"].kill()
            state = await bench.renewed(1)
            assert (state.input, state.output, state.recording) == ("board", "board", True)
            assert "there is no input device 'usb'; board is used" in state.notes
            await heard_from(bench, cards["board"])
            await asyncio.to_thread(cards["usb"].start)
            state = await bench.renewed(0)
            # Either end may have been tried first; the other one came back with it.
            assert (state.input, state.output, state.notes) == ("usb", "usb", "")
            await heard_from(bench, cards["usb"])
            assert len(bench.room.gaps) == 2
            assert on_time(bench, start, began)

    with cards:
        asyncio.run(scenario())


def test_without_any_microphone_left_the_agent_is_still_heard(
    runtime_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = plugged(monkeypatch, tmp_path, "usb", "board")

    async def scenario() -> None:
        devices = {"input": "usb", "input_fallbacks": ["none"], "output": "board"}
        async with Bench(runtime_dir, **devices) as bench:
            await talk(bench)
            start, began = bench.tape.end, time.monotonic()
            cards["usb"].kill()
            state = await bench.renewed(1)
            assert (state.input, state.recording) == ("none", False)
            assert state.error == "there is no microphone at present"
            with cards["board"].record_speaker() as recording:
                bench.room.speak(Spoken(1, RATE, generate(BLOCKS, RATE, tail_ms=200).tobytes()))
                await asyncio.to_thread(
                    recording.wait_for, lambda pcm: not decode(pcm, RATE).missing(BLOCKS)
                )
            await asyncio.to_thread(cards["usb"].start)
            state = await bench.renewed(0)
            assert (state.input, state.recording, state.error) == ("usb", True, "")
            await heard_from(bench, cards["usb"])
            assert len(bench.room.gaps) == 1
            assert on_time(bench, start, began)

    with cards:
        asyncio.run(scenario())


def test_of_two_with_one_name_the_first_is_used_and_then_the_other(
    runtime_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = plugged(monkeypatch, tmp_path, "usb_mic_a", "usb_mic_b")

    async def scenario() -> None:
        async with Bench(runtime_dir, input="USB_mic", output="none") as bench:
            await talk(bench)
            state = await bench.state()
            assert state.input == "usb_mic_a"
            assert "2 devices are called 'USB_mic'" in state.notes
            await heard_from(bench, cards["usb_mic_a"])
            cards["usb_mic_a"].kill()
            state = await bench.renewed(1)
            assert (state.input, state.notes) == ("usb_mic_b", "")
            await heard_from(bench, cards["usb_mic_b"])

    with cards:
        asyncio.run(scenario())


def test_one_that_cannot_be_opened_three_times_is_there_the_fourth_time(
    runtime_dir: Path, pulse: PulseAudio
) -> None:
    conf, server = Path(pulse.environment["ALSA_CONFIG_PATH"]), pulse.environment["PULSE_SERVER"]
    late = f'pcm.late {{ type pulse server "{server}" device "late.monitor" }}\n'
    conf.write_text(conf.read_text() + late)

    async def scenario() -> None:
        async with Bench(runtime_dir, input="late", output="none") as bench:
            for _ in range(3):
                failed = await bench.refused()
                assert failed.error.startswith("the input device 'late' cannot be opened")
                assert failed.mistake
            await asyncio.to_thread(pulse.add_microphone, "late")
            await talk(bench)
            await heard_from(bench, pulse, "late")

    asyncio.run(scenario())


def test_the_default_is_another_one_while_talking(runtime_dir: Path, pulse: PulseAudio) -> None:
    """The sound system moves the stream; nothing is restarted, and nothing is lost but the time
    that takes.
    """

    async def scenario() -> None:
        async with Bench(runtime_dir, output="none") as bench:
            await talk(bench)
            await heard_from(bench, pulse)
            await asyncio.to_thread(pulse.add_microphone, "other")
            await heard_from(bench, pulse, "other")
            assert bench.children.is_running("audio")
            assert bench.room.gaps == []

    asyncio.run(scenario())


def test_a_card_that_only_has_44_1_khz_stereo_is_used_both_ways(
    runtime_dir: Path, pulse: PulseAudio
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.start("tests.strict_card:Only44")
            await bench.record()
            bench.room.follow()
            await bench.room.receive(1)
            await heard_from(bench, pulse)
            with pulse.record_speaker() as recording:
                voice = generate(BLOCKS, RATE, tail_ms=200)
                for number, at in enumerate(range(0, len(voice), FRAME)):
                    bench.room.speak(Spoken(number, RATE, voice[at : at + FRAME].tobytes()))
                    await asyncio.sleep(0.018)
                await asyncio.to_thread(
                    recording.wait_for,
                    lambda pcm: not decode(pcm, RATE).missing(BLOCKS),
                    deadline_s=DEADLINE_S,
                )
                assert decode(recording.pcm, RATE).in_order

    asyncio.run(scenario())


# -- deaf ------------------------------------------------------------------------------------------


def test_muted_at_its_switch_it_is_said_and_the_terminal_is_left_in_peace(
    runtime_dir: Path, pulse: PulseAudio
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, output="none") as bench:
            await talk(bench)
            await asyncio.to_thread(pulse.switch_off, True)
            off_at = time.monotonic()
            assert await bench.children.exit_code("audio") == 0
            assert time.monotonic() - off_at < FOUND_S
            await bench.start()
            assert (await bench.state()).recording
            state = await bench.until_state(lambda state: state.deaf == "silence")
            assert "default gives nothing but silence" in state.error
            assert time.monotonic() - off_at < 2 * 2.0 + 3.0, "two spells of 2 s, and a start"
            await bench.room.receive(bench.room.end + 3 * RATE)
            assert bench.children.is_running("audio"), "restarted again and again"
            assert bench.states[-1].deaf == "silence"
            await asyncio.to_thread(pulse.switch_off, False)
            await bench.until(lambda: bench.states[-1].deaf == "" or None)
            assert bench.states[-1].error == ""
            assert read(runtime_dir / "microphones.json")["default"].gated
            await heard_from(bench, pulse)

    asyncio.run(scenario())


def test_without_detection_one_that_is_silent_is_used_again(
    runtime_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one behind a noise gate."""
    cards = plugged(monkeypatch, tmp_path, "usb", "board")

    async def scenario() -> None:
        devices = {"input": "usb", "input_fallbacks": ["board"], "output": "none"}
        async with Bench(runtime_dir, **devices, deaf_detection=False) as bench:
            cards["usb"].kill()
            await bench.start()
            assert (await bench.state()).input == "board"
            await asyncio.to_thread(cards["usb"].start)
            await asyncio.to_thread(cards["usb"].switch_off, True)
            assert (await bench.renewed(0)).input == "usb"

    with cards:
        asyncio.run(scenario())


def test_one_that_gives_nothing_is_renewed_then_replaced_until_it_is_well(
    runtime_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = plugged(monkeypatch, tmp_path, "usb", "board")

    async def scenario() -> None:
        devices = {"input": "usb", "input_fallbacks": ["board"], "output": "none"}
        async with Bench(runtime_dir, **devices) as bench:
            await talk(bench)
            start, began = bench.tape.end, time.monotonic()
            await asyncio.to_thread(cards["usb"].suspend, True)
            off_at = time.monotonic()
            assert await bench.children.exit_code("audio") == 1
            assert time.monotonic() - off_at < FOUND_S
            await bench.start()
            assert (await bench.state()).input == "usb"
            state = await bench.renewed(1)
            assert (state.input, state.notes) == ("board", "usb is deaf; board is used")
            await heard_from(bench, cards["board"])
            await asyncio.to_thread(cards["usb"].suspend, False)
            state = await bench.renewed(0)
            assert (state.input, state.notes) == ("usb", "")
            await heard_from(bench, cards["usb"])
            assert on_time(bench, start, began)
            assert np.all(np.diff([run.position for run in bench.room.runs]) > 0)

    with cards:
        asyncio.run(scenario())


def test_a_loudspeaker_that_takes_nothing_is_said_and_replaced_until_it_is_well(
    runtime_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = plugged(monkeypatch, tmp_path, "usb", "board")

    async def scenario() -> None:
        devices = {"input": "board", "output": "usb", "output_fallbacks": ["board"]}
        async with Bench(runtime_dir, **devices) as bench:
            await bench.start()
            await asyncio.to_thread(cards["usb"].suspend, True, "speaker")
            assert (await bench.renewed(0)).output == "usb"
            state = await bench.renewed(0)
            assert (state.output, state.notes) == ("board", "usb takes no samples; board is used")
            await asyncio.to_thread(cards["usb"].suspend, False, "speaker")
            state = await bench.renewed(0)
            assert (state.output, state.error) == ("usb", "")

    with cards:
        asyncio.run(scenario())


# -- callpoint devices -----------------------------------------------------------------------------


async def callpoint(*words: str) -> tuple[int, str]:
    """Exit code and output of a command."""
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "supervisor", *words, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(command.communicate(), DEADLINE_S)
    return command.returncode or 0, said.decode()


def test_devices_are_listed_with_what_is_used_and_how_loud_it_is(
    runtime_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = plugged(monkeypatch, tmp_path, "usb", "board")
    command = ("devices", "--json", "--runtime-dir", str(runtime_dir))

    async def scenario() -> None:
        code, said = await callpoint(*command)
        assert (code, json.loads(said)["level"]) == (0, None), "without a terminal"
        assert {device["used"] for device in json.loads(said)["devices"]} == {""}
        async with Bench(runtime_dir, input="board", output="board") as bench:
            await bench.start()
            cards["usb"].kill()  # the list of the audio process is older
            code, said = await callpoint(*command)
            assert code == 0
            found = {device["name"]: device["used"] for device in json.loads(said)["devices"]}
            assert found == {"board": "input, output", "default": ""}
            assert -70 < json.loads(said)["level"]["input_dbfs"] < -50, "the hum"

    with cards:
        asyncio.run(scenario())


def test_who_speaks_to_the_test_hears_himself_and_what_is_wrong(
    runtime_dir: Path, pulse: PulseAudio
) -> None:
    pulse.echo(latency_ms=40)
    command = ("devices", "--runtime-dir", str(runtime_dir), "test", "--seconds", "2.5")

    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.start()
            with pulse.record_speaker() as recording:
                words = np.tile(generate(SHORT, RATE, tail_ms=400), 4)  # one is heard whole
                speaking = asyncio.to_thread(pulse.speak_pcm, words, RATE)
                speaker = asyncio.create_task(speaking)
                code, said = await callpoint(*command)
                await speaker
                assert "the agent hears itself" in said
                assert code == 2
                await asyncio.to_thread(
                    recording.wait_for, lambda pcm: not decode(pcm, RATE).missing(SHORT)
                )
            assert not bench.words_on_tape()
            await bench.record()
            code, said = await callpoint(*command)
            assert code == 1, "a conversation is on"

    asyncio.run(scenario())


def test_samples_that_the_device_has_lost_are_counted(runtime_dir: Path, pulse: PulseAudio) -> None:
    """The process stands still for longer than the sound system keeps samples."""

    async def scenario() -> None:
        async with Bench(runtime_dir) as bench:
            await bench.start()
            with pulse.record_speaker() as recording:
                pid = bench.children.pid("audio")
                os.kill(pid, signal.SIGSTOP)
                passed = len(recording.pcm) + 3 * RATE // 2
                await asyncio.to_thread(recording.wait_for, lambda pcm: len(pcm) > passed)
                os.kill(pid, signal.SIGCONT)
            await bench.until_state(lambda state: state.output_xruns > 0)

    asyncio.run(scenario())


def test_a_whole_terminal_goes_on_with_the_next_device_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a supervisor: the conversation goes on, and nothing but the audio process is renewed."""
    cards = plugged(monkeypatch, tmp_path, "usb", "board")
    audio = {"input": "usb", "input_fallbacks": ["board"], "output": "none"}
    with (
        cards,
        Terminal(
            tmp_path,
            environment=cards.environment,
            livekit={"backend": "practice"},
            audio=audio,
            kiosk={"port": 0},
        ) as terminal,
    ):
        terminal.callpoint("start")
        terminal.wait_for_agent("listening", "thinking", "speaking")
        before = terminal.status()
        assert before["audio"]["input"] == "usb"
        cards["usb"].kill()
        terminal.wait_until(lambda status: status["audio"]["input"] == "board")
        assert "board is used" in terminal.callpoint("status")
        cards["usb"].start()
        terminal.wait_until(lambda status: status["audio"]["input"] == "usb")
        after = terminal.wait_until(lambda status: status["audio"]["recording"] and status)
        assert after["session"]["conversation"] == before["session"]["conversation"]
        assert after["actors"]["audio"]["restarts"] == 2
        for name in ("room", "session", "router"):
            assert after["actors"][name]["pid"] == before["actors"][name]["pid"]
        # Two gaps of known length, the second one when its first block has come.
        terminal.wait_until(lambda _: len(terminal.logged("recording resumed", "gap_samples")) == 2)


def test_a_microphone_that_hears_nothing_is_shown_in_status_metrics_and_page(
    tmp_path: Path, pulse: PulseAudio
) -> None:
    deaf = 'callpoint_microphone_deaf{kind="silence"}'

    async def page_says(address: str, words: str) -> None:
        async with (
            aiohttp.ClientSession() as http,
            asyncio.timeout(DEADLINE_S),
            http.ws_connect(f"{address}ws", origin=address.rstrip("/")) as line,
        ):
            while words not in await line.receive_str():
                pass

    with Terminal(
        tmp_path,
        environment=pulse.environment,
        livekit={"backend": "practice"},
        audio={"output": "none"},
        kiosk={"port": 0},
    ) as terminal:
        address = terminal.wait_until(lambda status: status["kiosk"]["address"])
        assert f"{deaf} 0" in terminal.callpoint("metrics")
        pulse.switch_off(True)
        terminal.wait_until(lambda status: status["audio"]["deaf"] == "silence")
        assert "default gives nothing but silence" in terminal.callpoint("status")
        assert f"{deaf} 1" in terminal.callpoint("metrics")
        asyncio.run(page_says(address, "default gives nothing but silence"))
        pulse.switch_off(False)
        terminal.wait_until(lambda status: status["audio"]["deaf"] == "")
        assert f"{deaf} 0" in terminal.callpoint("metrics")
