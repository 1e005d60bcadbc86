"""Two people write, one message after the other, while some process dies every second."""

import random
import threading
from pathlib import Path

import pytest

from supervisor.drill.mail import Mailbox
from tests.terminal import ROOT, Terminal

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

WRITERS = ("left", "right")
MESSAGES_EACH = 500
PACE_S = 0.05
"""Between two messages of one writer: slow enough for some thirty deaths, fast enough that one is
under way at each."""
KILL_EVERY_S = 1.0
ACTORS = ("router", "history", "session", "audio", "parrot", "room", "kiosk")


class Writer(threading.Thread):
    """Sends its messages in order, each until it is accepted."""

    def __init__(self, name: str, terminal: Terminal) -> None:
        super().__init__(name=name)
        self.texts = [f"{name} {number}" for number in range(MESSAGES_EACH)]
        self.mailbox = Mailbox(terminal.say, terminal.history)

    def run(self) -> None:
        pace = threading.Event()  # of nobody: it only ever runs out
        for text in self.texts:
            assert self.mailbox.send(text), f"not accepted: {text}"
            pace.wait(PACE_S)


def test_a_thousand_messages_through_a_death_a_second_are_each_kept_once_and_in_order(
    tmp_path: Path,
) -> None:
    speech = ROOT / "supervisor" / "commands" / "sounds" / "demo.wav"
    config = {
        "livekit": {"backend": "practice"},
        "audio": {"input": f"file:{speech}", "output": "none", "loop": True},
        "kiosk": {"port": 0},
    }
    chance, kills = random.Random(11), 0
    with Terminal(tmp_path, **config) as terminal:
        terminal.callpoint("start")
        terminal.wait_for_agent("listening", "thinking", "speaking")
        writers = [Writer(name, terminal) for name in WRITERS]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            victim = chance.choice(ACTORS)
            if terminal.status()["actors"][victim]["state"] == "running":
                terminal.kill_actor(victim)
                kills += 1
            next(each for each in writers if each.is_alive() or each is writers[-1]).join(
                KILL_EVERY_S
            )
        terminal.wait_until(
            lambda now: all(actor["state"] == "running" for actor in now["actors"].values())
        )
        for writer in writers:
            kept = [text for text in writer.mailbox.kept() if text.startswith(f"{writer.name} ")]
            assert kept == writer.texts
    assert kills >= 20
