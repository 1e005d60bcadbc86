"""The settings of a terminal: one validated model, from which the JSON Schema is made.

Every docstring here is for operators and goes into the schema and the commented example
(nothing is written by hand there: ``callpoint schema`` prints them).
Secrets are not here: they come from the environment or a credentials file
(:mod:`actors.settings.credentials`).
"""

from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta

from .section import Name, Port, PositiveSeconds, Section, Text
from .supervision import ActorSettings, ProgramSettings, Supervisor

BUILT_IN_ACTORS = ("router", "history", "session", "audio", "parrot", "room", "kiosk")
"""Actors that need no ``target``; in the order in which they are started."""


class Terminal(Section, frozen=True):
    """Where this terminal keeps things."""

    name: Text = "callpoint"
    """Shown on the page and in the status."""
    runtime_dir: str = ""
    """Sockets and the tape: made with mode 0700, gone after a reboot. --runtime-dir and
    CALLPOINT_RUNTIME_DIR come first. Empty: /run/callpoint (root), else callpoint in
    XDG_RUNTIME_DIR, else /tmp/callpoint-UID."""
    state_dir: str = ""
    """What must survive a reboot: the history. CALLPOINT_STATE_DIR comes first. Empty:
    /var/lib/callpoint (root), else callpoint in XDG_STATE_HOME or ~/.local/state."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least important lines that still go to the log."""


class LiveKit(Section, frozen=True):
    """The room to talk in."""

    backend: Literal["livekit", "practice"] = "livekit"
    """livekit: a LiveKit server; practice: an embedded room with a parrot agent."""
    url: str = ""
    """ws:// or wss:// address of the server. Empty: LIVEKIT_URL, or as the token endpoint says."""
    agent_name: str = ""
    """Agent to be dispatched into the room. Empty: whichever the server sends by itself."""
    agent_metadata: str = ""
    """Given to the agent's job as its metadata."""
    room_name: str = ""
    """Empty: a new name for each conversation. With a name, a conversation that follows one whose
    room could not be left (the server was out of reach) begins half a minute later, so that it does
    not get that one's agent; what is said meanwhile is kept for its own."""
    identity: str = ""
    """Of this terminal in the room. Empty: terminal-HOSTNAME."""
    participant_name: str = ""
    """Of this terminal, for people."""
    participant_metadata: str = ""
    """Of this terminal, for the agent."""
    participant_attributes: dict[str, str] = {}
    """Of this terminal, for the agent."""
    encryption: bool = False
    """End-to-end: sound and texts, with a key that the agent has too: CALLPOINT_E2EE_KEY, which
    comes from where the other secrets do. Nothing of it reaches the server. The practice room has
    no network and needs none."""
    token_source: Literal["auto", "literal", "development", "program"] = "auto"  # noqa: S105
    """auto: the function, else the endpoint, else tokens are signed here with LIVEKIT_API_KEY and
    LIVEKIT_API_SECRET. literal: LIVEKIT_TOKEN, for one that was made elsewhere. development:
    LiveKit's development token server, for LIVEKIT_SANDBOX_ID. program: whichever attached program
    has a function for it (TokenSource.custom)."""
    token_endpoint: str = ""
    """http(s) address that answers POST with a server_url and a participant_token; headers for it,
    as a JSON object, in CALLPOINT_TOKEN_HEADERS. With development: in place of LiveKit's own."""
    token_function: str = ""
    """A function of your own as package.module:name, plain or async, from actors' TokenOptions to
    a TokenResponse. It runs in the session process."""
    token_caching: bool = False
    """Use a token again for the same room until a minute before its end. false: every join has a
    fresh one."""


class Session(Section, frozen=True):
    """When and how a conversation begins."""

    start: Literal["manual", "boot", "voice", "wake-word"] = "manual"
    """manual: by command, page or API; boot: as soon as the terminal runs; voice: when somebody
    speaks (needs callpoint[voice]); wake-word: when somebody says the word (callpoint[wake-word]).
    For the last two the microphone is listened to all the time, and the last 3 s are in memory, so
    that the agent hears also what was said first."""
    wake_word: Text = "okay_nabu"
    """alexa, hey_jarvis, hey_mycroft, okay_nabu, or the path of a microWakeWord model's .json."""
    end_after_silence: PositiveSeconds | Literal["off"] = "off"
    """Seconds in which nobody has spoken or written, after which the conversation ends. While the
    server is out of reach, the level of the microphone tells whether somebody speaks, for no longer
    than the tape holds what is said."""
    end_when_agent_leaves: bool = False
    """End the conversation when the agent has left it."""
    end_after: PositiveSeconds | Literal["off"] = "off"
    """Seconds after which a conversation ends, whatever is being said."""
    pre_connect_audio: bool = True
    """Record from the first moment and send the agent what was said before it came."""
    agent_connect_timeout: PositiveSeconds | Literal["off"] = 20.0
    """Seconds the agent has to take part; then the agent is failed(timeout). "off": for ever."""
    offline_messages: Literal["refuse", "keep"] = "refuse"
    """What becomes of a message to the agent when the room has been out of reach for 5 s. refuse:
    it is not sent, which is said at once. keep: it is sent when the connection is back, over
    restarts of whatever process; until then the status and the page call it kept, and should the
    conversation end before, the session's error says that it was not sent."""
    redispatch: bool = True
    """An agent that does not come, or is lost without having left, is called again: the
    conversation moves to a new room, soon and then ever more rarely, and takes what was said
    meanwhile along, as much as the tape holds. false: it stays where it is, and what was said
    until the timeout is discarded."""
    receivers: list[Text] = []
    """Receivers of your own as package.module:Class: each is made without arguments and brings
    messages into the list, final ones into the history too. They run in the session process, each
    in a thread of its own; one that fails is begun again."""


class Audio(Section, frozen=True):
    """Microphone and loudspeaker."""

    input: Text = "default"
    """A PortAudio device by its name (a part of it is enough), its index, or the id of its
    hardware, which stays the same after each plugging; "default", "none", or "file:PATH.wav" (16
    bits a sample), played in real time as if spoken. callpoint devices lists names and ids; what
    callpoint devices use has chosen comes first, until a reboot."""
    input_fallbacks: tuple[Text, ...] = ()
    """Used instead, in this order, while input cannot be opened or is deaf. With "none" at the end
    the terminal runs without a microphone rather than not at all."""
    output: Text = "default"
    """A device by name, index or id, "default", or "none"."""
    output_fallbacks: tuple[Text, ...] = ()
    """Used instead, in this order, while output cannot be opened."""
    deaf_detection: bool = True
    """A microphone that gives only zeros, one value, or nothing but full scale is said to be deaf
    within 2 s, and its process is renewed; then a fallback takes its place until it is well.
    false for one behind a noise gate, which gives only zeros between words."""
    volume: Annotated[int, Meta(ge=0, le=100)] = 100
    """Percent, of the agent's voice and of cues. callpoint volume comes first, until a reboot."""
    cue_wake: str = ""
    """WAV file that is played when a voice or the wake word was heard."""
    cue_listening: str = ""
    """WAV file that is played when a conversation begins: from now on every word is heard."""
    cue_muted: str = ""
    """WAV file that is played when the microphone is switched off."""
    cue_error: str = ""
    """WAV file that is played when the session or the agent has failed. The agent's voice is lower
    while a cue sounds."""
    recordings: str = ""
    """Folder for what callpoint record writes. Empty: recordings in the state directory."""
    loop: bool = False
    """An input file is played again and again instead of once."""
    sample_rate: Literal[16000, 24000, 48000] = 48000
    """Hz, of the tape and of the track sent to the agent."""
    block_ms: Literal[10, 20] = 20
    """Milliseconds in a block; 10 costs the room twice the CPU."""
    tape_seconds: Annotated[int, Meta(ge=10, le=600)] = 131
    """What the tape holds; 131 s are the most that an agent can be sent while it waits."""
    echo_cancellation: bool = False
    """LiveKit's echo canceller in the audio process."""
    noise_suppression: bool = False
    """LiveKit's noise suppression."""
    auto_gain: bool = False
    """LiveKit's automatic gain. What is off here may be done by the sound system instead."""
    realtime: bool = True
    """Let the audio and the room process run before everything else (SCHED_RR), where that is
    permitted: to root, or with LimitRTPRIO=1 in a systemd unit. false: as all others do."""


class History(Section, frozen=True):
    """Where messages are kept."""

    path: str = ""
    """SQLite file. Empty: history.sqlite3 in the state directory."""


class Kiosk(Section, frozen=True):
    """The page."""

    enabled: bool = True
    """Serve the page."""
    host: Text = "127.0.0.1"
    """Address to listen on; anything but loopback lets the network talk to this terminal."""
    port: Port = 8040
    """0: any free port, shown in the status and the log."""


class Settings(Section, frozen=True):
    """A callpoint terminal."""

    terminal: Terminal = Terminal()
    """Where this terminal keeps things."""
    livekit: LiveKit = LiveKit()
    """The room to talk in."""
    session: Session = Session()
    """When and how a conversation begins."""
    audio: Audio = Audio()
    """Microphone and loudspeaker."""
    history: History = History()
    """Where messages are kept."""
    kiosk: Kiosk = Kiosk()
    """The page."""
    supervisor: Supervisor = Supervisor()
    """How processes are started, watched and stopped."""
    actors: dict[Name, ActorSettings] = {}
    """Changes to built-in actors, and actors of your own."""
    programs: dict[Name, ProgramSettings] = {}
    """Other programs that run with this terminal."""

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """From plain data. Raises ``msgspec.ValidationError`` with a path."""
        return msgspec.convert(plain, cls)

    def to_plain(self) -> dict[str, Any]:
        """As plain data, for another process."""
        plain = msgspec.to_builtins(self)
        assert isinstance(plain, dict)
        return plain
