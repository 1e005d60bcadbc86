"""Stages of the real server: with peers that the test moves, or with the real agent worker."""

import asyncio
import json
from typing import Any

from livekit import api, rtc

from actors.room.backend import OnEvent, RoomBackend
from actors.room.livekit_room import LiveKitRoom
from tests.peers.agent_worker import AgentWorker
from tests.peers.livekit_server import LiveKitServer
from tests.peers.moderator import Moderator
from tests.system.room_peer import Peer

from .stage import Stage

PRECONNECT_FEATURE = 6
"""TF_PRECONNECT_BUFFER of livekit_models.proto."""


class LiveKitPeer(Peer):
    """A participant over LiveKit's client."""

    @property
    def announced_preconnect(self) -> bool:
        """The track that it hears announces a pre-connect buffer."""
        return PRECONNECT_FEATURE in self.features

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        await self.me.set_attributes(attributes)

    async def mute(self) -> None:
        (publication,) = self.me.track_publications.values()
        publication.track.mute()

    async def open_text(
        self,
        stream_id: str,
        topic: str = "lk.transcription",
        attributes: dict[str, str] | None = None,
        in_name_of: str | None = None,
    ) -> rtc.TextStreamWriter:
        return await self.me.stream_text(
            stream_id=stream_id, topic=topic, attributes=attributes, sender_identity=in_name_of
        )


class LiveKitStage(Stage):
    """``server``: running."""

    def __init__(self, server: LiveKitServer) -> None:
        super().__init__()
        self._server = server
        self.e2ee_key = ""
        """Of the terminal."""
        self.url, self.key, self.secret = server.url, server.api_key, server.api_secret
        self.moderator = Moderator(server, self.room)

    def make(self, on_event: OnEvent) -> RoomBackend:
        return LiveKitRoom(on_event, self.e2ee_key)

    async def peer(
        self, identity: str = "agent", kind: str = "agent", e2ee_key: str = ""
    ) -> LiveKitPeer:
        return await self.stack.enter_async_context(
            LiveKitPeer(self._server, self.room, identity, kind, e2ee_key)
        )

    async def kill(self) -> None:
        await asyncio.to_thread(self._server.kill)

    async def restart(self) -> None:
        await asyncio.to_thread(self._server.start)


class WorkerStage(LiveKitStage):
    """The token calls the worker's agent. ``orders``: see ``worker.Orders``."""

    def __init__(self, server: LiveKitServer, worker: AgentWorker, **orders: Any) -> None:
        super().__init__(server)
        self._worker = worker
        self._orders = orders

    def access(self, identity: str, **claims: Any) -> api.AccessToken:
        orders = json.dumps(self._orders)
        call = api.RoomAgentDispatch(agent_name=self._worker.name, metadata=orders)
        return (
            super()
            .access(identity, **claims)
            .with_room_config(api.RoomConfiguration(agents=[call]))
        )

    @staticmethod
    def understood_s(text: str) -> float:
        """Seconds of speech in what the agent has understood."""
        return int(text.removeprefix("heard ").removesuffix(" tones")) / 10
