"""What is known of a running terminal, put together from the supervisor and the snapshots."""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from actors.messages import (
    ActorStatus,
    AgentView,
    AudioState,
    GetStatus,
    HistoryState,
    KioskState,
    Message,
    RoomState,
    SessionState,
    Status,
)
from actors.runtime.client import Client
from actors.runtime.control import ask_supervisor
from actors.runtime.errors import OrderFailed
from actors.runtime.post import ROUTER

from .table import columns, duration

_SNAPSHOTS = (SessionState, AudioState, RoomState, HistoryState, KioskState)
_SNAPSHOTS_S = 2.0
"""The router answers within milliseconds, unless it is just being restarted."""

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Overview:
    """One look at a terminal; None: not known, because its actor has not said it yet."""

    status: Status
    session: SessionState | None = None
    audio: AudioState | None = None
    room: RoomState | None = None
    history: HistoryState | None = None
    kiosk: KioskState | None = None


async def take(runtime_dir: Path) -> Overview:
    """Look. Raises ``NotRunning`` and what else the supervisor's answer can be."""
    status, snapshots = await asyncio.gather(
        ask_supervisor(runtime_dir, GetStatus()), _snapshots(runtime_dir), return_exceptions=True
    )
    if isinstance(status, OrderFailed):
        status.in_doubt = False  # nothing was to be done
    if isinstance(status, BaseException):
        raise status
    if isinstance(snapshots, BaseException):
        raise snapshots
    assert isinstance(status, Status)
    return compose(status, snapshots)


def compose(status: Status, snapshots: list[Message]) -> Overview:
    """Put together; of several snapshots of a kind the last one counts."""
    found: dict[type, Any] = {type(snapshot): snapshot for snapshot in snapshots}
    return Overview(status, *(found.get(kind) for kind in _SNAPSHOTS))


async def _snapshots(runtime_dir: Path) -> list[Message]:
    """Those that the router holds. None at all while the router is not up, which is no error."""
    snapshots: list[Message] = []

    def keep(message: Message, _sender: str) -> None:
        snapshots.append(message)

    with contextlib.suppress(OrderFailed):
        async with Client(runtime_dir, subscribes=_SNAPSHOTS, on_message=keep) as client:
            # The router refuses it, and does so after having sent all that it holds.
            await client.ask(ROUTER, GetStatus(), _SNAPSHOTS_S)
    return snapshots


# -- for programs --------------------------------------------------------------------------------


def as_dict(overview: Overview) -> dict[str, Any]:
    """The operator contract: these keys are always there."""
    status = overview.status
    return {
        "state": status.state,
        "pid": status.pid,
        "uptime_s": round(status.uptime_s, 3),
        "session": _session(overview.session),
        "agent": _agent(overview.session.agent if overview.session else None),
        "actors": _plain(status.actors),
        "audio": _fields(overview.audio),
        "room": _fields(overview.room),
        "history": _fields(overview.history),
        "kiosk": _fields(overview.kiosk),
    }


def _session(session: SessionState | None) -> dict[str, Any]:
    if session is None:
        return {"is_connected": None, "connection_state": UNKNOWN, "error": None}
    fields = _fields(session)
    assert fields is not None
    del fields["agent"]
    return fields


def _agent(agent: AgentView | None) -> dict[str, Any]:
    """``state`` is the agent's own while it is connected, else where it is in its life."""
    if agent is None:
        flags = ("is_connected", "can_listen", "is_pending", "is_finished", "error")
        return {"state": UNKNOWN, **dict.fromkeys(flags)}
    fields = _fields(agent)
    assert fields is not None
    return {**fields, "state": agent.state or agent.life}


def _fields(struct: msgspec.Struct | None) -> dict[str, Any] | None:
    """By name at every depth: what is an array on the wire is a map for people."""
    if struct is None:
        return None
    return {name: _plain(getattr(struct, name)) for name in struct.__struct_fields__}


def _plain(value: Any) -> Any:
    match value:
        case msgspec.Struct():
            return _fields(value)
        case tuple() | list():
            return [_plain(element) for element in value]
        case dict():
            return {key: _plain(element) for key, element in value.items()}
    return value


# -- for people ----------------------------------------------------------------------------------


def as_text(overview: Overview, runtime_dir: Path) -> str:
    """A few lines and a table."""
    status = overview.status
    head = [
        ("terminal", f"{status.state} for {duration(status.uptime_s)}, pid {status.pid}"),
        ("", str(runtime_dir)),
        ("session", _session_words(overview.session)),
        ("agent", _agent_words(overview.session)),
        ("microphone", _audio_words(overview.audio)),
    ]
    if overview.history is not None:
        trouble = f", not writing: {overview.history.error}" if overview.history.error else ""
        head.append(("history", f"{overview.history.stored} messages{trouble}"))
    if overview.kiosk is not None:
        head.append(("page", overview.kiosk.address))
    rows = [_row(name, actor) for name, actor in status.actors.items()]
    titles = ("ACTOR", "STATE", "PID", "UP", "RESTARTS", "MIB", "CPU", "HEALTH", "LAST EXIT")
    return columns(head) + "\n\n" + columns([titles, *rows], right={2, 3, 4, 5, 6})


def _row(name: str, actor: ActorStatus) -> tuple[str, ...]:
    return (
        name,
        actor.state,
        str(actor.pid or "-"),
        duration(actor.uptime_s),
        str(actor.restarts),
        f"{actor.rss_mib:.0f}",
        f"{actor.cpu_percent:.1f}%",
        actor.health,
        actor.last_exit or "-",
    )


def _session_words(session: SessionState | None) -> str:
    if session is None:
        return UNKNOWN
    words: str = session.connection_state
    if session.room_name:
        words += f" to {session.room_name}"
    if session.encrypted:
        words += ", encrypted end to end"
    if session.kept:
        words += f", {session.kept} messages kept until it is back"
    if session.error is not None:
        words += f", error {session.error.kind}: {session.error.reason}"
    return words


def _agent_words(session: SessionState | None) -> str:
    if session is None:
        return UNKNOWN
    agent = session.agent
    words: str = agent.state or agent.life
    if agent.error:
        words += f" ({agent.error})"
    return words + (", can listen" if agent.can_listen else "")


def _audio_words(audio: AudioState | None) -> str:
    if audio is None:
        return UNKNOWN
    words = "muted" if audio.muted else "recording" if audio.recording else "off"
    input_ = f"{audio.input} (chosen)" if audio.chosen_input else audio.input
    output = f"{audio.output} (chosen)" if audio.chosen_output else audio.output
    words += f", from {input_} to {output}"
    words += f", error: {audio.error}" if audio.error else ""
    lost = {
        "samples of the microphone lost": audio.input_xruns,
        "loudspeaker ran dry": audio.output_xruns,
        "voice came too late": audio.underruns,
    }
    kept = f"written to files in {audio.kept_in}" if audio.kept_in else ""
    counted = ", ".join(f"{what} {times}x" for what, times in lost.items() if times)
    return words + "".join(f"; {more}" for more in (kept, audio.notes, counted) if more)
