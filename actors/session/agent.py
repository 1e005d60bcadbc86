"""The agent as the session sees it: who it is, and its flags. Pure."""

from typing import get_args

from actors.messages import AgentError, AgentLife, AgentState, AgentView, Participant, Track

STATE_ATTRIBUTE = "lk.agent.state"
ON_BEHALF_ATTRIBUTE = "lk.publish_on_behalf"
CONVERSING: frozenset[AgentState] = frozenset({"listening", "thinking", "speaking"})
_STATES = get_args(AgentState)


def find_agent(participants: tuple[Participant, ...]) -> Participant | None:
    """The first participant of kind AGENT that does not publish for another."""
    return next(
        (p for p in participants if p.kind == "agent" and ON_BEHALF_ATTRIBUTE not in p.attributes),
        None,
    )


def find_avatar(participants: tuple[Participant, ...], agent: Participant) -> Participant | None:
    """The avatar worker that publishes for this agent, if there is one."""
    return next(
        (p for p in participants if p.attributes.get(ON_BEHALF_ATTRIBUTE) == agent.identity), None
    )


def state_of(agent: Participant) -> AgentState:
    """Its state attribute; idle when it has none, or one that LiveKit does not know."""
    state = agent.attributes.get(STATE_ATTRIBUTE, "idle")
    return state if state in _STATES else "idle"  # type: ignore[return-value]


def is_conversing(agent: Participant | None) -> bool:
    """It is there, and listens, thinks or speaks."""
    return agent is not None and state_of(agent) in CONVERSING


def track_of(participant: Participant | None, kind: str, source: str) -> Track | None:
    """Its first track of that kind and source."""
    tracks = participant.tracks if participant else ()
    return next((t for t in tracks if t.kind == kind and t.source == source), None)


def view_of(
    participants: tuple[Participant, ...],
    *,
    on: bool,
    buffering: bool,
    failure: AgentError | None,
) -> AgentView:
    """The snapshot of the Agent API's table.

    ``on``: the session is not disconnected; ``buffering``: the recorder really runs and what it
    records is kept for the agent.
    """
    agent = find_agent(participants) if on and failure is None else None
    life: AgentLife
    if failure is not None:
        life = "failed"
    elif not on:
        life = "disconnected"
    else:
        life = "connected" if agent else "connecting"
    state = state_of(agent) if agent else None
    conversing = state in CONVERSING
    avatar = find_avatar(participants, agent) if agent else None
    return AgentView(
        life=life,
        state=state,
        is_connected=conversing,
        can_listen=conversing or (life == "connecting" and buffering),
        is_pending=(life == "connecting" and not buffering)
        or (life == "connected" and not conversing),
        is_finished=life in ("disconnected", "failed"),
        error=failure,
        identity=agent.identity if agent else "",
        audio_track=track_of(agent, "audio", "microphone")
        or track_of(avatar, "audio", "microphone"),
        avatar_video_track=track_of(avatar, "video", "camera"),
    )
