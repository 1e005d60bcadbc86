"""What it takes to join: a room's name, a token, and whether to encrypt."""

import logging
import time
import uuid

from actors.messages import JoinRoom, TokenOptions, TokenResponse
from actors.runtime.errors import OrderFailed
from actors.settings import Settings

from .cipher import Cipher
from .tokens import TokenError, TokenSource
from .tokens.caching import CachingTokens, is_good
from .tokens.claims import room_of

log = logging.getLogger(__name__)


class Admission:
    """Of one session process. ``identity``: to join under."""

    def __init__(
        self, settings: Settings, tokens: TokenSource, identity: str, cipher: Cipher
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._identity = identity
        self.cipher = cipher
        self.room_name = ""
        """Of the conversation's room: as it is asked for, and then as the token has it."""
        self._prepared: tuple[str, TokenResponse] | None = None
        """A token for the first join of a conversation, and the room's name it was asked for."""

    def begin(self) -> None:
        """A new conversation."""
        self.cipher.begin()
        if self._prepared is not None and is_good(self._prepared[1].participant_token, time.time()):
            self.room_name = self._prepared[0]
        else:
            self._prepared = None
            self.take_new_room()

    def take_new_room(self) -> None:
        """A room whose agent has gone is not used again, unless the operator has named one."""
        self.room_name = self._new_room()

    async def prepare(self) -> None:
        """Fetch the token of the next conversation; one that cannot be had now is fetched then."""
        room_name = self._new_room()
        try:
            self._prepared = room_name, await self._fetch(room_name)
        except TokenError:
            log.info("no token ahead of time")

    async def order(self, conversation: str) -> JoinRoom:
        """The order to join, with a token. Raises ``TokenError``."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared[0] == self.room_name:
            response = prepared[1]
        else:
            response = await self._fetch(self.room_name)
        self.room_name = room_of(response) or self.room_name
        return JoinRoom(
            conversation,
            response.server_url,
            response.participant_token,
            microphone=True,
            preconnect=self._settings.session.pre_connect_audio,
            room_name=self.room_name,
            identity=self._identity,
            encrypted=self.cipher.enabled,
        )

    def failed(self, error: Exception) -> None:
        """A join has; a token that was refused is not used again."""
        refused = isinstance(error, OrderFailed) and error.code == "refused"
        if refused and isinstance(self._tokens, CachingTokens):
            self._tokens.invalidate()

    def _new_room(self) -> str:
        return self._settings.livekit.room_name or f"callpoint-{uuid.uuid4().hex[:12]}"

    async def _fetch(self, room_name: str) -> TokenResponse:
        livekit = self._settings.livekit
        return await self._tokens.fetch(
            TokenOptions(
                room_name,
                self._identity,
                livekit.agent_name,
                livekit.agent_metadata,
                livekit.participant_name,
                livekit.participant_metadata,
                livekit.participant_attributes,
            )
        )
