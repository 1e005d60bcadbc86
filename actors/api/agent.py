"""The agent as the session sees it at one moment."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from actors.messages import AgentError, AgentLife, AgentState, AgentView, Track

from .errors import AgentFailed


class Waiter(Protocol):
    """How a session waits for its agent."""

    def __call__(
        self, until: Callable[["Agent"], bool], timeout_s: float | None, /
    ) -> Awaitable["Agent"]:
        """The agent, once ``until`` says yes; raises TimeoutError and ``SessionClosed``."""


async def _nobody_waits(_until: Callable[["Agent"], bool], _timeout_s: float | None) -> "Agent":
    raise RuntimeError("this agent belongs to no session")


@dataclass(frozen=True)
class Agent:
    """A snapshot; the waiters wait for a later one and return it."""

    life: AgentLife = "disconnected"
    """``disconnected``, ``connecting``, ``connected`` or ``failed``."""
    state: AgentState | None = None
    """``initializing``, ``idle``, ``listening``, ``thinking`` or ``speaking``; None unless
    connected."""
    is_connected: bool = False
    """It takes part: listens, thinks or speaks."""
    can_listen: bool = False
    """What is said now reaches it, be it later (pre-connect audio)."""
    is_pending: bool = False
    """It is awaited, or not yet ready."""
    is_finished: bool = True
    """There is none, or it has failed."""
    error: AgentError | None = None
    """``timeout``: it did not come in time; ``left``: it was there and is gone."""
    identity: str = ""
    """Of the participant."""
    audio_track: Track | None = None
    """Its voice, or that of its avatar worker."""
    avatar_video_track: Track | None = None
    """The camera of its avatar worker."""
    _wait: Waiter = field(default=_nobody_waits, repr=False, compare=False)

    async def wait_until_connected(self, timeout_s: float | None = None) -> "Agent":
        """Until it takes part.

        Raises :class:`AgentFailed` when it fails first (it may still come: wait again with
        ``session.agent``, and that failure is not raised a second time), :class:`SessionFailed`
        when no conversation is on because of an error, TimeoutError after ``timeout_s`` seconds,
        :class:`SessionClosed`.
        """
        return await self._unless_failed(lambda agent: agent.is_connected, timeout_s)

    async def wait_until_could_be_listening(self, timeout_s: float | None = None) -> "Agent":
        """Until what is said reaches it. Raises as :meth:`wait_until_connected`."""
        return await self._unless_failed(lambda agent: agent.can_listen, timeout_s)

    async def wait_until_finished(self, timeout_s: float | None = None) -> "Agent":
        """Until there is none, or it has failed. Raises TimeoutError and ``SessionClosed``."""
        return await self._wait(lambda agent: agent.is_finished, timeout_s)

    async def wait_until_microphone(self, timeout_s: float | None = None) -> Track:
        """Until its voice is published. Raises as :meth:`wait_until_connected`."""
        found = await self._unless_failed(lambda agent: agent.audio_track is not None, timeout_s)
        assert found.audio_track is not None
        return found.audio_track

    async def wait_until_camera(self, timeout_s: float | None = None) -> Track:
        """Until its avatar's camera is published. Raises as :meth:`wait_until_connected`."""
        found = await self._unless_failed(
            lambda agent: agent.avatar_video_track is not None, timeout_s
        )
        assert found.avatar_video_track is not None
        return found.avatar_video_track

    async def _unless_failed(
        self, until: Callable[["Agent"], bool], timeout_s: float | None
    ) -> "Agent":
        known = self.error

        def decided(agent: Agent) -> bool:
            nonlocal known
            known = known if agent.error == known else None
            return until(agent) or (agent.error is not None and known is None)

        found = await self._wait(decided, timeout_s)
        if not until(found) and found.error is not None:
            raise AgentFailed(found.error)
        return found


NO_AGENT = Agent()
"""Before anything is known."""


def agent_of(view: AgentView, wait: Waiter = _nobody_waits) -> Agent:
    """From the session's word."""
    return Agent(
        life=view.life,
        state=view.state,
        is_connected=view.is_connected,
        can_listen=view.can_listen,
        is_pending=view.is_pending,
        is_finished=view.is_finished,
        error=view.error,
        identity=view.identity,
        audio_track=view.audio_track,
        avatar_video_track=view.avatar_video_track,
        _wait=wait,
    )
