"""The operator's terminal as it is drilled: its own settings, but for ears, mouth and places."""

import json
import uuid
import wave
from dataclasses import dataclass
from pathlib import Path

import msgspec

from actors.settings import Settings
from actors.settings.model import Terminal
from actors.settings.supervision import ActorSettings

from .chords import MAX_BLOCKS
from .coded_signal import generate

HEARD_RATE = 48_000
"""Hz, of what the agent hears."""


@dataclass(frozen=True)
class Staging:
    """Files of one drill, in its folder."""

    settings: Settings
    folder: Path

    @property
    def config(self) -> Path:
        """Of the terminal."""
        return self.folder / "terminal.yaml"

    @property
    def speech(self) -> Path:
        """The coded signal, for a microphone."""
        return self.folder / "speech.wav"

    @property
    def heard(self) -> Path:
        """All that the agent has heard: int16 mono at 48 kHz."""
        return self.folder / "heard.pcm"

    @property
    def room(self) -> str:
        """Name of the room."""
        return self.settings.livekit.room_name

    def write(self) -> None:
        """Config and speech."""
        # YAML is a config's other language, and JSON is YAML.
        self.config.write_text(json.dumps(self.settings.to_plain()))
        self.heard.touch(mode=0o600)
        with wave.open(str(self.speech), "wb") as wav:
            rate = self.settings.audio.sample_rate
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(rate)
            wav.writeframes(generate(MAX_BLOCKS, rate).astype("<i2").tobytes())


def staged(settings: Settings, folder: Path) -> Staging:
    """The settings with coded speech for the only microphone and no loudspeaker; sound as it is,
    because what changes a voice changes the code; any free port for the page; a room of its own, in
    which the drill is the agent; a history of its own; and without other programs, which may run
    already.
    """
    staging = Staging(settings, folder)
    replace = msgspec.structs.replace
    practice = settings.livekit.backend == "practice"
    changed = replace(
        settings,
        terminal=Terminal(name=settings.terminal.name, log_level=settings.terminal.log_level),
        livekit=replace(
            settings.livekit,
            agent_name="",
            agent_metadata="",
            room_name=f"drill-{uuid.uuid4().hex[:12]}",
        ),
        session=replace(settings.session, start="manual", pre_connect_audio=True),
        audio=replace(
            settings.audio,
            input=f"file:{staging.speech}",
            input_fallbacks=(),
            output="none",
            output_fallbacks=(),
            loop=True,
            echo_cancellation=False,
            noise_suppression=False,
            auto_gain=False,
        ),
        history=replace(settings.history, path=""),
        kiosk=replace(settings.kiosk, host="127.0.0.1", port=0),
        actors=_listening(settings, staging.heard) if practice else settings.actors,
        programs={},
    )
    return Staging(changed, folder)


def _listening(settings: Settings, heard: Path) -> dict[str, ActorSettings]:
    parrot = settings.actors.get("parrot", ActorSettings())
    options = {**parrot.options, "hears": str(heard)}
    return {**settings.actors, "parrot": msgspec.structs.replace(parrot, options=options)}
