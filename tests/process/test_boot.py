"""`[session] start = "boot"`: the conversation begins by itself, with the first start of all."""

import asyncio
from pathlib import Path

import pytest

from actors.messages import Message, SessionState
from actors.runtime.client import Client
from actors.settings import Settings
from actors.settings.load import load
from supervisor.terminal import Terminal
from tests.children import DEADLINE_S

pytestmark = pytest.mark.process

CONFIG = Path(__file__).parents[2] / "configs" / "test.toml"


def _settings(state_dir: Path) -> Settings:
    plain = load(CONFIG).to_plain()
    plain["session"]["start"] = "boot"
    plain["terminal"]["state_dir"] = str(state_dir)
    return Settings.from_plain(plain)


def test_it_begins_when_recorder_and_room_are_there_and_nothing_is_restarted(
    runtime_dir: Path, tmp_path: Path
) -> None:
    async def scenario() -> None:
        conversing = asyncio.Event()

        def hear(message: Message, _sender: str) -> None:
            if isinstance(message, SessionState) and message.agent.is_connected:
                conversing.set()

        async with Terminal(_settings(tmp_path), runtime_dir) as terminal:
            async with Client(runtime_dir, subscribes=(SessionState,), on_message=hear):
                await asyncio.wait_for(conversing.wait(), DEADLINE_S)
            restarts = {name: row.restarts for name, row in terminal.status().actors.items()}
        assert set(restarts.values()) == {0}, restarts

    asyncio.run(scenario())
