"""What a program gets from ``from actors import ...``: typed, and nothing loaded in vain."""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import actors

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
HEAVY = ("zmq", "livekit", "numpy", "aiohttp", "sounddevice", "multiprocess", "click", "supervisor")


def _python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_everything_named_is_there_and_documented() -> None:
    for name in actors.__all__:
        found = getattr(actors, name)
        assert name == "Change" or found.__doc__, name
    assert set(actors.__all__) <= set(dir(actors))
    with pytest.raises(AttributeError, match="no attribute 'Sesion'"):
        _ = actors.Sesion


def test_a_session_is_made_without_loading_zmq_or_livekit() -> None:
    loaded = _python(
        "import sys\n"
        "import actors\n"
        "light = sorted(sys.modules)\n"
        "from actors import *\n"
        "session = Session.with_agent('a', options=SessionOptions())\n"
        "session.messages, session.agent, session.error, session.is_connected\n"
        "print(*light, '|', *sys.modules)\n"
    )
    light, _, all_ = loaded.partition("|")
    assert not {"msgspec", "asyncio"} & set(light.split())
    assert not set(HEAVY) & set(all_.split())


PROGRAM = """
import asyncio
from collections.abc import AsyncIterator

from actors import (
    Agent, AudioDevice, BlockingSession, Change, MessageChanged, MessagePurged, ReceivedMessage,
    Refreshed, RpcError, RpcInvocation, SentMessage, Session, SessionError, SessionOptions,
    StateChanged, TextSender, TokenOptions, TokenResponse, TokenSource, Track,
)


class Log:
    async def send(self, message: SentMessage) -> None:
        print(message.text)


class News:
    async def messages(self) -> AsyncIterator[ReceivedMessage]:
        yield ReceivedMessage("1", 0.0, "agent_transcript", "news")


async def token(wanted: TokenOptions) -> TokenResponse:
    return TokenResponse("wss://x", f"for {wanted.room_name}")


def where(call: RpcInvocation) -> str:
    return f"{call.caller_identity} asks"


def told(change: Change) -> str:
    match change:
        case Refreshed(snapshot=snapshot) | StateChanged(snapshot=snapshot):
            return snapshot.connection_state
        case MessageChanged(message=message):
            return message.text
        case MessagePurged(id=gone):
            return gone


async def main() -> None:
    options = SessionOptions(agent_connect_timeout=None)
    tokens = TokenSource.endpoint("https://x/")
    session = Session.with_agent("a", token_source=tokens, options=options)
    async with session:
        await session.start()
        agent: Agent = await session.agent.wait_until_connected(10)
        reveal_type(agent.state)
        sent = await session.send("hello")
        print(sent.id)
        async for change in session.changes():
            print(told(change))
        async for snapshot in session.snapshots():
            print([message.text for message in snapshot.messages])
    Session(senders=[Log(), TextSender()], receivers=[News()])
    wanted = TokenOptions(room_name="lobby", participant_attributes={"floor": "2"})
    session = Session(TokenSource.custom(token).cached(), wanted, SessionOptions(encryption="k"))
    session.register_rpc_method("where", where)
    try:
        answer: str = await session.perform_rpc("price", "2")
    except RpcError as error:
        answer = f"{error.code} {error.data}"
    await session.set_encryption_enabled(False)
    microphones: tuple[AudioDevice, ...] = await session.get_local_devices("audioinput")
    await session.switch_active_device("audioinput", microphones[0])
    session.on_data(lambda packet: print(packet.payload, packet.topic), "news")
    await session.publish_data(b"x", to=[agent.identity])
    track: Track | None = session.agent.audio_track
    wrong: SessionError | None = session.error
    print(track, wrong)
    async for levels in session.levels():
        print(levels.agent_dbfs, answer)
    with BlockingSession.attach() as blocking:
        for level in blocking.levels():
            print(level.input_dbfs)
        print(blocking.agent.can_listen, blocking.error.kind if blocking.error else "")


asyncio.run(main())
"""


EXAMPLES = [
    ROOT / "tests" / "examples" / f"{name}.py"
    for name in ("creating", "talking", "messages", "errors", "view", "preconnect", "ticket")
]


def _mypy(tmp_path: Path, *programs: Path) -> list[str]:
    """What mypy finds in programs of a user's, with nothing of our own config."""
    done = subprocess.run(
        [*(sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--no-error-summary"),
         *("--cache-dir", str(tmp_path / "cache"), "--follow-imports", "silent"),
         *map(str, programs)],
        cwd=ROOT,
        env={"MYPYPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert not done.stderr
    return done.stdout.splitlines()


def test_a_program_is_type_checked_strictly(tmp_path: Path) -> None:
    """The one mistake in it is found: a message may not have been sent."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    words = ("initializing", "idle", "listening", "thinking", "speaking")
    state = " | ".join([*(f"Literal['{word}']" for word in words), "None"])
    assert [line.partition(": ")[2] for line in _mypy(tmp_path, program)] == [
        f'note: Revealed type is "{state}"',
        'error: Item "None" of "SentMessage | None" has no attribute "id"  [union-attr]',
    ]


def test_the_examples_are_type_checked_strictly(tmp_path: Path) -> None:
    assert _mypy(tmp_path, *EXAMPLES) == []


def _pyright(tmp_path: Path, *programs: Path) -> list[str]:
    """The same with pyright, whose settings are ``strict`` too."""
    config = {
        "include": [str(program) for program in programs],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "strict",
        "reportMatchNotExhaustive": "none",  # a matter of taste, and longer
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--outputjson"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    return [f"{each['severity']}: {each['message']}" for each in found]


def test_a_program_is_type_checked_strictly_by_pyright_too(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    words = ("initializing", "idle", "listening", "thinking", "speaking")
    state = f"Literal[{', '.join(map(repr, words))}] | None"
    assert _pyright(tmp_path, program, *EXAMPLES) == [
        f'information: Type of "agent.state" is "{state}"',
        'error: "id" is not a known attribute of "None"',
    ]


def test_the_reference_has_all_that_a_program_can_name(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pdoc", "--docformat", "restructuredtext", "-o", tmp_path, "actors"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    page = (tmp_path / "actors.html").read_text()
    wanted = [*actors.__all__, *(f"Session.{name}" for name in _public(actors.Session))]
    assert [name for name in wanted if f'id="{name}"' not in page] == []
    assert str(ROOT) not in page
    members = re.split(r'<div id="([A-Za-z_.]+)" class="classattr">', page)
    undocumented = [
        name
        for name, text in zip(members[1::2], members[2::2], strict=True)
        if 'class="docstring"' not in text.partition("<section")[0]
    ]
    # A constructor that takes the fields, which are documented one by one.
    assert [name for name in undocumented if not name.endswith(".__init__")] == []


def _public(found: type) -> list[str]:
    return [name for name in vars(found) if not name.startswith("_")]
