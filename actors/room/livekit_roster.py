"""Who is in the room, as LiveKit's client has them, in the words of our messages."""

from collections.abc import Collection
from typing import Any

from livekit import rtc

from actors.messages import Participant, ParticipantKind, Track

_KINDS: dict[int, ParticipantKind] = {
    rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD: "standard",
    rtc.ParticipantKind.PARTICIPANT_KIND_INGRESS: "ingress",
    rtc.ParticipantKind.PARTICIPANT_KIND_EGRESS: "egress",
    rtc.ParticipantKind.PARTICIPANT_KIND_SIP: "sip",
    rtc.ParticipantKind.PARTICIPANT_KIND_AGENT: "agent",
}
_SOURCES = {
    rtc.TrackSource.SOURCE_MICROPHONE: "microphone",
    rtc.TrackSource.SOURCE_CAMERA: "camera",
    rtc.TrackSource.SOURCE_SCREENSHARE: "screenshare",
    rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO: "screenshare_audio",
}
_ACTIVE = 2
"""PARTICIPANT_STATE_ACTIVE of livekit_models.proto, which the client does not export."""


def roster_of(room: Any, undecipherable: Collection[str]) -> tuple[Participant, ...]:
    """The remote participants as they came; those who were there before us by the time of their
    joining. ``undecipherable``: identities of those whose sound cannot be decrypted.
    """
    everyone = sorted(
        room.remote_participants.values(),
        key=lambda each: each.joined_at.timestamp() if each.joined_at else float("inf"),
    )
    return tuple(
        _participant(each, undecipherable=each.identity in undecipherable) for each in everyone
    )


def _participant(participant: Any, *, undecipherable: bool) -> Participant:
    return Participant(
        identity=participant.identity,
        sid=participant.sid,
        kind=_KINDS.get(participant.kind, "other"),
        active=participant.state == _ACTIVE,
        attributes=participant.attributes,
        tracks=tuple(_track(each) for each in participant.track_publications.values()),
        name=participant.name,
        undecipherable=undecipherable,
    )


def _track(publication: Any) -> Track:
    return Track(
        sid=publication.sid,
        kind="audio" if publication.kind == rtc.TrackKind.KIND_AUDIO else "video",
        source=_SOURCES.get(publication.source, "unknown"),
        subscribed=publication.subscribed,
        muted=publication.muted,
        encrypted=publication.encryption_type != rtc.EncryptionType.NONE,
    )
