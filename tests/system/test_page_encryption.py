"""The kiosk's page with the real server and a real agent whose key is another one, or none."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.chromium import Chromium
from tests.stage import Stage
from tests.terminal import Terminal

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

KEY = "a key of both"
WORD = "document.getElementById('word').textContent"
LINE = "document.body.dataset.line"
BANNER = "!document.getElementById('banner').hidden"
TROUBLE = "document.getElementById('trouble').textContent"


def _terminal(stage: Stage, folder: Path, theirs: str) -> Terminal:
    orders = json.dumps({"e2ee_key": theirs, "greeting": "hello"})
    livekit = {
        "agent_name": stage.worker.name,
        "agent_metadata": orders,
        "encryption": True,
    }
    return stage.terminal(
        folder,
        environment={"CALLPOINT_E2EE_KEY": KEY},
        livekit=livekit,
        kiosk={"port": 0},
    )


@pytest.mark.parametrize(
    ("theirs", "told"), [("another key", "another key"), ("", "does not encrypt")]
)
def test_the_page_says_that_the_agent_has_another_key_or_none_and_all_goes_on(
    stage: Stage, tmp_path: Path, theirs: str, told: str
) -> None:
    async def look(terminal: Terminal) -> dict[str, Any]:
        return await asyncio.to_thread(terminal.status)

    async def play(terminal: Terminal) -> None:
        address = await asyncio.to_thread(
            terminal.wait_until, lambda status: status["kiosk"] and status["kiosk"]["address"]
        )
        folder = tmp_path / "profile"
        folder.mkdir()
        async with Chromium(folder) as page:
            await page.open(address)
            await page.until(LINE, "open")
            await page.until(WORD, "Disconnected")
            assert not await page.evaluate(BANNER)
            await page.click("#call")
            await page.until(f"{BANNER} && {TROUBLE}.startsWith('Sound: ')")
            assert told in await page.evaluate(TROUBLE)
            await page.until(f"['Listening', 'Thinking', 'Speaking'].includes({WORD})")
            status = await look(terminal)
            assert status["session"]["error"]["kind"] == "media"
            assert status["agent"]["is_connected"]
            assert KEY not in await page.evaluate("document.documentElement.outerHTML")
            await page.click("#dismiss")
            await page.until(BANNER, False)
            status = await look(terminal)
            assert status["session"]["connection_state"] == "connected"
            assert {row["restarts"] for row in status["actors"].values()} == {0}
            await page.click("#call")
            await page.until(WORD, "Disconnected")
            assert page.problems == []

    with _terminal(stage, tmp_path, theirs) as terminal:
        asyncio.run(play(terminal))
