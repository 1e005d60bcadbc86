"""What can be called of a parrot, as of a LiveKit agent: two methods. Pure.

``repeat`` answers with what it was given. ``call back`` calls the caller's method of the name that
it was given, and answers with what that has come to.
"""

from actors.messages import Message, PracticeAnswer, PracticeCall, RpcResult

from .transcripts import NewId

PAYLOAD = "?"
"""Of the call back."""
MAX_WAITING = 64
"""Calls back whose answer is still to come; of more the oldest is forgotten."""


class Methods:
    """Of one agent."""

    def __init__(self, identity: str, ids: NewId) -> None:
        self._identity = identity
        self._ids = ids
        self._waiting: dict[str, str] = {}
        """Ids of the calls they are for, by those of the calls back."""

    def call(self, call: PracticeCall) -> list[Message]:
        """The client calls."""
        match call.method:
            case "repeat":
                return [PracticeAnswer(call.id, RpcResult(call.payload))]
            case "call back":
                id_ = self._ids("RPC_")
                self._waiting[id_] = call.id
                if len(self._waiting) > MAX_WAITING:
                    del self._waiting[next(iter(self._waiting))]
                return [PracticeCall(id_, call.payload, self._identity, PAYLOAD, call.timeout_s)]
        unsupported = RpcResult(code=1400, message="Method not supported at destination")
        return [PracticeAnswer(call.id, unsupported)]

    def answer(self, answer: PracticeAnswer) -> list[Message]:
        """The client has answered a call back."""
        if (id_ := self._waiting.pop(answer.id, None)) is None:
            return []
        return [PracticeAnswer(id_, answer.result)]

    def client_gone(self) -> None:
        """Nobody will answer, and nobody waits."""
        self._waiting.clear()
