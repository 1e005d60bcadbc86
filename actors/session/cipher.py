"""End-to-end encryption as the session sees it: on or off, and whether both sides agree. Pure."""

from actors.messages import Participant
from actors.runtime.errors import OrderFailed

from .agent import find_agent, find_avatar, track_of

ANOTHER_KEY = "what the agent sends cannot be decrypted: it has another key"
NOT_ENCRYPTED = "the agent does not encrypt: it has no key"
NO_KEY = "the agent encrypts, and this terminal has no key"


class Cipher:
    """Of one session process. ``has_key``: the room's process has one."""

    def __init__(self, *, has_key: bool, enabled: bool) -> None:
        self.has_key = has_key
        self.enabled = has_key and enabled
        self._told = ""

    def set(self, *, enabled: bool) -> None:
        """On or off from now on; raises ``OrderFailed``."""
        if enabled and not self.has_key:
            raise OrderFailed(
                "invalid", "the terminal has no key to encrypt with", "set [livekit] encryption"
            )
        self.enabled = enabled

    def begin(self) -> None:
        """A new conversation: what is wrong is told again."""
        self._told = ""

    def news(self, participants: tuple[Participant, ...]) -> str:
        """What is wrong since the last time; empty: nothing new."""
        trouble = self._trouble(participants)
        is_new, self._told = trouble != self._told, trouble
        return trouble if is_new else ""

    def _trouble(self, participants: tuple[Participant, ...]) -> str:
        if (agent := find_agent(participants)) is None:
            return ""
        avatar = find_avatar(participants, agent)
        voice = track_of(agent, "audio", "microphone") or track_of(avatar, "audio", "microphone")
        if voice is not None and voice.encrypted and not self.has_key:
            return NO_KEY
        if not self.enabled:
            return ""
        if voice is not None and not voice.encrypted:
            return NOT_ENCRYPTED  # what cannot be decrypted was never encrypted
        undecipherable = any(each.undecipherable for each in (agent, avatar) if each)
        return ANOTHER_KEY if undecipherable else ""
