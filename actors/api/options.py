"""How a terminal of one's own is to be; all of it becomes the config of ``callpoint run``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from actors.settings.credentials import API_KEY, API_SECRET, URL

from .errors import OptionsError


@dataclass(frozen=True)
class TokenSource:
    """Where the terminal gets a token for each join: one of the four below."""

    token_endpoint: str = ""
    is_practice: bool = False
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """For the terminal's process: keys are in no file and on no command line."""

    @classmethod
    def from_environment(cls) -> "TokenSource":
        """Signed by the terminal with LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET."""
        return cls()

    @classmethod
    def local(cls, url: str, api_key: str, api_secret: str) -> "TokenSource":
        """The same with these."""
        return cls(environment={URL: url, API_KEY: api_key, API_SECRET: api_secret})

    @classmethod
    def endpoint(cls, address: str) -> "TokenSource":
        """POST to this http(s) address, as LiveKit's SDKs do."""
        return cls(token_endpoint=address)

    @classmethod
    def practice(cls) -> "TokenSource":
        """No server: an embedded room with a parrot for an agent."""
        return cls(is_practice=True)


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
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


def config_of(
    options: SessionOptions, tokens: TokenSource, agent_name: str, agent_metadata: str
) -> dict[str, Any]:
    """The sections of a config file. Raises :class:`OptionsError`."""
    timeout = options.agent_connect_timeout
    config = {
        "terminal": {"log_level": options.log_level},
        "livekit": {
            "backend": "practice" if tokens.is_practice else "livekit",
            "token_endpoint": tokens.token_endpoint,
            "agent_name": agent_name,
            "agent_metadata": agent_metadata,
            "room_name": options.room,
            "identity": options.identity,
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
