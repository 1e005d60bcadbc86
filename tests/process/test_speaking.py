"""The verbs of the fixture ``terminal``: what they report, and what they say to a mistaken test."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.settings.credentials import API_KEY, API_SECRET, FILE, URL, CredentialsError
from supervisor.drill.launched import LaunchFailed
from supervisor.drill.speaking import SpeakingTerminal
from supervisor.drill.terminal import NotInTime
from supervisor.drill.wishes import UnknownFault

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

CONFIG = "configs/test.toml"
Start = Callable[..., SpeakingTerminal]


def test_a_mistaken_test_is_told_what_there_is(terminal: Start) -> None:
    kiosk = terminal(CONFIG)
    with pytest.raises(UnknownFault, match="no fault 'kil'; did you mean \"kill\""):
        kiosk.hurt("kil", "room")
    with pytest.raises(UnknownFault, match=r"kill cannot hit 'roam'.*parrot, room, router"):
        kiosk.hurt("kill", "roam")
    with pytest.raises(UnknownFault, match="disk-full can hit: history"):
        kiosk.hurt("disk-full", "kiosk")
    with pytest.raises(PermissionError, match="the practice room has no network"):
        kiosk.hurt("drop", "room")
    with pytest.raises(NotInTime, match=r"(?s)not within 0 s.*agent: .*\"state\": \"listening\""):
        kiosk.wait_until(lambda now: now["agent"]["state"] == "dancing", deadline_s=0)
    assert kiosk.report().lost_nothing, "nothing was done to it"


def test_of_a_terminal_that_was_killed_it_is_said_that_it_has_ended(terminal: Start) -> None:
    kiosk = terminal(CONFIG)
    kiosk.kill()
    with pytest.raises(LaunchFailed, match="ended with code -9"):
        kiosk.report()
    with pytest.raises(LaunchFailed, match="ended with code -9"):
        kiosk.wait_until(lambda now: now["agent"])
    kiosk.kill()  # which changes nothing


def test_a_microphone_that_is_pulled_out_costs_what_is_said_until_it_is_back(
    terminal: Start,
) -> None:
    kiosk = terminal(CONFIG)
    kiosk.speak_for(1.0)
    before = kiosk.actor_pid("audio")
    struck = kiosk.hurt("unplug", "audio")
    assert struck.recovery_s
    assert kiosk.actor_pid("audio") != before
    kiosk.speak_for(1.0)
    report = kiosk.report()
    assert report.lost_nothing, report
    assert len(report.words.unheard) >= 25, "of 3 s, less what a block is more or less"


def test_a_killed_supervisor_costs_what_nobody_could_hear_and_no_more(terminal: Start) -> None:
    kiosk = terminal(CONFIG)
    kiosk.mailbox.send("one")
    kiosk.speak_for(2.0)
    kiosk.kill()
    kiosk.start()
    kiosk.mailbox.send("two")
    kiosk.speak_for(2.0)
    report = kiosk.report()
    assert report.lost_nothing, report
    (struck,), (cost,) = report.struck, report.costs
    assert str(struck.blow) == "kill:supervisor"
    assert struck.recovery_s
    assert 0 < cost.unheard == len(report.words.unheard)
    assert report.mail.sent == 2


@pytest.fixture
def livekit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A config of a server that is not there, and no keys."""
    for name in (URL, API_KEY, API_SECRET, FILE):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "livekit.toml"
    config.write_text('[livekit]\nurl = "ws://127.0.0.1:9"\n')
    return str(config)


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where terminals have their sockets; of short names."""
    with tempfile.TemporaryDirectory(prefix="cp-", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_livekit_without_keys_is_refused_with_their_names(
    terminal: Start, livekit: str, places: Path
) -> None:
    with pytest.raises(CredentialsError, match="without LIVEKIT_API_KEY and LIVEKIT_API_SECRET"):
        terminal(livekit)
    assert list(places.iterdir()) == []


def test_a_server_that_is_not_there_is_told_without_a_traceback(
    terminal: Start, livekit: str, places: Path
) -> None:
    with pytest.raises(LaunchFailed) as failed:
        terminal(livekit, LIVEKIT_API_KEY="key", LIVEKIT_API_SECRET="of 32 bytes, as is the custom")
    assert "it cannot join room drill-" in str(failed.value)
    assert "Traceback" not in str(failed.value)
    assert list(places.iterdir()) == []
