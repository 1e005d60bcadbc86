"""Calls of methods between agent and terminal: LiveKit's RPC."""

from .base import Message


class PerformRpc(Message, tag="perform-rpc", frozen=True):
    """Ask to the room: call a method of the agent. Answered by :class:`RpcResult`, or Failed when
    there is no room.
    """

    method: str
    payload: str
    timeout_s: float = 15.0
    """For the agent's answer."""


class RpcResult(Message, tag="rpc-result", frozen=True):
    """What a call has come to."""

    payload: str = ""
    code: int = 0
    """0: it was answered; 1001 to 1999: LiveKit's own codes; others: those of who was called."""
    message: str = ""
    """Why it was not answered."""
    data: str = ""
    """Whatever who was called adds to that."""


class ServeRpc(Message, tag="serve-rpc", frozen=True):
    """Ask of a program or an actor to the room: from now on I answer calls of these methods, and of
    no others. Of several the one that came last is asked.
    """

    methods: tuple[str, ...]


class InvokeRpc(Message, tag="invoke-rpc", frozen=True):
    """Ask of the room to who serves the method. Answered by :class:`RpcResult`."""

    method: str
    caller: str
    """Identity of the participant who calls."""
    payload: str
    timeout_s: float
    """After it, nobody waits for the answer any more."""
