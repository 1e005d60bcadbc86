"""What the machine wants done, one after the other, in the order in which it says so."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StartRecorder:
    """Ask audio to record; its answer comes back as recorder_started or recorder_failed."""

    resume: bool
    """The conversation stands: go on with what the tape has of it, and wait for a microphone that
    is slow."""


@dataclass(frozen=True)
class StopRecorder:
    """Nothing more goes on the tape."""


@dataclass(frozen=True)
class Join:
    """Fetch a token and join, after a delay in seconds, instead of any join that is under way; the
    answer is joined or join_failed.
    """

    delay_s: float = 0.0
    elsewhere: bool = False
    """In a new room, to which the conversation moves when the delay is over."""


@dataclass(frozen=True)
class Stay:
    """Give up a move to another room whose delay is not over: the agent is back."""


@dataclass(frozen=True)
class Leave:
    """Leave the room for good, and give up a join that is under way."""


@dataclass(frozen=True)
class Discard:
    """What was said so far is not to be sent."""


@dataclass(frozen=True)
class ArmTimer:
    """Call agent_timed_out after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class CancelTimer:
    """The agent need not be waited for any more."""


Effect = StartRecorder | StopRecorder | Join | Stay | Leave | Discard | ArmTimer | CancelTimer
