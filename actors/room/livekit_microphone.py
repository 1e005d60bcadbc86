"""The microphone as a track of LiveKit's client: published, published anew, fed, looked after."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from livekit import rtc
from livekit.rtc.participant import PublishTrackError, UnpublishTrackError

from . import reasons
from .backend import (
    MicrophoneBarred,
    MicrophoneRepublished,
    MicrophoneSubscribed,
    OnEvent,
    RoomError,
)
from .loss import Reception

log = logging.getLogger(__name__)

STATS_TIMEOUT_S = 1.0
QUEUE_MS = 100
"""What the client may hold of the microphone: enough for the jitter of two processes, and little
to be said twice after a crash."""

_MUTED = "the server has muted the microphone: unmute it there, or begin another conversation"
_NOT_ALLOWED = "the server lets this terminal publish no microphone: give it that right again"


class LiveKitMicrophone:
    """Of one connection, made in its loop. ``participant``: the local one; raises ``RoomError``
    while there is no connection.
    """

    def __init__(self, participant: Callable[[], Any], on_event: OnEvent) -> None:
        self._participant = participant
        self._emit = on_event
        self._source: Any = None
        self._publication: Any = None
        self._barred = ""
        self._rate = 0
        self._preconnect = False

    async def publish(self, sample_rate: int, *, preconnect: bool) -> str:
        """See ``publish_microphone`` of the backend's protocol.

        Without discontinuous transmission: it would leave the beginnings of words to a detector,
        and save only bandwidth; with redundancy (RED), which mends lost packets.
        """
        self._participant()
        self._rate, self._preconnect = sample_rate, preconnect
        loop = asyncio.get_running_loop()
        self._source = rtc.AudioSource(sample_rate, 1, queue_size_ms=QUEUE_MS, loop=loop)
        await self._publish()
        return str(self._publication.sid)

    async def republish(self) -> None:
        """See ``republish_microphone`` of the protocol. Where publishing has failed there is no
        track to be taken back, or the one that was stays.

        The old one is taken back last. In the other order the client negotiates twice at once, and
        soon after an outage of 6 s the new track stood still in 9 of 20 cases; in this one in none
        of 35.
        """
        before = self._publication
        await self._publish()
        if before is not None:
            await self._unpublish(before.sid)
        self.republished(self._publication)

    def republished(self, publication: Any) -> None:
        """It has a new sid: the client has published it anew."""
        self._emit(MicrophoneRepublished(str(publication.sid)))
        self.look()

    def subscribed(self, track: Any) -> None:
        """Somebody listens. Not of the publication: while one is being replaced that may be the
        other one.
        """
        if track is not None:
            self._emit(MicrophoneSubscribed(str(track.sid)))

    def look(self) -> None:
        """Whether the server lets it be heard. Nobody but the server mutes its track."""
        if self._source is None:
            return
        try:
            permissions = self._participant().permissions
        except RoomError:
            return  # gone: there is nothing to be heard on
        barred = ""
        if not _may_speak(permissions):
            barred = _NOT_ALLOWED
        elif self._publication is not None and self._publication.muted:
            barred = _MUTED
        if barred != self._barred:
            self._barred = barred
            self._emit(MicrophoneBarred(barred))

    async def reception(self) -> Reception | None:
        """See the protocol."""
        if self._publication is None:
            return None
        try:
            async with asyncio.timeout(STATS_TIMEOUT_S):
                found = await self._publication.track.get_stats()
        except Exception:  # the client raises nothing narrower; there will be another report
            return None
        stats = {each.WhichOneof("stats"): each for each in found}
        if "outbound_rtp" not in stats:
            return None
        sent = stats["outbound_rtp"].outbound_rtp.sent.packets_sent
        if "remote_inbound_rtp" not in stats:
            return Reception(sent, None)
        remote = stats["remote_inbound_rtp"].remote_inbound_rtp
        return Reception(sent, remote.rtc.timestamp, remote.received.packets_lost)

    async def capture(self, pcm: bytes) -> None:
        """See the protocol. Waits while the client's queue is full."""
        if self._source is None:
            raise RoomError("the microphone is not published", "not-connected")
        try:
            await self._source.capture_frame(rtc.AudioFrame(pcm, self._rate, 1, len(pcm) // 2))
        except Exception as error:  # the client raises nothing narrower
            raise RoomError(f"the client takes no audio: {type(error).__name__}") from None

    @property
    def queued_s(self) -> float:
        """Seconds captured but not yet sent."""
        return float(self._source.queued_duration) if self._source is not None else 0.0

    async def aclose(self) -> None:
        """Of the client's source; the track ends with the connection."""
        if self._source is not None:
            await self._source.aclose()

    async def _publish(self) -> None:
        if not _may_speak(self._participant().permissions):
            raise RoomError(_NOT_ALLOWED, "refused")  # the client waits 10 s for it, and knows less
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=True
        )
        options.preconnect_buffer = self._preconnect
        try:
            self._publication = await self._participant().publish_track(track, options)
        except PublishTrackError as error:
            raise RoomError(
                f"the microphone cannot be published: {reasons.scrubbed(error.message)}"
            ) from None

    async def _unpublish(self, sid: str) -> None:
        try:
            await self._participant().unpublish_track(sid)
        except UnpublishTrackError as error:
            log.warning("the old track stays", extra={"cause": reasons.scrubbed(error.message)})


def _may_speak(permissions: Any) -> bool:
    """``can_publish_sources`` empty: all of them."""
    sources = permissions.can_publish_sources
    microphone = rtc.TrackSource.SOURCE_MICROPHONE
    return bool(permissions.can_publish and (not sources or microphone in sources))
