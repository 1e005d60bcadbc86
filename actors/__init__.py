"""callpoint for programs: LiveKit's Agent API, and the packages that run inside the processes.

``from actors import Session`` loads what it names and no more: ZeroMQ when a session is opened,
LiveKit's client never, because it runs in the terminal's own processes.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api.agent import Agent as Agent
    from .api.blocking import BlockingSession as BlockingSession
    from .api.data import DataPacket as DataPacket
    from .api.devices import AudioDevice as AudioDevice
    from .api.errors import AgentFailed as AgentFailed
    from .api.errors import CallpointError as CallpointError
    from .api.errors import OptionsError as OptionsError
    from .api.errors import OrderInDoubt as OrderInDoubt
    from .api.errors import OrderRefused as OrderRefused
    from .api.errors import SendInDoubt as SendInDoubt
    from .api.errors import SessionClosed as SessionClosed
    from .api.errors import SessionFailed as SessionFailed
    from .api.errors import TerminalError as TerminalError
    from .api.message import ReceivedMessage as ReceivedMessage
    from .api.message import SentMessage as SentMessage
    from .api.messaging import MessageReceiver as MessageReceiver
    from .api.messaging import MessageSender as MessageSender
    from .api.messaging import TextSender as TextSender
    from .api.options import SessionOptions as SessionOptions
    from .api.rpc import RpcError as RpcError
    from .api.rpc import RpcInvocation as RpcInvocation
    from .api.session import Session as Session
    from .api.snapshot import Change as Change
    from .api.snapshot import Levels as Levels
    from .api.snapshot import MessageChanged as MessageChanged
    from .api.snapshot import MessagePurged as MessagePurged
    from .api.snapshot import Refreshed as Refreshed
    from .api.snapshot import Snapshot as Snapshot
    from .api.snapshot import StateChanged as StateChanged
    from .api.tokens import TokenOptions as TokenOptions
    from .api.tokens import TokenResponse as TokenResponse
    from .api.tokens import TokenSource as TokenSource
    from .messages import SessionError as SessionError
    from .messages import Track as Track

_HOMES = {
    "api.agent": ("Agent",),
    "api.blocking": ("BlockingSession",),
    "api.data": ("DataPacket",),
    "api.devices": ("AudioDevice",),
    "api.errors": (
        "AgentFailed",
        "CallpointError",
        "OptionsError",
        "OrderInDoubt",
        "OrderRefused",
        "SendInDoubt",
        "SessionClosed",
        "SessionFailed",
        "TerminalError",
    ),
    "api.message": ("ReceivedMessage", "SentMessage"),
    "api.messaging": ("MessageReceiver", "MessageSender", "TextSender"),
    "api.options": ("SessionOptions",),
    "api.rpc": ("RpcError", "RpcInvocation"),
    "api.session": ("Session",),
    "api.snapshot": (
        "Change",
        "Levels",
        "MessageChanged",
        "MessagePurged",
        "Refreshed",
        "Snapshot",
        "StateChanged",
    ),
    "api.tokens": ("TokenOptions", "TokenResponse", "TokenSource"),
    "messages": ("SessionError", "Track"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Agent",
    "AgentFailed",
    "AudioDevice",
    "BlockingSession",
    "CallpointError",
    "Change",
    "DataPacket",
    "Levels",
    "MessageChanged",
    "MessagePurged",
    "MessageReceiver",
    "MessageSender",
    "OptionsError",
    "OrderInDoubt",
    "OrderRefused",
    "ReceivedMessage",
    "Refreshed",
    "RpcError",
    "RpcInvocation",
    "SendInDoubt",
    "SentMessage",
    "Session",
    "SessionClosed",
    "SessionError",
    "SessionFailed",
    "SessionOptions",
    "Snapshot",
    "StateChanged",
    "TerminalError",
    "TextSender",
    "TokenOptions",
    "TokenResponse",
    "TokenSource",
    "Track",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
