"""How a terminal of one's own is to be; all of it becomes the config of ``callpoint run``."""

from dataclasses import dataclass, field
from typing import Any, Literal

from actors.settings.credentials import E2EE_KEY

from .errors import OptionsError
from .tokens import TokenOptions, TokenSource


@dataclass(frozen=True)
class SessionOptions:
    """What a conversation is like. A terminal that is attached to has its own options already."""

    room: str = ""
    """Name of the room; empty: a new one for each conversation."""
    identity: str = ""
    """Of this terminal in the room; empty: terminal-HOSTNAME."""
    pre_connect_audio: bool = True
    """Record from the first moment, and send the agent what was said before it came."""
    agent_connect_timeout: float | None = 20.0
    """Seconds until the agent has failed(timeout); None: never."""
    input: str = "default"
    """Microphone: a PortAudio device by name or index, ``default``, ``none`` or
    ``file:PATH.wav``."""
    output: str = "default"
    """Loudspeaker: a device, ``default`` or ``none``."""
    state_dir: str = ""
    """Where the message history is kept. Empty: it ends with the terminal."""
    encryption: str | None = field(default=None, repr=False)
    """End-to-end encryption with this key, which the agent must have too; None: none. It is in no
    file and on no command line."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least important lines that still go to the terminal's log."""


def environment_of(options: SessionOptions, tokens: TokenSource) -> dict[str, str]:
    """What is secret, for the environment of the terminal's process."""
    key = {} if options.encryption is None else {E2EE_KEY: options.encryption}
    return {**tokens.environment, **key}


def config_of(options: SessionOptions, tokens: TokenSource, wanted: TokenOptions) -> dict[str, Any]:
    """The sections of a config file. Raises :class:`OptionsError`."""
    timeout = options.agent_connect_timeout
    config = {
        "terminal": {"log_level": options.log_level},
        "livekit": {
            "agent_name": wanted.agent_name,
            "agent_metadata": wanted.agent_metadata,
            "room_name": wanted.room_name or options.room,
            "identity": wanted.participant_identity or options.identity,
            "participant_name": wanted.participant_name,
            "participant_metadata": wanted.participant_metadata,
            "participant_attributes": dict(wanted.participant_attributes),
            "encryption": options.encryption is not None,
            **tokens.livekit,
        },
        "session": {
            "start": "manual",
            "pre_connect_audio": options.pre_connect_audio,
            "agent_connect_timeout": "off" if timeout is None else timeout,
        },
        "audio": {"input": options.input, "output": options.output},
        "kiosk": {"enabled": False},
    }
    _check(config)
    return config


def _check(config: dict[str, Any]) -> None:
    import msgspec

    from actors.settings import Settings

    try:
        Settings.from_plain(config)
    except msgspec.ValidationError as mistake:
        raise OptionsError(
            f"no terminal can run with these options: {mistake}",
            "configs/terminal.toml explains every key",
        ) from None
