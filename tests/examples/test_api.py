"""The Agent API's examples in Python, as they stand in these files, in a practice room."""

import asyncio
import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors import ReceivedMessage, Session, TokenSource
from supervisor.commands.sounds import DEMO
from tests.children import DEADLINE_S
from tests.examples import creating, errors, messages, preconnect, talking, ticket, view
from tests.terminal import ROOT, Terminal

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

SPOKEN = f"file:{DEMO}"
SWIFT_LINES = {
    creating: {"Creating a Session": 10, "Session Options": 5},
    talking: {"Starting and Ending Sessions": 5, "Agent State": 22},
    messages: {
        "Sending Messages": 3,
        "Message History": 3,
        "Custom Message Senders and Receivers": 13,
    },
    errors: {"Error Handling": 19},
    view: {"SwiftUI Integration": 27},
    preconnect: {"Pre-Connect Audio Buffer": 9},
}
"""Lines of code of the Swift original, by the headings of LiveKit's page: without blank lines and
lines that are only a comment, as ours are counted."""


def _code(path: str) -> list[str]:
    """Lines without docstrings, blank lines and comments."""
    text = Path(path).read_text()
    text = "".join(text.split('"""')[::2])
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("example", list(SWIFT_LINES), ids=lambda example: example.__name__)
def test_no_example_is_longer_than_the_original(example: object) -> None:
    path = getattr(example, "__file__", "")
    assert 0 < len(_code(path)) <= sum(SWIFT_LINES[example].values())  # type: ignore[index]


def test_they_do_what_they_say() -> None:
    async def play() -> None:
        async with creating.create(TokenSource.practice(), SPOKEN) as session, asyncio.timeout(90):
            await talking.talk(session)
            await errors.tell(session)  # nothing to tell
            await session.start()
            await session.agent.wait_until_connected(DEADLINE_S)
            saved = [ReceivedMessage("old", 1.0, "user_input", "of yesterday")]
            await messages.write(session, saved)
            assert [message.text for message in session.messages][:1] == ["of yesterday"]
            await session.end()
            assert await session.send("to nobody") is None
            await errors.tell(session)
            assert session.error is None

    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        asyncio.run(play())
    lines = told.getvalue().splitlines()
    assert lines[:4] == [
        "Connected to agent",
        "Agent is connected",
        "Agent is listening",
        "Its voice is played by the terminal",
    ]
    assert lines[4].startswith("Message sent: ")
    assert lines[6] == "Message sender failed: no conversation is connected"


def test_what_is_said_early_is_kept_for_the_agent() -> None:
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        asyncio.run(preconnect.speak_early(TokenSource.practice(), SPOKEN))
    assert told.getvalue() == "Agent can hear buffered audio\n"


def test_the_view_is_drawn_and_ones_own_senders_and_receivers_run() -> None:
    async def play() -> None:
        async with creating.create(TokenSource.practice(), SPOKEN) as session, asyncio.timeout(90):
            where = session.runtime_dir
            assert where is not None
            await view.main(Session.attach(where))
            async with messages.create(str(where)) as own:
                assert await own.send("a line") is not None
                async for now in own.snapshots():
                    if any(message.id == "news-1" for message in now.messages):
                        break

    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        asyncio.run(play())
    lines = told.getvalue().splitlines()
    assert lines[0] == "State: Unknown"
    assert "to the log: a line" in lines


def test_the_readmes_program_beside_a_terminal(tmp_path: Path) -> None:
    code = Path(ticket.__file__).read_text().partition('"""\n\n')[2]
    assert f"```python\n{code}```" in (ROOT / "README.md").read_text()
    with Terminal(
        tmp_path,
        livekit={"backend": "practice"},
        audio={"input": SPOKEN, "output": "none"},
        kiosk={"enabled": False},
    ) as terminal:
        done = subprocess.run(
            [sys.executable, str(ticket.__file__), str(terminal.runtime_dir)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=2 * DEADLINE_S,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "agent listening"
    assert "user_input Two tickets, please" in lines
    assert lines[-1].startswith("agent_transcript ")
