"""Who answers the calls that come from the room."""

from collections.abc import Awaitable, Callable

from actors.messages import InvokeRpc, Message, RpcResult
from actors.runtime.errors import NoAnswer, OrderFailed, Unreachable

UNSUPPORTED = RpcResult(code=1400, message="Method not supported at destination")
NO_RECIPIENT = RpcResult(code=1401, message="Recipient not found")
APPLICATION_ERROR = RpcResult(code=1500, message="Application error in method handler")
NOT_RECEIVED = RpcResult(code=1501, message="Connection timeout")
TIMED_OUT = RpcResult(code=1502, message="Response timeout")
DISCONNECTED = RpcResult(code=1503, message="Recipient disconnected")
"""LiveKit's own codes and words."""

MAX_METHODS = 64
"""Of one program; more are ignored."""
MAX_PROGRAMS = 16

Ask = Callable[[str, Message, float], Awaitable[Message]]
"""As of an actor."""


class RpcDesk:
    """Programs and actors by name, and their methods."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._served: dict[str, tuple[str, ...]] = {}

    @property
    def methods(self) -> frozenset[str]:
        """All that somebody serves."""
        return frozenset(method for methods in self._served.values() for method in methods)

    def serve(self, name: str, methods: tuple[str, ...]) -> None:
        """It serves these from now on, and no others."""
        self._served.pop(name, None)
        if methods:
            self._served[name] = methods[:MAX_METHODS]
        while len(self._served) > MAX_PROGRAMS:
            del self._served[next(iter(self._served))]

    async def invoke(self, call: InvokeRpc) -> RpcResult:
        """Ask the one that came last; one that is gone is forgotten. Never raises."""
        while name := self._server_of(call.method):
            try:
                answer = await self._ask(name, call, call.timeout_s)
            except Unreachable:
                self._served.pop(name, None)
                continue
            except NoAnswer:
                return TIMED_OUT
            except OrderFailed:
                return APPLICATION_ERROR
            return answer if isinstance(answer, RpcResult) else APPLICATION_ERROR
        return UNSUPPORTED

    def _server_of(self, method: str) -> str:
        servers = (name for name in reversed(self._served) if method in self._served[name])
        return next(servers, "")
