"""The page in a real browser, on a whole terminal: practice room, a file for a microphone."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import wave as wav
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.messages import EndSession, GetMessages, KeepSound, Messages, SetMuted
from actors.runtime.client import Client, NotRunning
from supervisor.commands.overview import Overview, take
from tests.children import DEADLINE_S
from tests.chromium import Chromium
from tests.rooms.terminal import RATE, wave

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
CONFIG = """
[terminal]
name = "Platform 4"
[livekit]
backend = "practice"
[audio]
input = "file:speech.wav"
output = "none"
[kiosk]
port = 0
"""
SPEECH_S = 1.0

WORD = "document.getElementById('word').textContent"
LINE = "document.body.dataset.line"
MESSAGES = (
    "[...document.querySelectorAll('.message')].map((row) => [row.classList.contains('user') ?"
    " 'user' : 'agent', row.classList.contains('final'), row.querySelector('.text').textContent])"
)
WATCH = """
  window.words = []; window.lines = []; window.loudest = 0;
  const body = document.body, word = document.getElementById('word');
  const look = () => {
    if (words.at(-1) !== word.textContent) words.push(word.textContent);
    if (lines.at(-1) !== body.dataset.line) lines.push(body.dataset.line);
    loudest = Math.max(loudest, Number(body.style.getPropertyValue('--in')));
  };
  new MutationObserver(look).observe(body, {attributes: true, subtree: true, childList: true});
  look();
"""


class Terminal:
    """``callpoint run``, as an operator starts it. ``folder``: short, for sockets are in it."""

    def __init__(self, folder: Path) -> None:
        self.runtime_dir = folder / "run"
        self._log = folder / "log"
        (folder / "callpoint.toml").write_text(CONFIG)
        with wav.open(str(folder / "speech.wav"), "wb") as speech:
            speech.setnchannels(1)
            speech.setsampwidth(2)
            speech.setframerate(RATE)
            speech.writeframes(bytes(RATE) + wave(SPEECH_S))
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "supervisor", "run", str(folder / "callpoint.toml")),
                *("--runtime-dir", str(self.runtime_dir), "--log-file", str(self._log)),
            ],
            cwd=ROOT,
            env={**os.environ, "CALLPOINT_STATE_DIR": str(folder / "state")},
            stdin=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        self._process.terminate()
        assert self._process.wait(DEADLINE_S) == 0
        assert "Traceback" not in self._log.read_text()

    async def look(self) -> Overview:
        return await take(self.runtime_dir)

    async def address(self) -> str:
        """Of the page, once there is one."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                assert self._process.poll() is None
                try:
                    if (kiosk := (await self.look()).kiosk) is not None:
                        return kiosk.address
                except NotRunning:
                    pass
                await asyncio.sleep(0.05)

    async def kill(self, name: str) -> None:
        """SIGKILL, as ``kill -9`` with the pid of ``callpoint status``."""
        pid = (await self.look()).status.actors[name].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    async def rest(self) -> None:
        """No conversation, and not muted: as the next test wants it."""
        async with Client(self.runtime_dir) as client:
            for order in (EndSession(), SetMuted(False)):
                await client.ask("session", order)

    async def messages(self) -> list[list[Any]]:
        """The session's own list, as the page is to show it."""
        async with Client(self.runtime_dir) as client:
            answer = await client.ask("session", GetMessages())
        assert isinstance(answer, Messages)
        return [
            ["agent" if each.kind == "agent_transcript" else "user", each.is_final, each.text]
            for each in answer.messages
        ]


@pytest.fixture(scope="module")
def terminal() -> Iterator[Terminal]:
    with tempfile.TemporaryDirectory(prefix="cp-", dir="/tmp") as folder:
        terminal = Terminal(Path(folder))
        try:
            yield terminal
        finally:
            terminal.stop()


class Page(Chromium):
    """The browser with the page open."""

    async def start(self) -> None:
        """Press the button, and wait until the agent has answered what the file says."""
        await self.click("#call")
        await self.until(f"{WORD} === 'Speaking' && {MESSAGES}.some((row) => row[1])")
        await self.until(WORD, "Listening")

    async def send(self, text: str) -> None:
        await self.click("#text")
        await self.type(text)
        await self.press("Enter")

    async def answered(self, text: str) -> None:
        """Until the agent has said it again."""
        answer = json.dumps(f"You said: {text}")
        await self.until(f"{MESSAGES}.filter((row) => row[1] && row[2] === {answer}).length", 1)

    async def messages(self) -> list[list[Any]]:
        found = await self.evaluate(MESSAGES)
        assert isinstance(found, list)
        return found


@pytest.fixture
def browse(
    terminal: Terminal, tmp_path: Path
) -> Callable[[Callable[[Page], Awaitable[None]]], None]:
    """Run a scenario on the page of a terminal without a conversation."""

    @asynccontextmanager
    async def open_page() -> AsyncIterator[Page]:
        folder = tmp_path / "profile"
        folder.mkdir()
        async with Page(folder) as page:
            await page.open(await terminal.address())
            await page.until(LINE, "open")
            await page.until(WORD, "Disconnected")
            await page.evaluate(WATCH)
            yield page

    def run(scenario: Callable[[Page], Awaitable[None]]) -> None:
        async def play() -> None:
            try:
                async with open_page() as page:
                    await scenario(page)
            finally:
                await terminal.rest()

        asyncio.run(play())

    return run


Browse = Callable[[Callable[[Page], Awaitable[None]]], None]


def test_it_loads_without_an_error_and_from_this_machine_alone(
    terminal: Terminal, browse: Browse
) -> None:
    async def scenario(page: Page) -> None:
        address = await terminal.address()
        assert (
            await page.evaluate("document.getElementById('terminal').textContent") == "Platform 4"
        )
        assert await page.evaluate(WORD) == "Disconnected"
        assert await page.evaluate("document.getElementById('text').disabled") is True
        assert await page.evaluate("document.getElementById('call').disabled") is False
        here = (address, address.replace("http:", "ws:"))
        assert [url for url in page.requests if not url.startswith(here)] == []
        assert len(page.requests) > 5
        assert page.problems == []

    browse(scenario)


def test_a_spoken_conversation_is_shown_as_it_goes_on(terminal: Terminal, browse: Browse) -> None:
    async def scenario(page: Page) -> None:
        await page.click("#call")
        await page.until("document.querySelector('.user.interim') !== null")
        await page.evaluate("window.row = document.querySelector('.user.interim')")
        first = await page.evaluate("row.querySelector('.text').textContent")
        await page.until("row.classList.contains('final')")
        assert await page.evaluate("row.isConnected") is True
        assert await page.evaluate("row.querySelector('.text').textContent") != first
        await page.until("document.querySelector('.agent.interim') !== null")
        await page.evaluate("window.row = document.querySelector('.agent.interim')")
        await page.until("row.classList.contains('final') && row.isConnected")
        await page.until(WORD, "Listening")
        words = await page.evaluate("words")
        assert words[:2] == ["Disconnected", "Connecting"]
        assert words[-4:] == ["Listening", "Thinking", "Speaking", "Listening"]
        assert await page.evaluate("loudest") > 0.3
        await page.until("Number(document.body.style.getPropertyValue('--in'))", 0)
        shown = await page.messages()
        assert shown == await terminal.messages()
        assert [row[0] for row in shown[-2:]] == ["user", "agent"]
        await page.click("#call")
        await page.until(WORD, "Disconnected")
        assert await page.messages() == shown
        assert page.problems == []

    browse(scenario)


def test_a_typed_message_is_sent_by_key_or_button_and_answered(
    terminal: Terminal, browse: Browse
) -> None:
    async def scenario(page: Page) -> None:
        await page.start()
        at = len(await page.messages())
        await page.send("one ticket, please")
        await page.until("document.getElementById('text').value", "")
        await page.answered("one ticket, please")
        await page.type("and <b>another</b> 🎟️")
        await page.until("document.getElementById('send').disabled", False)
        await page.click("#send")
        await page.answered("and <b>another</b> 🎟️")
        assert (await page.messages())[at:] == [
            ["user", True, "one ticket, please"],
            ["agent", True, "You said: one ticket, please"],
            ["user", True, "and <b>another</b> 🎟️"],
            ["agent", True, "You said: and <b>another</b> 🎟️"],
        ]
        assert await page.messages() == await terminal.messages()
        assert await page.evaluate("document.activeElement.id") in ("text", "send")

    browse(scenario)


def test_mute_is_shown_and_nothing_is_heard(browse: Browse) -> None:
    async def scenario(page: Page) -> None:
        pressed = "document.getElementById('mute').getAttribute('aria-pressed')"
        assert await page.evaluate(pressed) == "false"
        await page.click("#mute")
        await page.until(pressed, "true")
        await page.evaluate("window.loudest = 0")
        await page.click("#call")
        await page.until(WORD, "Listening")
        assert "muted" in await page.evaluate("document.getElementById('hint').textContent")
        # The greeting takes longer than what the file says, of which nothing may be heard.
        await page.until(f"{WORD} === 'Speaking'")
        await page.until(f"{MESSAGES}.at(-1)?.[1] === true && {WORD} === 'Listening'")
        assert await page.evaluate("loudest") == 0
        await page.click("#mute")
        await page.until(pressed, "false")

    browse(scenario)


def test_that_what_is_said_is_recorded_for_support_is_shown_as_long_as_it_is(
    terminal: Terminal, browse: Browse
) -> None:
    async def scenario(page: Page) -> None:
        shown = (
            "document.getElementById('banner').hidden ? ''"
            " : document.getElementById('trouble').textContent"
        )
        assert await page.evaluate(shown) == ""
        async with Client(terminal.runtime_dir) as client:
            await client.ask("audio", KeepSound(60.0))
            await page.until(shown, "For support, what is said is being recorded.")
            await client.ask("audio", KeepSound(0.0))
            await page.until(shown, "")

    browse(scenario)


def test_a_killed_kiosk_is_back_with_everything(terminal: Terminal, browse: Browse) -> None:
    async def scenario(page: Page) -> None:
        await page.start()
        before, word = await page.messages(), await page.evaluate(WORD)
        await page.click("#text")
        await page.type("half a sen")
        await terminal.kill("kiosk")
        await page.until("lines.at(-1) === 'open' && lines.includes('lost')")
        assert await page.messages() == before
        assert await page.evaluate(WORD) == word
        await page.type("tence")
        await page.press("Enter")
        await page.answered("half a sentence")
        assert await page.messages() == await terminal.messages()
        assert all("ERR_CONNECTION_REFUSED" in problem for problem in page.problems)

    browse(scenario)


def test_a_killed_session_leaves_the_page_as_it_was(terminal: Terminal, browse: Browse) -> None:
    async def scenario(page: Page) -> None:
        await page.start()
        before = (await page.messages())[-2:]  # all of this conversation
        await page.click("#text")
        await page.type("still there?")
        await terminal.kill("session")
        await page.press("Enter")
        answered = f"{MESSAGES}.some((row) => row[1] && row[2] === 'You said: still there?')"
        refused = "!document.getElementById('banner').hidden"
        await page.until(f"{answered} || {refused}")
        if await page.evaluate(refused):
            # By a session that had not heard of the room yet. The text is there, to try again.
            assert await page.evaluate("document.getElementById('text').value") == "still there?"
            await page.press("Enter")
        await page.answered("still there?")
        shown = await page.messages()
        assert shown == await terminal.messages()
        assert shown[-4:-2] == before
        assert await page.evaluate("lines") == ["open"]
        assert await page.evaluate(refused) is False
        assert page.problems == []

    browse(scenario)


def test_a_message_typed_while_the_kiosk_is_away_is_sent_once(
    terminal: Terminal, browse: Browse
) -> None:
    async def scenario(page: Page) -> None:
        await page.start()
        await page.click("#text")
        await page.type("only once")
        # In one go, so that the order is still under way when its line breaks.
        await asyncio.gather(page.press("Enter"), terminal.kill("kiosk"))
        await page.answered("only once")
        texts = [row[2] for row in await page.messages()]
        assert texts.count("only once") == 1
        assert await page.messages() == await terminal.messages()

    browse(scenario)
