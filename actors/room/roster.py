"""Who is who among the remote participants (LiveKit Agents' conventions). Pure."""

from collections.abc import Iterable, Iterator

from actors.messages import Participant, Track

AGENT_STATE = "lk.agent.state"
"""Attribute an agent sets once its session has started."""
ON_BEHALF = "lk.publish_on_behalf"
"""Attribute of an avatar worker: identity of the agent in whose name it publishes."""


def agent_of(participants: Iterable[Participant]) -> Participant | None:
    """The agent: the first participant of kind agent that is no avatar worker."""
    return next(_agents(participants), None)


def listener_of(participants: Iterable[Participant]) -> Participant | None:
    """The first agent that is ACTIVE and so can be sent data."""
    return next((agent for agent in _agents(participants) if agent.active), None)


def voice_of(participants: Iterable[Participant]) -> tuple[str, Track] | None:
    """Identity of the publisher and the track with the agent's voice: its own microphone track,
    else the one of its avatar worker.
    """
    everyone = list(participants)
    if (agent := agent_of(everyone)) is None:
        return None
    workers = [each for each in everyone if each.attributes.get(ON_BEHALF) == agent.identity]
    for speaker in (agent, *workers):
        for track in speaker.tracks:
            if track.kind == "audio" and track.source == "microphone":
                return speaker.identity, track
    return None


def _agents(participants: Iterable[Participant]) -> Iterator[Participant]:
    return (
        each for each in participants if each.kind == "agent" and ON_BEHALF not in each.attributes
    )
