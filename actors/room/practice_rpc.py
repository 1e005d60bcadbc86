"""The practice room's calls of methods."""

import asyncio
import secrets
from collections.abc import Callable

from actors.messages import InvokeRpc, Message, PracticeAnswer, PracticeCall, RpcResult

from .backend import RpcInvoked
from .rpc import DISCONNECTED, TIMED_OUT, UNSUPPORTED

MAX_CALLS = 64
"""Of the agent, that wait for their answer; of more the oldest is not answered any more."""


class PracticeCalls:
    """Both ways, of one room. ``send`` puts on the lane what it returns True for; ``invoked`` gets
    the agent's calls. Made in the loop it is used in.
    """

    def __init__(
        self, send: Callable[[Message], bool], invoked: Callable[[RpcInvoked], None]
    ) -> None:
        self._send = send
        self._invoked = invoked
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, asyncio.Future[RpcResult]] = {}
        self._answering: dict[str, asyncio.Future[RpcResult]] = {}
        self.served: frozenset[str] = frozenset()
        """Methods of this side."""

    async def perform(self, call: PracticeCall) -> RpcResult:
        """Call the other side."""
        answer: asyncio.Future[RpcResult] = self._loop.create_future()
        self._waiting[call.id] = answer
        try:
            if not self._send(call):
                return DISCONNECTED
            async with asyncio.timeout(call.timeout_s):
                return await answer
        except TimeoutError:
            return TIMED_OUT
        finally:
            del self._waiting[call.id]

    def take(self, message: Message) -> None:
        """A call of the other side, or its answer to one of ours."""
        match message:
            case PracticeAnswer(id=id_, result=result):
                answer = self._waiting.get(id_)
                if answer is not None and not answer.done():
                    answer.set_result(result)
            case PracticeCall(method=method) if method in self.served:
                self._invoke(message)
            case PracticeCall(id=id_):
                self._send(PracticeAnswer(id_, UNSUPPORTED))

    def break_off(self) -> None:
        """The other side is gone."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result(DISCONNECTED)
        for answer in list(self._answering.values()):
            answer.cancel()

    def _invoke(self, call: PracticeCall) -> None:
        if len(self._answering) >= MAX_CALLS:
            next(iter(self._answering.values())).cancel()
        answer: asyncio.Future[RpcResult] = self._loop.create_future()
        self._answering[call.id] = answer
        answer.add_done_callback(lambda _: self._answered(call.id, answer))
        invoked = InvokeRpc(call.method, call.caller, call.payload, call.timeout_s)
        self._invoked(RpcInvoked(invoked, answer))

    def _answered(self, id_: str, answer: "asyncio.Future[RpcResult]") -> None:
        if self._answering.get(id_) is answer:
            del self._answering[id_]
        if not answer.cancelled():
            self._send(PracticeAnswer(id_, answer.result()))


def new_call(method: str, caller: str, payload: str, timeout_s: float) -> PracticeCall:
    """With an id of its own."""
    return PracticeCall(secrets.token_hex(8), method, caller, payload, timeout_s)
