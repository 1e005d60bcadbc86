"""The HTTP side: the page's files, its WebSocket, and who is let in."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import WSCloseCode, web
from aiohttp.typedefs import Handler

from .assets import Asset
from .browser import Browser, CarryOut
from .guard import HEADERS, Guard
from .orders import MAX_ORDER_BYTES
from .wire import Frame, Snapshot, encode

log = logging.getLogger(__name__)

MAX_BROWSERS = 32
"""Pages open at once; more are answered 503."""

_PING_S = 15.0
"""WebSocket pings: a page whose machine has vanished is noticed within half of it more."""


class Site:
    """``snapshot``: the state a new page begins with; ``count_changed``: pages came or went."""

    def __init__(
        self,
        assets: dict[str, Asset],
        *,
        snapshot: Callable[[], Snapshot],
        carry_out: CarryOut,
        count_changed: Callable[[], None],
    ) -> None:
        self._assets = assets
        self._snapshot = snapshot
        self._carry_out = carry_out
        self._count_changed = count_changed
        self._browsers: set[Browser] = set()
        self._runner: web.AppRunner | None = None
        self._guard = Guard("", ())

    @property
    def browsers(self) -> int:
        """Pages that are open."""
        return len(self._browsers)

    async def listen(self, host: str, port: int) -> int:
        """Serve from now on; returns the port taken. Raises OSError."""
        # aiohttp would log a traceback for each malformed request that anyone sends.
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        ports = [int(address[1]) for address in runner.addresses]
        self._guard = Guard(host, ports)
        return ports[0]

    async def close(self) -> None:
        """Send all pages away (they come back to the next start) and stop listening."""
        for browser in list(self._browsers):
            browser.end(WSCloseCode.GOING_AWAY)
        if self._runner is not None:
            await self._runner.cleanup()

    def broadcast(self, frame: Frame) -> None:
        """Show all pages a change, or a new beginning."""
        if not self._browsers:
            return
        text = encode(frame)
        for browser in list(self._browsers):
            if isinstance(frame, Snapshot):
                browser.restart(text)
            else:
                browser.show(frame.key(), text)

    # -- requests --------------------------------------------------------------------------------

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._admit], client_max_size=MAX_ORDER_BYTES)
        application.on_response_prepare.append(_harden)
        application.router.add_get("/ws", self._open_socket, allow_head=False)
        for path, asset in self._assets.items():
            application.router.add_get(path, _serve(asset))
        return application

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._guard.admits_host(request.headers.get("Host")):
            return web.Response(status=421, text="this is not the host you are looking for\n")
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except Exception:
            log.exception("page request failed", extra={"path": request.path})
            return web.Response(status=500, text="an error, which is in the log\n")

    async def _open_socket(self, request: web.Request) -> web.StreamResponse:
        headers = request.headers
        if not self._guard.admits_origin(headers.get("Origin"), headers.get("Host")):
            return web.Response(status=403, text="only this terminal's own page may connect\n")
        if self.browsers >= MAX_BROWSERS:
            return web.Response(status=503, text="too many pages are open\n")
        socket = web.WebSocketResponse(
            heartbeat=_PING_S, max_msg_size=MAX_ORDER_BYTES, compress=False, timeout=1.0
        )
        await socket.prepare(request)
        browser = Browser(socket, _cutter(request), self._carry_out, encode(self._snapshot()))
        self._browsers.add(browser)
        self._count_changed()
        try:
            await browser.attend()
        finally:
            self._browsers.discard(browser)
            self._count_changed()
        return socket


def _serve(asset: Asset) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=asset.content, content_type=asset.content_type, charset="utf-8")

    return serve


def _cutter(request: web.Request) -> Callable[[], None]:
    transport = request.transport

    def cut() -> None:
        if transport is not None:
            transport.abort()  # close() would wait for ever for a peer that does not read

    return cut


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers["Server"] = "callpoint"
