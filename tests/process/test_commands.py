"""Commands as an operator runs them, against the real router and stand-ins for the rest."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from actors.messages import (
    ActorStatus,
    AgentView,
    ChatMessage,
    Done,
    EndSession,
    Failed,
    GetStatus,
    HistoryPage,
    ListHistory,
    Message,
    RestartActor,
    Said,
    Say,
    SessionState,
    SetMuted,
    StartSession,
    Status,
)
from actors.messages.codec import decode, encode
from actors.runtime.actor import Actor
from actors.runtime.bus import Bus
from actors.runtime.client import Client, NotAllowed, NotRunning
from actors.runtime.control import CONTROL, ask_supervisor
from actors.runtime.errors import NoAnswer, OrderFailed
from supervisor.commands.failures import IN_DOUBT, NOT_RUNNING, ORDER_FAILED
from tests.children import DEADLINE_S, Children

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
ROUTER = "actors.router.process:Router"
DESK = f"{__name__}:Desk"


class Desk(Actor):
    """Stands in for session and history: does as it is told, and says so in its state."""

    async def on_start(self) -> None:
        self.orders: list[str] = []

    async def on_message(self, message: Message, sender: str) -> Message | None:
        match message:
            case Say(text="fail"):
                raise OrderFailed("not-connected", "there is no conversation", "callpoint start")
            case Say(text="doubt"):
                raise NoAnswer("room", 12.0)
            case Say(text=text, id=id_):
                return Said(ChatMessage(id_, "user_input", text, 1.0))
            case ListHistory(limit=limit, conversation=conversation):
                told = f"limit {limit} \x1b[2J\nof {conversation}"
                return HistoryPage((ChatMessage("m", "agent_transcript", told, 0.0),))
            case StartSession() | EndSession() | SetMuted():
                self.orders.append(message.tag())
                agent = AgentView("disconnected", None, False, False, False, True)
                room = " ".join(self.orders)
                muted = isinstance(message, SetMuted) and message.muted
                self.publish_state(
                    SessionState("", False, "disconnected", agent, muted, room_name=room)
                )
        return None


class Supervision:
    """Stands in for the supervisor on the operators' socket."""

    def __init__(self, bus: Bus) -> None:
        self.silent = False
        self._lane = bus.bind("router", CONTROL, self._on_frame)

    def _on_frame(self, peer: bytes, frame: bytes) -> None:
        envelope = decode(frame)
        assert envelope.sender.encode() == peer
        if self.silent:
            return
        row = ActorStatus(7, "running", 0, None, 1.0, 1.0, 1.0, "ok")
        answer: Message
        match envelope.message:
            case GetStatus():
                answer = Status("running", 6, 1.0, {"router": row})
            case RestartActor(name="router"):
                answer = Done()
            case _:
                answer = Failed("unknown-actor", "there is no actor rooter", "there are: router")
        self._lane.send(b"garbage", to=envelope.sender)
        frame = encode(answer, kind="reply", sender="supervisor", to=peer.decode(), id=envelope.id)
        self._lane.send(frame, to=envelope.sender)


class Operator:
    """Types commands; keeps what they answer."""

    def __init__(self, runtime_dir: Path) -> None:
        self._runtime_dir = runtime_dir

    async def types(self, *args: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "supervisor", *args, "--runtime-dir", str(self._runtime_dir)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
        assert process.returncode is not None
        assert b"Traceback" not in err
        return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def _supervised(runtime_dir: Path) -> AsyncIterator[Supervision]:
    bus = Bus(runtime_dir)
    try:
        yield Supervision(bus)
    finally:
        bus.close()


def _with_a_terminal(
    runtime_dir: Path, scenario: Callable[[Operator, Children, Supervision], Awaitable[None]]
) -> None:
    async def play() -> None:
        async with Children(runtime_dir) as children, _supervised(runtime_dir) as supervision:
            await children.start("router", ROUTER)
            await children.start("session", DESK)
            await children.start("history", DESK)
            await scenario(Operator(runtime_dir), children, supervision)

    asyncio.run(play())


def test_orders_reach_the_session(runtime_dir: Path) -> None:
    async def scenario(operator: Operator, _: Children, __: Supervision) -> None:
        for command in ("start", "mute", "unmute", "end"):
            assert await operator.types(command) == (0, "", "")
        code, out, _err = await operator.types("status", "--json")
        found = json.loads(out)
        assert code == 0
        assert found["session"]["room_name"] == "start-session set-muted set-muted end-session"
        assert found["agent"]["state"] == "disconnected"
        assert found["actors"]["router"]["pid"] == 7

    _with_a_terminal(runtime_dir, scenario)


def test_say_prints_the_id_or_the_reason(runtime_dir: Path) -> None:
    async def scenario(operator: Operator, _: Children, __: Supervision) -> None:
        code, out, err = await operator.types("say", "two", "tickets")
        assert (code, err) == (0, "")
        assert len(out.strip()) == 36
        assert await operator.types("say", "fail") == (
            ORDER_FAILED,
            "",
            "callpoint: there is no conversation\n  callpoint start\n",
        )
        assert await operator.types("say", "doubt") == (
            IN_DOUBT,
            "",
            "callpoint: room did not answer within 12 s; it may have been done all the same\n",
        )

    _with_a_terminal(runtime_dir, scenario)


def test_history_is_listed_for_people_and_for_programs(runtime_dir: Path) -> None:
    async def scenario(operator: Operator, _: Children, __: Supervision) -> None:
        code, out, _err = await operator.types(
            "history", "list", "--limit", "5", "--conversation", "c"
        )
        assert code == 0
        assert out.endswith("  agent  limit 5 [2J of c\n")
        _, out, _err = await operator.types("history", "list", "--json")
        (message,) = json.loads(out)
        assert (message["id"], message["kind"], message["is_final"]) == (
            "m",
            "agent_transcript",
            True,
        )

    _with_a_terminal(runtime_dir, scenario)


def test_an_order_waits_for_a_session_that_is_just_coming_back(runtime_dir: Path) -> None:
    async def scenario(operator: Operator, children: Children, _: Supervision) -> None:
        await children.kill("session")
        saying = asyncio.create_task(operator.types("say", "hello"))
        await children.start("session", DESK)
        code, out, _err = await saying
        assert code == 0
        assert out.strip()

    _with_a_terminal(runtime_dir, scenario)


def test_status_without_a_router_knows_what_the_supervisor_knows(runtime_dir: Path) -> None:
    async def scenario(operator: Operator, children: Children, _: Supervision) -> None:
        await children.kill("router")
        code, out, _err = await operator.types("status", "--json")
        found = json.loads(out)
        assert code == 0
        assert found["state"] == "running"
        assert found["session"]["connection_state"] == "unknown"

    _with_a_terminal(runtime_dir, scenario)


def test_restart_names_what_there_is(runtime_dir: Path) -> None:
    async def scenario(operator: Operator, _: Children, __: Supervision) -> None:
        assert await operator.types("restart", "router") == (0, "", "")
        assert await operator.types("restart", "rooter") == (
            ORDER_FAILED,
            "",
            "callpoint: there is no actor rooter\n  there are: router\n",
        )

    _with_a_terminal(runtime_dir, scenario)


def test_sockets_of_a_killed_terminal_are_no_terminal(runtime_dir: Path) -> None:
    async def scenario() -> None:
        for name in ("control", "router"):
            with socket.socket(socket.AF_UNIX) as left_over:
                left_over.bind(str(runtime_dir / f"{name}.sock"))
        code, _out, err = await Operator(runtime_dir).types("status")
        assert code == NOT_RUNNING
        assert "no terminal is running" in err

    asyncio.run(scenario())


def test_a_router_that_hangs_is_not_taken_for_no_terminal(runtime_dir: Path) -> None:
    async def scenario(operator: Operator, children: Children, _: Supervision) -> None:
        os.kill(children.pid("router"), signal.SIGSTOP)
        try:
            code, _out, err = await operator.types("mute")
        finally:
            os.kill(children.pid("router"), signal.SIGCONT)
        assert code == ORDER_FAILED
        assert f"the router of the terminal in {runtime_dir} does not answer" in err
        assert "callpoint status shows it" in err

    _with_a_terminal(runtime_dir, scenario)


def test_a_supervisor_that_hangs_is_not_waited_for(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with _supervised(runtime_dir) as supervision:
            supervision.silent = True
            with pytest.raises(NoAnswer, match="supervisor did not answer"):
                await ask_supervisor(runtime_dir, GetStatus(), 0.1)
            supervision.silent = False
            assert isinstance(await ask_supervisor(runtime_dir, GetStatus()), Status)
        with pytest.raises(NotRunning):
            await ask_supervisor(runtime_dir, GetStatus())

    asyncio.run(scenario())


# -- somebody else's -------------------------------------------------------------------------------


@contextmanager
def _closed_to_us(folder: Path) -> Iterator[None]:
    """Whoever we are: root is kept out of nothing."""
    folder.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o700)


def test_a_terminal_of_another_user_is_not_said_to_be_none(runtime_dir: Path) -> None:
    async def by_the_router() -> None:
        async with Client(runtime_dir):
            pass

    for asking in (by_the_router, lambda: ask_supervisor(runtime_dir, GetStatus())):
        with _closed_to_us(runtime_dir), pytest.raises(NotAllowed, match="may not speak") as told:
            asyncio.run(asking())
        assert "sudo -u" in told.value.remedy
