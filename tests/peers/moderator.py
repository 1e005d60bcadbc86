"""Somebody who may decide who is heard in a room: by the server's API, as a back end does."""

from livekit import api

from .livekit_server import LiveKitServer


class Moderator:
    """Of one room."""

    def __init__(self, server: LiveKitServer, room: str) -> None:
        self._server, self._room = server, room

    async def permit(self, identity: str = "terminal", *, publish: bool) -> None:
        """Give the right to publish, or take it."""
        permission = api.ParticipantPermission(
            can_publish=publish, can_subscribe=True, can_publish_data=True
        )
        async with self._api() as server:
            await server.room.update_participant(
                api.UpdateParticipantRequest(
                    room=self._room, identity=identity, permission=permission
                )
            )

    async def mute(self, sid: str, identity: str = "terminal", *, muted: bool) -> None:
        """A track."""
        async with self._api() as server:
            await server.room.mute_published_track(
                api.MuteRoomTrackRequest(
                    room=self._room, identity=identity, track_sid=sid, muted=muted
                )
            )

    def _api(self) -> api.LiveKitAPI:
        url = self._server.url.replace("ws", "http", 1)
        return api.LiveKitAPI(url, self._server.api_key, self._server.api_secret)
