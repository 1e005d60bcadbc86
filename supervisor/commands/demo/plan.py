"""What a demo will run, decided before anything is started."""

import socket
import tempfile
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from actors.settings import Settings, SettingsError
from actors.settings.dirs import RUNTIME_DIR, STATE_DIR, resolve_dirs
from actors.settings.load import load_config
from actors.settings.model import Audio, Kiosk, LiveKit, Terminal
from actors.settings.obstacles import obstacles

from ..sounds import DEMO
from .sound import Sound

_FILE = "file:"


@dataclass(frozen=True)
class Plan:
    """Settings with all directories resolved, and where the log goes."""

    settings: Settings
    log_file: Path

    @property
    def runtime_dir(self) -> Path:
        """Of this demo's terminal."""
        return Path(self.settings.terminal.runtime_dir)

    @property
    def speech_s(self) -> float | None:
        """Seconds for which a file speaks; None: a microphone, or a file without an end."""
        audio = self.settings.audio
        if not audio.input.startswith(_FILE) or audio.loop:
            return None
        with wave.open(audio.input.removeprefix(_FILE), "rb") as file:
            return file.getnframes() / file.getframerate()


def demo_directory() -> Path:
    """A new directory for one demo: short, because sockets are in it."""
    return Path(tempfile.mkdtemp(prefix="callpoint-demo-"))


def here(sound: Sound, agent: str = "") -> Settings:
    """This machine's sound card, as far as it has one, and the practice room; or, if an agent is
    named, the server that the environment names.
    """
    server = LiveKit(agent_name=agent) if agent else LiveKit(backend="practice")
    return Settings(
        terminal=Terminal(name="callpoint demo"),
        livekit=server,
        audio=Audio(
            input="default" if sound.input else f"{_FILE}{DEMO}",
            output="default" if sound.output else "none",
        ),
        kiosk=Kiosk(port=_port()),
    )


def configured(config: Path, environ: Mapping[str, str]) -> Settings:
    """The operator's own config. Raises ``SettingsError``, also for what would not run here."""
    found = load_config(config)
    if findings := obstacles(resolve_dirs(found.settings, environ), environ):
        raise SettingsError(found.document.problems(findings))
    return found.settings


def plan(
    settings: Settings, directory: Path, environ: Mapping[str, str], *, kiosk: bool = True
) -> Plan:
    """Directories that neither the environment nor the settings name are made in ``directory``."""
    terminal = settings.terminal
    given = dict(environ)
    if not (environ.get(RUNTIME_DIR) or terminal.runtime_dir):
        given[RUNTIME_DIR] = str(directory / "run")
    if not (environ.get(STATE_DIR) or terminal.state_dir):
        given[STATE_DIR] = str(directory / "state")
    page = msgspec.structs.replace(settings.kiosk, enabled=settings.kiosk.enabled and kiosk)
    settings = msgspec.structs.replace(settings, kiosk=page)
    return Plan(resolve_dirs(settings, given), directory / "callpoint.log")


def _port() -> int:
    """The usual port of the page, or any when that is taken."""
    usual = Kiosk().port
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((Kiosk().host, usual))
        except OSError:
            return 0
    return usual
