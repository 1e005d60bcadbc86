"""Of the audio process: the two lanes to the room, its orders and its state.

Positions count samples (one per mono frame) since the tape was made; they only ever grow.
"""

from .base import Message


class Follow(Message, tag="follow", frozen=True):
    """Room to audio, on the microphone lane: send me the tape.

    Said at the start of a stream and then several times a second as acknowledgement. A ``stream``
    that audio does not know starts a new one at ``next``; for a known one ``next`` tells how far
    the room has received, which bounds what may be under way.
    """

    stream: int
    """Random number that the room chooses for each stream; a new one also rewinds."""
    next: int
    """First position not yet received; -1: from the first one not yet served."""
    served: int
    """Every sample before this position has reached the agent, as far as can be known; -1: no
    news. It goes back when what was sent turns out not to have got there. Audio writes it to the
    tape, where it outlives both processes."""


class Captured(Message, tag="captured", frozen=True):
    """Audio to room, on the microphone lane: a run of samples from the tape."""

    stream: int
    position: int
    """Of the first sample."""
    sample_rate: int
    """Hz."""
    pcm: bytes
    """int16 little endian, mono. Empty when ``gap`` is not 0."""
    gap: int = 0
    """Number of samples that were never captured (device lost) or are no longer on the tape."""
    behind: int = 0
    """Samples that are on the tape after this run: 0 or a block when live."""


class Spoken(Message, tag="spoken", frozen=True):
    """Room to audio, on the speaker lane: samples of the agent's voice to be played."""

    sequence: int
    """Counts the frames of this room process, so that a loss is seen."""
    sample_rate: int
    """Hz."""
    pcm: bytes
    """int16 little endian, mono."""


class Hush(Message, tag="hush", frozen=True):
    """Room to audio, on the speaker lane: throw away what is not yet played."""

    interrupted: bool = False
    """The agent has stopped speaking, whether at its end or because it was spoken to: only if
    somebody speaks here, so that the end of a sentence is heard."""


class StartRecording(Message, tag="start-recording", frozen=True):
    """Ask to audio: a conversation begins. Answered by :class:`RecordingStarted` once samples
    really arrive from the device.
    """

    conversation: str
    """Id of the conversation whose words the tape will hold."""
    resume: bool = False
    """The conversation stands. Go on with its recording if the tape has one, keeping its served
    position; and if this is refused because no samples come, record as soon as they do. False:
    position 0 of the conversation is now, and a refusal is the end of it."""
    woken: bool = False
    """It begins because of :class:`Woken`: with what was said since shortly before."""


class Woken(Message, tag="woken", frozen=True):
    """Fact of audio: a voice or the wake word was heard; said again until a conversation is on."""


class RecordingStarted(Message, tag="recording-started", frozen=True):
    """Audio's answer to :class:`StartRecording`."""

    position: int
    """First sample of the conversation on the tape."""
    sample_rate: int


class StopRecording(Message, tag="stop-recording", frozen=True):
    """Ask to audio: the conversation has ended; nothing more goes on the tape."""


class SetMuted(Message, tag="set-muted", frozen=True):
    """Ask to audio (or to the session, which passes it on): microphone off or on."""

    muted: bool

    @property
    def lapses(self) -> bool:
        """The microphone does not come on late."""
        return not self.muted


class SetVolume(Message, tag="set-volume", frozen=True):
    """Ask to audio: how loud the agent is, now and in the processes after this one."""

    percent: int
    """0 to 100."""


class AudioState(Message, tag="audio-state", frozen=True):
    """Snapshot of the audio process."""

    recording: bool
    """Samples of a conversation are going on the tape right now."""
    muted: bool
    conversation: str
    """The conversation on the tape; empty: none."""
    sample_rate: int
    input: str
    """Name of the capture device, or the file."""
    output: str
    error: str = ""
    """What is wrong with a device, if anything."""
    deaf: str = ""
    """The microphone gives ``silence`` (only zeros), is ``stuck`` (one value), ``clipping`` (all
    the time at full scale) or has ``stopped``; empty: it hears."""
    notes: str = ""
    """What an operator should know of the choice of the devices."""
    input_xruns: int = 0
    """Times that samples of the microphone were lost in the device, in this process."""
    output_xruns: int = 0
    """Times that the loudspeaker's device ran out of samples."""
    underruns: int = 0
    """Times that the agent's voice ran dry within a phrase."""
    dropped: int = 0
    """Samples of the agent's voice that were thrown away because too many waited."""
    volume: int = 100
    """Percent."""
    listens: str = ""
    """There is no conversation, and it waits for ``voice`` or for ``wake-word``; empty: it does
    not listen."""
    kept_in: str = ""
    """The sound is being written to files in this folder, for support; empty: it is not."""
    chosen_input: str = ""
    """The microphone that was chosen while the terminal ran, by id or name; empty: the config's."""
    chosen_output: str = ""
    """The loudspeaker, likewise."""


class AudioLevel(Message, tag="audio-level", frozen=True):
    """Meter, a few times a second."""

    input_dbfs: float
    """RMS of the microphone over the last interval; -120.0: nothing or silence."""
    output_dbfs: float
    """RMS of what was played."""
    speech: bool = False
    """Somebody has spoken here within the last second, as far as the level can tell."""
