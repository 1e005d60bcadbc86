"""Microphone and loudspeaker chosen while the terminal runs, over real PulseAudio daemons."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors import AudioDevice, BlockingSession, OrderRefused, Session
from actors.messages import Devices, DevicesChosen, ListDevices, UseDevices
from actors.runtime.errors import OrderFailed
from supervisor.drill.coded_signal import decode, generate
from tests.audio_bench import Bench
from tests.children import DEADLINE_S
from tests.peers.cards import Cards
from tests.peers.pulse import PulseAudio
from tests.terminal import Terminal

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

RATE = 48_000
BLOCKS = 12
"""Of 100 ms."""
CONFIG = {"input": "usb", "output": "usb"}


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cards]:
    with Cards(tmp_path, ("usb", "board")) as cards:
        monkeypatch.delenv("PULSE_SERVER", raising=False)
        for name, value in cards.environment.items():
            monkeypatch.setenv(name, value)
        yield cards


@pytest.fixture
def terminal(tmp_path: Path, cards: Cards) -> Iterator[Terminal]:
    with Terminal(
        tmp_path,
        environment=cards.environment,
        livekit={"backend": "practice"},
        audio=CONFIG,
        kiosk={"enabled": False},
    ) as running:
        yield running


async def heard_from(bench: Bench, card: PulseAudio) -> None:
    """What is said there now arrives, all of it."""
    here = max(0, bench.room.end)

    def whole() -> bool | None:
        positions, pcm = bench.room.samples()
        heard = decode(pcm[positions >= here], RATE)
        return None if heard.missing(BLOCKS) else heard.in_order

    words = generate(BLOCKS, RATE, tail_ms=200)
    await asyncio.to_thread(card.speak_pcm, words, RATE)
    assert await bench.room.until(whole)


async def talk(bench: Bench) -> None:
    """A conversation is on, and the room hears it."""
    await bench.start()
    await bench.record()
    bench.room.follow()
    await bench.room.receive(1)


def test_the_conversation_goes_on_with_the_chosen_microphone_and_a_gap(
    runtime_dir: Path, cards: Cards
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, **CONFIG) as bench:
            await talk(bench)
            await heard_from(bench, cards["usb"])
            chosen = await bench.order(UseDevices(input="oar"))
            assert chosen == DevicesChosen("board", "", "board", ""), "by a part of its name"
            state = await bench.renewed(0)
            assert (state.input, state.output, state.recording) == ("board", "usb", True)
            assert (state.chosen_input, state.chosen_output, state.notes) == ("board", "", "")
            await heard_from(bench, cards["board"])
            assert len(bench.room.gaps) == 1
            await bench.children.kill("audio")
            await bench.start()
            assert (await bench.state()).input == "board", "a crash does not change it"
            await heard_from(bench, cards["board"])
            assert len(bench.room.gaps) == 2
            await bench.order(UseDevices(input=""))
            state = await bench.renewed(0)
            assert (state.input, state.chosen_input) == ("usb", "")

    asyncio.run(scenario())


def test_one_that_cannot_be_opened_is_refused_and_nothing_changes(
    runtime_dir: Path, cards: Cards, tmp_path: Path
) -> None:
    conf, server = tmp_path / "cards.conf", cards["board"].environment["PULSE_SERVER"]
    broken = f'pcm.broken {{ type pulse server "{server}" device "nowhere" }}\n'
    conf.write_text(conf.read_text() + broken)

    async def scenario() -> None:
        async with Bench(runtime_dir, **CONFIG) as bench:
            await talk(bench)
            for order, told in (
                (UseDevices(input="headset"), "there is no input device 'headset'"),
                (UseDevices(input="broken"), "the input device 'broken' cannot be opened"),
                (UseDevices("board", "broken"), "the output device 'broken' cannot be opened"),
                (UseDevices(output="file:a.wav"), "there is no output device 'file:a.wav'"),
            ):
                with pytest.raises(OrderFailed, match=told) as failed:
                    await bench.order(order)
                assert failed.value.remedy
            await heard_from(bench, cards["usb"])
            assert bench.room.gaps == []
            state = await bench.state()
            assert (state.input, state.chosen_input) == ("usb", "")

    asyncio.run(scenario())


def test_while_the_chosen_one_is_pulled_the_configs_takes_its_place(
    runtime_dir: Path, cards: Cards
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, **CONFIG) as bench:
            await talk(bench)
            await bench.order(UseDevices("board", "board"))
            state = await bench.renewed(0)
            assert (state.input, state.output) == ("board", "board")
            cards["board"].kill()
            state = await bench.renewed(1)
            assert (state.input, state.output, state.chosen_input) == ("usb", "usb", "board")
            await heard_from(bench, cards["usb"])
            await asyncio.to_thread(cards["board"].start)
            assert (await bench.renewed(0)).input == "board"
            await heard_from(bench, cards["board"])

    asyncio.run(scenario())


def test_what_is_in_use_already_is_chosen_without_a_gap(
    runtime_dir: Path, cards: Cards, tmp_path: Path
) -> None:
    """Also when nobody but its process can see it, as with a card that is opened only once."""

    async def scenario() -> None:
        async with Bench(runtime_dir, **CONFIG) as bench:
            await talk(bench)
            conf = tmp_path / "cards.conf"
            lines = conf.read_text().splitlines(keepends=True)
            conf.write_text("".join(line for line in lines if not line.startswith("pcm.usb")))
            found = await bench.order(ListDevices())
            assert isinstance(found, Devices)
            assert {each.name: each.used for each in found.devices} == {
                "default": "",
                "board": "",
                "usb": "input, output",
            }
            assert await bench.order(UseDevices("usb", "usb")) == DevicesChosen(*["usb"] * 4)
            await bench.until_state(lambda state: state.chosen_input == "usb")
            await heard_from(bench, cards["usb"])
            assert bench.room.gaps == []

    asyncio.run(scenario())


def test_without_a_microphone_and_with_one_again(runtime_dir: Path, cards: Cards) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, **CONFIG) as bench:
            await talk(bench)
            await bench.order(UseDevices(input="none"))
            state = await bench.renewed(0)
            assert (state.input, state.recording, state.error) == ("none", False, "")
            await bench.order(UseDevices(input="board"))
            state = await bench.renewed(0)
            assert (state.input, state.recording) == ("board", True)
            await heard_from(bench, cards["board"])

    asyncio.run(scenario())


# -- through the API, with a whole terminal --------------------------------------------------------


def names(found: tuple[AudioDevice, ...]) -> dict[str, bool]:
    return {each.name: each.is_active for each in found}


def test_a_program_lists_and_switches_devices_while_it_talks(terminal: Terminal) -> None:
    async def play() -> None:
        async with Session.attach(terminal.runtime_dir) as session:
            await session.start()
            await session.agent.wait_until_connected(DEADLINE_S)
            before = await asyncio.to_thread(terminal.status)
            microphones = await session.get_local_devices("audioinput")
            assert names(microphones) == {"default": False, "usb": True, "board": False}
            (board,) = (each for each in microphones if each.name == "board")
            assert (board.kind, board.id) == ("audioinput", "")
            assert board.channels >= 1
            changes = session.changes()
            await session.switch_active_device("audioinput", board)
            assert session.get_active_device("audioinput") == "board"
            assert session.get_active_device("audiooutput") == "usb"
            assert session.snapshot.input_device == "board"
            async for change in changes:  # observers are told
                if getattr(change, "snapshot", session.snapshot).input_device == "board":
                    break
            await session.switch_active_device("audiooutput", "board")
            assert names(await session.get_local_devices("audiooutput"))["board"]
            with pytest.raises(OrderRefused, match="no input device 'headset'"):
                await session.switch_active_device("audioinput", "headset")
            pid = await asyncio.to_thread(terminal.kill_actor, "audio")
            await asyncio.to_thread(terminal.wait_for_restart, "audio", pid)
            assert session.get_active_device("audioinput") == "board"
            after = await asyncio.to_thread(terminal.status)
            assert after["session"]["conversation"] == before["session"]["conversation"]
            for name in ("room", "session", "router"):
                assert after["actors"][name]["pid"] == before["actors"][name]["pid"]
            await session.switch_active_device("audioinput", None)
            await session.switch_active_device("audiooutput", None)
            assert session.get_active_device("audioinput") == "usb"
            assert session.get_active_device("audiooutput") == "usb"
            assert session.agent.can_listen

    asyncio.run(play())


def test_a_script_and_an_operator_choose_too(terminal: Terminal, cards: Cards) -> None:
    with BlockingSession.attach(terminal.runtime_dir) as session:
        session.switch_active_device("audioinput", "board")
        assert session.get_active_device("audioinput") == "board"
        assert names(session.get_local_devices("audioinput"))["board"]
        said = terminal.callpoint("devices", "use", "--output", "board")
        assert said == "loudspeaker: board\n"
        terminal.wait_until(lambda status: status["audio"]["output"] == "board")
        assert "board (chosen)" in terminal.callpoint("status")
        said = terminal.callpoint("devices", "use", "--as-configured")
        assert said == "microphone: as configured\nloudspeaker: as configured\n"
        terminal.wait_until(lambda status: status["audio"]["input"] == "usb")
    status = terminal.status()["audio"]
    assert (status["chosen_input"], status["chosen_output"]) == ("", "")


def test_who_changes_too_often_is_refused_before_the_terminal_gives_up(terminal: Terminal) -> None:
    async def play() -> None:
        async with Session.attach(terminal.runtime_dir) as session:
            for number in range(5):
                await session.switch_active_device("audioinput", ("board", "usb")[number % 2])
            with pytest.raises(OrderRefused, match="changed too often"):
                await session.switch_active_device("audioinput", "usb")
            assert session.get_active_device("audioinput") == "board"

    asyncio.run(play())
    assert terminal.status()["state"] == "running"
