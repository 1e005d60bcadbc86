"""The kiosk process: the terminal as a web page of this machine."""

from actors.messages import (
    AudioLevel,
    AudioState,
    ChatMessage,
    KioskState,
    Message,
    MessageChanged,
    MessagePurged,
    MessagesRestored,
    Missed,
    SessionState,
)
from actors.runtime.actor import Actor
from actors.runtime.errors import OrderFailed
from actors.runtime.fetcher import Fetcher
from actors.runtime.insist import ANSWER_S, insist
from actors.runtime.post import ROUTER

from . import assets
from .address import LastPort, cannot_listen, page_address
from .guard import is_loopback
from .orders import Order, for_session
from .site import Site
from .view import View

SESSION = "session"

_PATIENCE_S = 1.5
"""How long a page's order waits for a session that has just crashed."""


class Kiosk(Actor):
    """Shows every page what the session says, and asks the session for what a page wants."""

    subscribes = (
        SessionState,
        AudioState,
        AudioLevel,
        MessageChanged,
        MessagePurged,
        MessagesRestored,
        Missed,
    )
    essential = False

    async def on_start(self) -> None:
        """Listen; the first page may come before the session has said anything."""
        files = assets.load()
        self._view = View(self.settings.terminal.name, assets.version(files))
        self._site = Site(
            files,
            snapshot=self._view.snapshot,
            carry_out=self._carry_out,
            count_changed=self._tell_state,
        )
        self._fetcher = Fetcher(self._ask_for_list, self._take_list)
        self._session_is_new = True
        self._address = ""
        self._address = page_address(self.settings.kiosk.host, await self._listen())
        self._tell_state()
        self.spawn(self._fetcher.run(), "fetch-lists")
        self.log.info("page is served", extra={"address": self._address})

    async def _listen(self) -> int:
        host, port = self.settings.kiosk.host, self.settings.kiosk.port
        if not is_loopback(host):
            self.log.warning("the network can talk to this terminal", extra={"host": host})
        last = LastPort(self.runtime_dir)
        if port == 0 and self.incarnation > 1 and (before := last.read()):
            try:
                return await self._site.listen(host, before)
            except OSError:
                self.log.warning("the port before is taken", extra={"port": before})
        try:
            taken = await self._site.listen(host, port)
        except OSError as error:
            raise cannot_listen(host, port, error) from error
        last.write(taken)
        return taken

    async def on_message(self, message: Message, sender: str) -> Message | None:
        """Show what is published."""
        if not isinstance(message, self.subscribes):
            raise OrderFailed("invalid", "the kiosk takes no orders but from its page")
        if isinstance(message, SessionState) and self._session_is_new:
            # Its first word since it or we began, so that we are surely subscribed by now.
            self._session_is_new = False
            self._fetcher.fetch()
        if isinstance(message, MessagesRestored | Missed):
            self._fetcher.fetch()
        elif (frame := self._view.apply(message)) is not None:
            self._site.broadcast(frame)
        return None

    def on_peer(self, name: str, up: bool) -> None:
        """A crash is shown, and what may have been missed through it is asked for."""
        if (frame := self._view.peer(name, up=up)) is not None:
            self._site.broadcast(frame)
        if name in (SESSION, ROUTER):
            self._session_is_new = True
            if up:
                self._fetcher.fetch()

    async def _ask_for_list(self, message: Message) -> Message:
        self._view.expect_list()
        return await self.ask(SESSION, message)

    def _take_list(self, messages: tuple[ChatMessage, ...]) -> None:
        self._site.broadcast(self._view.take_list(messages))

    async def _carry_out(self, order: Order) -> Message:
        """No order does any harm when it is given twice."""
        message = for_session(order)
        return await insist(lambda: self.ask(SESSION, message, ANSWER_S), _PATIENCE_S)

    def _tell_state(self) -> None:
        self.publish_state(KioskState(self._address, self._site.browsers))

    def health(self) -> str:
        """Whether the pages show what there is."""
        return self._fetcher.trouble or "ok"

    def quiet(self) -> bool:
        """Nobody looks at a page."""
        return not self._site.browsers

    async def on_stop(self) -> None:
        """Send the pages away; they come back."""
        await self._site.close()
